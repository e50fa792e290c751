//! Lighthouses and other hosts are reached, and without a detour.

use super::{files, joined};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe;
use crate::model::config::{Config, Overlay, OverlayKind, Peers};
use crate::overlay::status::{HostPath, HostStatus, OverlayStatus};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "overlay-hosts",
    group: Group::Overlay,
    looks_at: "Nebula's tunnels to lighthouses and other hosts, and the resolvers there",
    shows: "other hosts are not found, or are slow, because their packets make a detour by a lighthouse",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

const SILENT: &str = "Is it switched on, and has it left for ever? Then drop it: `flatnet overlay peers --drop FILE`. Otherwise: do both hosts' `overlay.peers` have both addresses in the LAN as they are now? Do firewalls on the way let UDP port 4789 pass? Does `flatnet dns` run there?";

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    joined(context, |context, overlay| {
        if observe::link_is_gone(overlay.interface.as_str()) {
            return Ok(vec![Finding::not_looked(format!(
                "{} is missing: see overlay-interface",
                overlay.interface
            ))]);
        }
        let (files, config) = (files(context), context.engine.config.clone());
        if let Some(finding) = another_address(&config, overlay)? {
            return Ok(vec![finding]);
        }
        let status = context.with_executor(|executor| OverlayStatus::find(&config, &files, executor))?;
        Ok(judge(&status))
    })
}

/// With VXLAN: this host does not have the address that the others send to.
fn another_address(config: &Config, overlay: &Overlay) -> Result<Option<Finding>> {
    if overlay.kind != OverlayKind::Vxlan {
        return Ok(None);
    }
    let peers = Peers::load(overlay.peers_file(), config)?;
    let own = observe::host::host_addresses(config.bridge_address());
    let Some(peer) = peers.of(overlay.number).filter(|peer| !own.contains(&peer.address)) else {
        return Ok(None);
    };
    let (number, address) = (peer.number, peer.address);
    let what = format!(
        "host {number} is at {address}, which is not an address of this host: it has got another, or it is a copy of host {number}"
    );
    Ok(Some(Finding::failure(what).help(format!(
        "With a new address: `flatnet overlay request --kind vxlan`, sign that with --number {number}, join here, and tell the others (`flatnet overlay peers`). A copy leaves (`flatnet overlay leave`), and joins with a request of its own, with another --name"
    ))))
}

/// A host with its name and its address in the LAN.
fn named(host: &HostStatus) -> String {
    let number = host.number.unwrap_or_default();
    let name = host.name.iter().cloned();
    let at = host.path.iter().filter_map(|path| match path {
        HostPath::Direct { to } => Some(to.clone()),
        HostPath::Relayed { .. } => None,
    });
    let about: Vec<String> = name.chain(at).collect();
    format!("host {number} ({})", about.join(", "))
}

fn judge(status: &OverlayStatus) -> Vec<Finding> {
    let answering = status.hosts.iter().filter(|host| host.round_trip.is_some()).count();
    let Some(nebula) = &status.nebula else {
        let silent: Vec<String> =
            status.hosts.iter().filter(|host| host.round_trip.is_none()).map(named).collect();
        let known = status.hosts.len();
        return if silent.is_empty() {
            vec![Finding::good(format!("{answering} other host(s) answer, over VXLAN: not encrypted"))]
        } else {
            vec![
                Finding::warning(format!(
                    "{} of {known} other host(s) do not answer: {}",
                    silent.len(),
                    silent.join(", ")
                ))
                .help(SILENT),
            ]
        };
    };
    if let Some(why) = &nebula.no_tunnels {
        return vec![Finding::warning(why.clone()).help(
            "If Nebula runs: run `flatnet overlay request`, then `flatnet overlay join` with a new invitation, which writes the console's keys",
        )];
    }
    if nebula.lighthouses.is_empty() {
        return vec![Finding::failure("no lighthouse answers: this host finds no other, and is not found").help(
            "Does a lighthouse run, at the address in `static_host_map` of Nebula's configuration? Do firewalls on the way let UDP to its port pass, and answers from there? Does this host's clock agree with theirs?",
        )];
    }
    let mut found = Vec::new();
    if !nebula.silent_lighthouses.is_empty() {
        let silent: Vec<String> = nebula.silent_lighthouses.iter().map(ToString::to_string).collect();
        found.push(Finding::warning(format!("these lighthouses do not answer: {}", silent.join(", "))).help(
            "When the others end too, hosts do not find one another. Do these run, and do firewalls let UDP to their port pass?",
        ));
    }
    let relayed = numbers(status, |host| matches!(host.path, Some(HostPath::Relayed { .. })));
    let silent = numbers(status, |host| host.path.is_some() && host.round_trip.is_none());
    if !relayed.is_empty() {
        found.push(Finding::warning(format!("packets to these hosts go by a lighthouse, not directly: {relayed}")).help(
            "Nebula tries a direct way every 50 packets: see whether it is found while there is traffic. There is none where a NAT gives each connection another port and the other host is behind a NAT too, or a firewall lets no UDP between them pass",
        ));
    }
    if !silent.is_empty() {
        found.push(
            Finding::warning(format!(
                "the resolvers of these hosts do not answer, so their containers have no names here: {silent}"
            ))
            .help("Run `flatnet doctor` there; do all hosts have the same `names.zone`?"),
        );
    }
    if found.is_empty() {
        let lights = nebula.lighthouses.len();
        found.push(Finding::good(format!(
            "{lights} lighthouse(s) and {answering} other host(s) are reached directly"
        )));
    }
    found
}

