//! The file with the hosts of an overlay of kind `vxlan`, which has no certificates and no lighthouses.

use std::path::Path;

use serde::Serialize;

use super::membership::ThisHost;
use super::papers::{Carrier, Invitation, Paper, called, write};

use crate::error::{Error, Kind, Result};
use crate::model::config::{Config, OverlayKind, Peer, Peers};
use crate::setup::task::Task;

/// What everybody must know who uses it.
pub const WARNING: &str = "VXLAN does not encrypt packets, and nothing proves who sent them: whoever is in this LAN can read and forge them";

const COMMENT: &str = "Flatnet: the hosts of the overlay, the same on every host. After a change: flatnet up";

/// What is allowed when a host takes a list of hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerTerms {
    /// Addresses outside of private networks.
    pub force: bool,
    /// To know no longer the hosts that the list lacks.
    pub drop: bool,
}

/// How a list of hosts differs from the one that a host has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeerChanges {
    /// Hosts that were not known.
    pub added: Vec<Peer>,
    /// Hosts that have another name or address: before and after.
    pub changed: Vec<(Peer, Peer)>,
    /// Hosts that are not in the list.
    pub dropped: Vec<Peer>,
}

impl PeerChanges {
    fn between(before: &Peers, after: &Peers) -> Self {
        let lacks = |peers: &Peers, peer: &&Peer| peers.of(peer.number).is_none();
        let changed = before.hosts.iter().filter_map(|peer| {
            let now = after.of(peer.number)?;
            (now != peer).then(|| (peer.clone(), now.clone()))
        });
        Self {
            added: after.hosts.iter().filter(|peer| lacks(before, peer)).cloned().collect(),
            changed: changed.collect(),
            dropped: before.hosts.iter().filter(|peer| lacks(after, peer)).cloned().collect(),
        }
    }

    /// One change per line, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { added, changed, dropped } = self;
        let lines: Vec<String> = added
            .iter()
            .map(|peer| format!("Added: {}\n", named(peer)))
            .chain(changed.iter().map(|(from, to)| format!("Changed: {}, was {}\n", named(to), named(from))))
            .chain(dropped.iter().map(|peer| format!("Dropped: {}\n", named(peer))))
            .collect();
        if lines.is_empty() {
            "The list names the hosts that this host knows.\n".to_owned()
        } else {
            lines.concat()
        }
    }
}

fn named(Peer { number, host, address }: &Peer) -> String {
    format!("host {number} ({host}, {address})")
}

impl ThisHost<'_> {
    /// The commands by which this host knows these hosts, and no others.
    pub fn peers(&self, peers: &Peers, terms: PeerTerms) -> Result<Vec<Task>> {
        if self.config.overlay.as_ref().is_none_or(|overlay| overlay.kind != OverlayKind::Vxlan) {
            return Err(Error::new(Kind::BadValue, "this host has joined no overlay of kind vxlan")
                .remedy("Join one with `flatnet overlay join`"));
        }
        let up = Task::new(self.flatnet("up"), "neighbours, routes and rules for these hosts");
        let put = self.put_own_peers(self.config, peers, terms)?;
        Ok([put].into_iter().chain(self.is_up.then_some(up)).collect())
    }

    /// How `peers` differs from the list that this host has. An error if it lacks hosts, unless they may be dropped.
    pub fn peer_changes(&self, peers: &Peers, may_drop: bool) -> Result<PeerChanges> {
        let overlay = self.config.overlay.as_ref().filter(|overlay| overlay.kind == OverlayKind::Vxlan);
        let known = match overlay.map(|overlay| Peers::load(overlay.peers_file(), self.config)) {
            None => Peers::default(),
            Some(Err(error)) if may_drop || error.kind() == Kind::ConfigMissing => Peers::default(),
            Some(Err(error)) => {
                return Err(error
                    .context("the hosts that this host knows cannot be compared with the list")
                    .remedy("Mend the file, or replace it whatever it names: add --drop"));
            }
            Some(Ok(known)) => known,
        };
        let changes = PeerChanges::between(&known, peers);
        if changes.dropped.is_empty() || may_drop {
            return Ok(changes);
        }
        let lost: Vec<String> = changes.dropped.iter().map(named).collect();
        let what =
            format!("the list of hosts lacks {}, which this host knows: it may be older", lost.join(", "));
        Err(Error::new(Kind::HostsLost, what))
    }

    /// Writes the file for the host of `config`, which is among the hosts and has the address in the list.
    pub(super) fn put_own_peers(&self, config: &Config, peers: &Peers, terms: PeerTerms) -> Result<Task> {
        let peers = Peers { force: terms.force, hosts: peers.hosts.clone() };
        peers.check(config)?;
        let overlay = config.overlay.as_ref();
        let own = overlay.and_then(|overlay| peers.of(overlay.number));
        self.refuse_foreign_address(own)?;
        self.peer_changes(&peers, terms.drop)?;
        let path = overlay.map_or_else(|| self.files().peers(), |overlay| overlay.peers_file().to_owned());
        let put =
            Task::put(&path, "644", &write(&peers, COMMENT)?, "the hosts, and where in the LAN they are");
        Ok(put.undone_by(self.is_up.then(|| self.flatnet("up"))))
    }

    fn refuse_foreign_address(&self, own: Option<&Peer>) -> Result<()> {
        let what = match own {
            Some(peer) if self.addresses.contains(&peer.address) => return Ok(()),
            Some(peer) => format!("{} is not an address of this host", peer.address),
            None => "this host is not among the hosts".to_owned(),
        };
        Err(Error::new(Kind::BadValue, what)
            .remedy("Make a request with this host's address in the LAN (`flatnet overlay request --kind vxlan --at ADDRESS`), and have it signed"))
    }
}

