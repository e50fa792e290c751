//! Lighthouses and other hosts are reached, directly.

use super::{files, with_nebula};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe;
use crate::overlay::status::{HostStatus, OverlayStatus, TunnelPath};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "overlay-hosts",
    group: Group::Overlay,
    looks_at: "Nebula's tunnels to lighthouses and other hosts, and the resolvers there",
    shows: "other hosts are not found, or are slow, because their packets make a detour by a lighthouse",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    with_nebula(context, |context, overlay| {
        if observe::link_is_gone(overlay.interface.as_str()) {
            return Ok(vec![Finding::not_looked("Nebula does not run: see overlay-interface")]);
        }
        let (files, config) = (files(context), context.engine.config.clone());
        let status = context.with_executor(|executor| OverlayStatus::find(&config, &files, executor))?;
        Ok(judge(&status))
    })
}

fn judge(status: &OverlayStatus) -> Vec<Finding> {
    if let Some(why) = &status.no_tunnels {
        return vec![Finding::warning(why.clone()).help(
            "If Nebula runs: run `flatnet overlay request`, then `flatnet overlay join` with a new invitation, which writes the console's keys",
        )];
    }
    if status.lighthouses.is_empty() {
        return vec![Finding::failure("no lighthouse answers: this host finds no other, and is not found").help(
            "Does a lighthouse run, at the address in `static_host_map` of Nebula's configuration? Do firewalls on the way let UDP to its port pass, and answers from there? Does this host's clock agree with theirs?",
        )];
    }
    let is_relayed = |host: &&HostStatus| matches!(host.path, Some(TunnelPath::Relayed { .. }));
    let relayed: Vec<String> = status
        .hosts
        .iter()
        .filter(is_relayed)
        .filter_map(|host| host.number)
        .map(|number| number.to_string())
        .collect();
    let mut found = Vec::new();
    if !relayed.is_empty() {
        found.push(
            Finding::warning(format!("packets to these hosts go by a lighthouse, not directly: {}", relayed.join(", "))).help(
                "Nebula keeps such a tunnel even when a direct way is possible: restart it on one of the two hosts (`systemctl restart flatnet-overlay`). Where both are behind a NAT that gives each connection another port, or a firewall lets no UDP between them pass, there is no direct way",
            ),
        );
    }
    // A host of another version than this one's may lack names.
    let silent: Vec<String> = status
        .hosts
        .iter()
        .filter(|host| host.path.is_some() && host.round_trip.is_none())
        .filter_map(|host| host.number)
        .map(|number| number.to_string())
        .collect();
    if !silent.is_empty() {
        found.push(
            Finding::warning(format!(
                "the resolvers of these hosts do not answer, so their containers have no names here: {}",
                silent.join(", ")
            ))
            .help("Run `flatnet doctor` there; do all hosts have the same `names.zone`?"),
        );
    }
    if found.is_empty() {
        let count = status.hosts.len();
        found.push(Finding::good(format!(
            "{} lighthouse(s) and {count} other host(s) are reached directly",
            status.lighthouses.len()
        )));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::overlay::status::CertificateStatus;

    #[test]
    fn tunnels_are_judged() {
        let host = |number: Option<u16>, path, round_trip| HostStatus {
            number,
            address: [10, 87, 2, 1].into(),
            path,
            certificate: None,
            round_trip,
            version: None,
        };
        let text = String::new;
        let certificate =
            CertificateStatus { name: text(), begins: text(), ends: text(), fingerprint: text() };
        let direct = || Some(TunnelPath::Direct { to: "192.0.2.12:4242".to_owned() });
        let relayed = || Some(TunnelPath::Relayed { by: vec![[10, 86, 255, 254].into()] });
        let status = |no_tunnels: Option<&str>, lighthouses, hosts| OverlayStatus {
            number: 1,
            nebula: "1.11.0".to_owned(),
            certificate: certificate.clone(),
            no_tunnels: no_tunnels.map(str::to_owned),
            lighthouses,
            hosts,
        };
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
            (status(Some("refused"), vec![], vec![]), Level::Warning, "refused"),
        ] {
            let found = judge(&status);
            assert_eq!((found.len(), found[0].level), (1, level), "{found:?}");
            assert!(found[0].what.contains(says), "{found:?}");
        }
    }
}
