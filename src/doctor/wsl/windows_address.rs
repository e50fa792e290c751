//! The addresses of Windows and of this host match the rules and routes: WSL2 may assign new ones at every start.

use std::net::Ipv4Addr;

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::HostRecord;
use crate::error::Result;
use crate::kernel::observe::host::{WslMode, default_route};
use crate::kernel::observe::source_address::address_towards;
use crate::model::config::Config;
use crate::model::desired::HostFacts;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-address",
    group: Group::Wsl2,
    looks_at: "the current addresses of Windows and eth0, compared with those that `flatnet up` recorded",
    shows: "Windows no longer reaches containers, for example since yesterday",
    needs: Needs::State,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let record = context.engine.store.host()?;
    let (command, config_path) = (context.up_or_repair(), context.config_path.display().to_string());
    Ok(inside(|| {
        match context.wsl_mode() {
            WslMode::Nat => {}
            WslMode::Unknown(_) => {
                return Finding::not_looked("the networking mode is unknown: see wsl-networking-mode");
            }
            WslMode::NotWsl | WslMode::UserMode | WslMode::Other(_) => {
                return Finding::not_applicable(
                    "Windows is not the next hop of this host: see wsl-networking-mode",
                );
            }
        }
        let Some(windows) = default_route().and_then(|route| route.via) else {
            return Finding::failure("this host has no default route; its next hop should be Windows")
                .help("Run `wsl --shutdown` in Windows, which stops all distributions");
        };
        let (Some(record), Some(facts)) = (record, &context.facts) else {
            return Finding::not_applicable("`flatnet up` has not run yet");
        };
        let now = Now { windows, own: address_towards(windows), facts };
        judge(&record, &now, &context.engine.config, &command, &config_path)
    }))
}

/// The current addresses.
struct Now<'a> {
    windows: Ipv4Addr,
    own: Option<Ipv4Addr>,
    facts: &'a HostFacts,
}

fn judge(record: &HostRecord, now: &Now<'_>, config: &Config, command: &str, config_path: &str) -> Finding {
    let Now { windows, own, facts } = now;
    if !facts.ingress_gateways.contains(windows) {
        let accepted = or_none(&facts.ingress_gateways);
        return Finding::warning(format!("Windows is {windows}, but the configuration accepts {accepted}"))
            .help(format!("Set `ingress_gateways: auto` in {config_path}, then run `{command}`"));
    }
    if known(&record.facts) != known(facts) {
        let (before, after) = (or_none(&known(&record.facts)), or_none(&known(facts)));
        return Finding::failure(format!("the ruleset has {before}, but the current addresses are {after}"))
            .commands([command]);
    }
    match (record.uplink_address, own) {
        (Some(before), Some(own)) if before != *own => {
            let (to, mask) = (config.routed().network(), config.routed().netmask());
            Finding::warning(format!("this host was {before} at `flatnet up`, but is {own} now"))
                .commands([command])
                .help(format!(
                    "Windows' route probably still leads to {before}. In Windows, as administrator, run \
                 `flatnet.ps1 up`, or without the scripts `route change {to} mask {mask} {own}`"
                ))
        }
        _ => Finding::good(format!("Windows is {windows}, as recorded")),
    }
}

/// The addresses in the ruleset.
fn known(facts: &HostFacts) -> Vec<Ipv4Addr> {
    facts.ingress_gateways.iter().chain(&facts.host_addresses).copied().collect()
}

fn or_none(addresses: &[Ipv4Addr]) -> String {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    /// Each change has its own remedy.
    #[test]
    fn windows_address_change_is_reported_with_remedy() {
        let address = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let facts = |gateway: &str| HostFacts {
            mtu: 1500,
            uplink: Some("eth0".to_owned()),
            ingress_gateways: vec![address(gateway)],
            ipv6: true,
            policy_routing: true,
            fib: true,
            ..HostFacts::default()
        };
        let record = HostRecord {
            facts: facts("172.20.0.1"),
            boot_id: String::new(),
            found: std::collections::BTreeMap::new(),
            at: 0,
            uplink_address: Some(address("172.20.0.2")),
            complete: true,
        };
        for (windows, let_in, own, level, word, commands) in [
            ("172.20.0.1", "172.20.0.1", "172.20.0.2", Level::Good, "as recorded", &[][..]),
            ("172.29.0.1", "172.29.0.1", "172.29.0.2", Level::Failure, "ruleset has 172.20.0.1", &["up"]),
            (
                "172.29.0.1",
                "172.20.0.1",
                "172.29.0.2",
                Level::Warning,
                "configuration accepts 172.20.0.1",
                &[],
            ),
            ("172.20.0.1", "172.20.0.1", "172.20.0.9", Level::Warning, "is 172.20.0.9 now", &["up"]),
        ] {
            let facts = facts(let_in);
            let now = Now { windows: address(windows), own: Some(address(own)), facts: &facts };
            let found = judge(&record, &now, &Config::default(), "up", "/etc/x.yaml");
            assert!(found.level == level && found.what.contains(word), "{found:?}");
            assert_eq!(found.commands, commands, "{found:?}");
            // Only this host's share, as in the scripts for Windows.
            let routed = "route change 10.87.1.0 mask 255.255.255.0 172.20.0.9";
            let is_moved = word.contains("is 172.20.0.9 now");
            assert_eq!(found.help.is_some_and(|help| help.contains(routed)), is_moved);
        }
    }
}