/// The hosts in the file at `path`, or in standard input: an invitation, or the file of another host.
pub fn hosts_in(path: Option<&Path>) -> Result<Peers> {
    let text = Paper::Hosts.text(path)?;
    let name = called(path);
    if !text.lines().any(|line| line.starts_with("flatnet_invitation:")) {
        return Paper::Hosts.parse(&text, &name);
    }
    let invitation: Invitation = Paper::Invitation.parse(&text, &name)?;
    match invitation.carrier {
        Carrier::Vxlan(peers) => Ok(peers),
        Carrier::Nebula(_) => {
            let what = format!("{name} is an invitation for kind nebula, and a list of hosts is needed");
            Err(Error::new(Kind::Paper, what)
                .remedy("Nothing is needed with Nebula: hosts find one another by lighthouses"))
        }
    }
}

/// The list of hosts as text.
pub fn list(peers: &Peers) -> Result<String> {
    write(peers, COMMENT)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::kernel::execute::HostExecutor;
    use crate::model::config;
    use crate::overlay::authority::{Authority, NumberRequest, Scope, Terms};
    use crate::overlay::papers::{Identity, JoinRequest, One};
    use crate::setup::task;

    const KEY: &str =
        "-----BEGIN NEBULA X25519 PUBLIC KEY-----\nAAAA\n-----END NEBULA X25519 PUBLIC KEY-----\n";

    fn executor() -> HostExecutor {
        HostExecutor::new(Duration::from_secs(5))
    }

    fn authority(folder: &Path) -> Authority {
        let scope = Scope {
            kind: OverlayKind::Vxlan,
            name: "flatnet".parse().unwrap(),
            range: "10.87.0.0/16".parse().unwrap(),
            subnet_prefix: 24,
            network: "10.86.0.0/16".parse().unwrap(),
            hours: 1,
        };
        let ca = folder.join("ca");
        task::run(&Authority::plan_to_create(&ca, &scope, None).unwrap(), &mut executor()).unwrap();
        Authority::open(&ca).unwrap()
    }

    fn request(host: &str, address: &str) -> JoinRequest {
        let identity = Identity::Vxlan { address: address.parse().unwrap() };
        JoinRequest { flatnet_join_request: One, host: host.parse().unwrap(), identity }
    }

    /// The number that the host gets, and all hosts as text.
    fn sign(
        authority: &Authority,
        request: &JoinRequest,
        number: &str,
        force: bool,
    ) -> Result<(u16, String), String> {
        let terms = Terms { force, ..Terms::default() };
        let invitation = authority
            .sign(request, number.parse::<NumberRequest>().unwrap(), &terms, &mut executor())
            .map_err(|error| error.to_line())?;
        let Carrier::Vxlan(peers) = invitation.carrier else { panic!("another kind") };
        let hosts: Vec<String> = peers
            .hosts
            .iter()
            .map(|peer| format!("{} {} {}", peer.number, peer.host, peer.address))
            .collect();
        Ok((invitation.number, hosts.join(", ")))
    }

    #[test]
    fn number_name_and_address_are_one_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let all = authority(dir.path());
        let (anna, bob) = (request("anna", "192.168.77.11"), request("bob", "192.168.77.12"));
        let both = "1 anna 192.168.77.11, 2 bob 192.168.77.12".to_owned();
        assert_eq!(sign(&all, &anna, "auto", false).unwrap(), (1, "1 anna 192.168.77.11".to_owned()));
        assert_eq!(sign(&all, &bob, "auto", false).unwrap(), (2, both.clone()));
        for number in ["auto", "2"] {
            assert_eq!(sign(&all, &bob, number, false).unwrap(), (2, both.clone()), "signed again");
        }
        for double in [request("anna", "192.168.77.13"), request("carol", "192.168.77.11")] {
            let error = sign(&all, &double, "auto", false).unwrap_err();
            assert!(
                error.contains(
                    "number 1 is that of host anna at 192.168.77.11, which has this name or address"
                ),
                "{error}"
            );
        }
        // It has moved.
        let moved = "1 anna 192.168.77.13, 2 bob 192.168.77.12".to_owned();
        assert_eq!(sign(&all, &request("anna", "192.168.77.13"), "1", false).unwrap(), (1, moved));
        let error = sign(&all, &request("carol", "192.168.77.14"), "1", false).unwrap_err();
        assert!(error.contains("number 1 is that of host anna, for ever"), "{error}");
        // A revoked host is not in the list, and its number stays its own; its name and address are free.
        task::run(&all.plan_to_revoke(2, &mut executor()).unwrap().1, &mut executor()).unwrap();
        let error = sign(&all, &bob, "2", false).unwrap_err();
        assert!(error.contains("number 2 is that of host bob, which is revoked, for ever"), "{error}");
        let rest = "1 anna 192.168.77.13, 3 bob 192.168.77.12".to_owned();
        assert_eq!(sign(&all, &bob, "auto", false).unwrap(), (3, rest));
    }

    #[test]
    fn public_address_is_refused_before_it_has_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let all = authority(dir.path());
        let public = request("anna", "203.0.113.11");
        let error = sign(&all, &public, "auto", false).unwrap_err();
        assert!(
            error.contains("203.0.113.11 is not a private address (RFC 1918), and VXLAN neither encrypts"),
            "{error}"
        );
        assert!(!dir.path().join("ca/issued").exists());
        assert_eq!(sign(&all, &public, "auto", true).unwrap().0, 1);
        // Whoever comes to such hosts must know, too.
        let error = sign(&all, &request("bob", "192.168.77.12"), "auto", false).unwrap_err();
        assert!(error.contains("203.0.113.11 is not a private address"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path().join("ca/issued")).unwrap().count(), 1);
    }

    #[test]
    fn what_belongs_to_nebula_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let all = authority(dir.path());
        assert!(!all.needs_passphrase().unwrap());
        let key = Identity::Nebula { public_key: KEY.parse().unwrap() };
        let error =
            sign(&all, &JoinRequest { identity: key, ..request("bob", "192.168.77.12") }, "auto", false);
        let error = error.unwrap_err();
        assert!(error.contains("the request is for kind nebula, but the authority is for vxlan"), "{error}");
        let (name, at) = ("l1".parse().unwrap(), "192.168.77.20:4242".parse().unwrap());
        let error =
            all.plan_to_add_lighthouse(&name, &at, Path::new("none"), None, &mut executor()).unwrap_err();
        assert!(error.to_line().contains("need no lighthouse"), "{error}");
    }

    #[test]
    fn host_takes_only_a_list_with_itself() {
        let config = |yaml| config::parse(yaml, Path::new("f.yaml")).unwrap();
        let (alone, joined) = (config(""), config("overlay: {kind: vxlan, number: 1}\n"));
        let peers = |last: u8, number| {
            let address = Ipv4Addr::new(192, 168, 77, last);
            Peers { force: false, hosts: vec![Peer { number, host: "anna".parse().unwrap(), address }] }
        };
        let tell = |config: &Config, peers: &Peers, is_up| {
            let host = ThisHost {
                config,
                path: Path::new("/etc/flatnet/flatnet.yaml"),
                flatnet: vec!["flatnet".to_owned()],
                is_up,
                attached: Vec::new(),
                has_systemd: false,
                addresses: vec![Ipv4Addr::new(192, 168, 77, 11)],
                other_networks: Vec::new(),
            };
            host.peers(peers, PeerTerms::default()).map(|tasks| tasks.len()).map_err(|error| error.to_line())
        };
        assert_eq!(tell(&joined, &peers(11, 1), true), Ok(2), "the file and `up`");
        assert_eq!(tell(&joined, &peers(11, 1), false), Ok(1), "the file");
        for (config, peers, said) in [
            (&alone, peers(11, 1), "this host has joined no overlay of kind vxlan"),
            (&joined, peers(12, 1), "192.168.77.12 is not an address of this host"),
            (&joined, peers(11, 2), "this host is not among the hosts"),
        ] {
            let error = tell(config, &peers, true).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let public = Peers {
            hosts: vec![Peer { address: Ipv4Addr::new(203, 0, 113, 1), ..peers(11, 1).hosts[0].clone() }],
            force: true,
        };
        let error = tell(&joined, &public, true).unwrap_err();
        assert!(error.contains("203.0.113.1 is not a private address"), "a list does not force it: {error}");
    }
}