/// The numbers of hosts with `property`, in words.
fn numbers(status: &OverlayStatus, property: impl Fn(&HostStatus) -> bool) -> String {
    let hosts = status.hosts.iter().filter(|host| property(host));
    hosts.filter_map(|host| host.number).map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::overlay::status::{CertificateStatus, NebulaStatus};

    fn host(number: Option<u16>, path: HostPath, round_trip: Option<f64>) -> HostStatus {
        HostStatus {
            number,
            name: None,
            address: [10, 87, 2, 1].into(),
            path: Some(path),
            certificate: None,
            round_trip,
            version: None,
            away_since: None,
        }
    }

    #[test]
    fn tunnels_are_judged() {
        let text = String::new;
        let certificate =
            CertificateStatus { name: text(), begins: text(), ends: text(), fingerprint: text() };
        let direct = || HostPath::Direct { to: "192.0.2.12:4242".to_owned() };
        let relayed = || HostPath::Relayed { by: vec![[10, 86, 255, 254].into()] };
        let status = |no_tunnels: Option<&str>, lighthouses, hosts| OverlayStatus {
            kind: OverlayKind::Nebula,
            number: 1,
            nebula: Some(NebulaStatus {
                version: "1.11.0".to_owned(),
                certificate: certificate.clone(),
                no_tunnels: no_tunnels.map(str::to_owned),
                lighthouses,
                silent_lighthouses: vec![],
            }),
            hosts,
        };
        let mut one_away = status(None, vec![host(None, direct(), None)], vec![]);
        if let Some(nebula) = &mut one_away.nebula {
            nebula.silent_lighthouses.push([10, 86, 255, 253].into());
        }
        let lights = || vec![host(None, direct(), None)];
        for (status, level, says) in [
            (status(None, lights(), vec![host(Some(2), direct(), Some(1.0))]), Level::Good, "1 other host"),
            (status(None, lights(), vec![]), Level::Good, "0 other"),
            (status(None, vec![], vec![host(Some(2), direct(), Some(1.0))]), Level::Failure, "no lighthouse"),
            (
                status(None, lights(), vec![host(Some(2), relayed(), Some(1.0))]),
                Level::Warning,
                "not directly: 2",
            ),
            (status(None, lights(), vec![host(Some(7), direct(), None)]), Level::Warning, "no names here: 7"),
            (one_away, Level::Warning, "do not answer: 10.86.255.253"),
            (status(Some("refused"), vec![], vec![]), Level::Warning, "refused"),
            (
                OverlayStatus {
                    kind: OverlayKind::Vxlan,
                    number: 1,
                    nebula: None,
                    hosts: vec![host(Some(2), direct(), Some(1.0)), host(Some(3), direct(), None)],
                },
                Level::Warning,
                "1 of 2 other host(s) do not answer: host 3 (192.0.2.12:4242)",
            ),
            (
                OverlayStatus {
                    kind: OverlayKind::Vxlan,
                    number: 1,
                    nebula: None,
                    hosts: vec![host(Some(2), direct(), None)],
                },
                Level::Warning,
                "1 of 1 other host(s) do not answer: host 2 (192.0.2.12:4242)",
            ),
        ] {
            let found = judge(&status);
            assert_eq!((found.len(), found[0].level), (1, level), "{found:?}");
            assert!(found[0].what.contains(says), "{found:?}");
        }
    }
}
