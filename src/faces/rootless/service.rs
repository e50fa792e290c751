//! Root's half: reads one request, does it for the user who sent it, and answers.
//!
//! | what | from |
//! | --- | --- |
//! | the user | the kernel ([`super::peer`]) |
//! | the network's configuration | /etc/flatnet, which only root writes |
//! | the network namespace | what the process that asks has open by a number, and the user must be able to enter |
//! | container ID, names | the request, with the user's number and name added ([`User`]) |
//! | MAC, published ports | nobody: Flatnet makes the MAC, and Podman publishes ports of rootless containers itself |

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::message::{Answer, Attach, Call, Check, Message, Refusal, SAME};
use super::peer::Peer;
use super::{account, slots, wire};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::faces::plugin;
use crate::kernel::execute::HostExecutor;
use crate::kernel::observe::resolv_conf;
use crate::log::Log;
use crate::model::config::{self, Allowance, Config, DEFAULT_PATH};
use crate::model::request::{Attached, Request, refuse_many_aliases};
use crate::model::types::{AttachmentId, ContainerName, NetworkName, User};

/// How long the other end may take to send its request, or to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Handles the request that arrives over `connection`.
pub fn serve(connection: impl AsFd) -> Result<()> {
    let result = Peer::of(&connection).and_then(|peer| {
        // Each user has 65,536 numbers more, for containers: they get no slots.
        let user = account::user(peer.uid, &mut HostExecutor::new(PATIENCE))?;
        let _slot = slots::take(peer.uid)?;
        let bytes = wire::receive(&connection, PATIENCE).map_err(not_received)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        handle((peer, user), &bytes, |answer| send(&connection, answer))
    });
    match result {
        Ok(None) => Ok(()),
        Ok(Some(answer)) => send(&connection, &answer),
        Err(error) => {
            wire::discard(&connection);
            let told = send(&connection, &Answer::Refused(Refusal::of(&error)));
            told.and(Err(error))
        }
    }
}

/// Does what the user asks for; returns the answer, unless `attached` has sent it.
fn handle(
    (peer, user): (Peer, User),
    bytes: &[u8],
    attached: impl Fn(&Answer) -> Result<()>,
) -> Result<Option<Answer>> {
    let Message { network, call, .. } = Message::parse(bytes)?;
    let (path, config) = config_of(&network)?;
    let mut executor = HostExecutor::new(Duration::from_secs(config.limits.command_seconds));
    let own = |id: AttachmentId| -> Result<AttachmentId> {
        Ok(AttachmentId { container_id: user.container_id(&id.container_id)?, ..id })
    };
    match call {
        // Whoever may no longer attach containers may still remove them.
        Call::Detach(id) => plugin::engine_to_detach(&path, network.as_str())?.detach(&own(id)?)?,
        Call::Attach(attach) => {
            let allowance = account::allowance(&config, &user)?;
            let request = request(&attach, &user, allowance)?;
            let netns = peer.netns(attach.descriptor, &request.netns, &user.name, &mut executor)?;
            let bridge = config.bridge_address();
            let engine = &mut open(config)?;
            engine.attach_in(
                || Ok(netns),
                &request,
                |result| attached(&Answer::Attached(Box::new(with_servers(result.clone(), bridge)))),
            )?;
            return Ok(None);
        }
        Call::Check(Check { id, addresses }) => open(config)?.check(&own(id)?, &addresses)?,
        Call::Status => {
            account::allowance(&config, &user)?;
            open(config)?.status()?;
        }
    }
    Ok(Some(Answer::Done))
}

/// Without name servers of Flatnet's, Podman 5 writes one of its own into a user's resolv.conf that does not answer on this network:
/// the container gets this host's.
fn with_servers(mut attached: Attached, bridge: Ipv4Addr) -> Attached {
    if attached.dns.servers.is_empty() {
        let servers = resolv_conf::of_this_host(bridge).into_iter().filter_map(|server| server.parse().ok());
        attached.dns.servers = servers.filter(|server: &Ipv4Addr| !server.is_loopback()).collect();
    }
    attached
}

/// What the engine is asked for.
fn request(attach: &Attach, user: &User, allowance: &Allowance) -> Result<Request> {
    // A name below /run/netns is root's, and commands would use it instead of the descriptor.
    if attach.netns.iproute2_name().is_some() {
        let what = format!("a user cannot attach a container by the path {}", attach.netns);
        return Err(Error::new(Kind::UserRefused, what).remedy("Let Podman make the network namespace"));
    }
    for ip in &attach.ips {
        if !allowance.ips.iter().any(|own| own == ip) {
            let what = format!("address {ip} is not among those that user {} may request", user.name);
            let remedy =
                format!("As root, add it to `rootless.users.{}.ips` in the configuration", user.name);
            return Err(Error::new(Kind::UserRefused, what).remedy(remedy));
        }
    }
    refuse_many_aliases(attach.aliases.len())?;
    let own = |name: &ContainerName| user.container_name(name);
    Ok(Request {
        id: AttachmentId {
            container_id: user.container_id(&attach.id.container_id)?,
            if_name: attach.id.if_name.clone(),
        },
        netns: attach.netns.clone(),
        name: attach.name.as_ref().map(own).transpose()?,
        aliases: attach.aliases.iter().map(own).collect::<Result<_>>()?,
        ips: attach.ips.clone(),
        mac: None,
        ports: Vec::new(),
        caller: user.caller(),
        most: Some(allowance.addresses),
    })
}

/// The configuration of `network`, with its path.
fn config_of(network: &NetworkName) -> Result<(PathBuf, Config)> {
    let mut all = config::installed().into_iter();
    all.find(|(_, config)| config.network == *network).ok_or_else(|| {
        // If it is the default one that is invalid, that is the reason.
        config::load(Path::new(DEFAULT_PATH)).err().unwrap_or_else(|| {
            let what = format!("no configuration in /etc/flatnet has the network {network}");
            Error::new(Kind::NetworkName, what)
                .remedy("Use a network that `podman network ls` of root lists, or ask root for it")
        })
    })
}

fn open(config: Config) -> Result<Engine> {
    let log = Log::new(&config.paths.log);
    Engine::open(config, log)
}

fn not_received(errno: rustix::io::Errno) -> Error {
    let what = "no request of at most 65536 bytes arrived";
    Error::new(Kind::Decode, what).source(std::io::Error::from(errno)).remedy(SAME)
}

fn send(connection: impl AsFd, answer: &Answer) -> Result<()> {
    let unheard =
        |cause: std::io::Error| Error::new(Kind::Unheard, "the answer cannot be sent").source(cause);
    let text = serde_json::to_vec(answer).map_err(|cause| unheard(cause.into()))?;
    wire::send(connection, &text, PATIENCE).map_err(|errno| unheard(errno.into()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn attach(netns: &str, ips: &[&str]) -> Attach {
        Attach {
            id: AttachmentId { container_id: "c1".parse().unwrap(), if_name: "eth0".parse().unwrap() },
            netns: netns.parse().unwrap(),
            descriptor: 3,
            name: Some("web".parse().unwrap()),
            aliases: vec!["www".parse().unwrap()],
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn request_has_nothing_but_the_users_own() {
        let alice = User { name: "alice".parse().unwrap(), uid: NonZeroU32::new(1001).unwrap() };
        let allowance = Allowance { addresses: 2, ips: vec![Ipv4Addr::new(10, 87, 1, 200)] };
        let of = |netns: &str, ips: &[&str]| request(&attach(netns, ips), &alice, &allowance);
        let path = "/run/user/1001/netns/n1";
        let request = of(path, &["10.87.1.200"]).unwrap();
        assert_eq!(request.id.container_id.as_str(), "u1001.alice.c1");
        assert_eq!(request.name.unwrap().as_str(), "web.alice");
        assert_eq!(request.aliases[0].as_str(), "www.alice");
        assert_eq!((request.caller, request.most), (alice.caller(), Some(2)));
        assert!(request.mac.is_none() && request.ports.is_empty());
        for (netns, ips) in [
            (path, &["10.87.1.201"][..]),
            (path, &["10.87.1.200", "10.87.1.1"]),
            (path, &["fd00::1"]),
            ("/run/netns/web", &[]),
            ("/var/run/netns/web", &[]),
        ] {
            assert_eq!(of(netns, ips).unwrap_err().kind(), Kind::UserRefused, "{netns} {ips:?}");
        }
    }
}
