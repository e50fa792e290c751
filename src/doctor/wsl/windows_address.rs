//! Windows and this host still are where each other's rules and routes look for them: WSL2 may give both another address
//! whenever it starts.

use std::net::Ipv4Addr;

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::HostRecord;
use crate::error::Result;
use crate::kernel::observe::host::{WslMode, address_towards, default_route};
use crate::model::config::Config;
use crate::model::desired::HostFacts;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-address",
    group: Group::Wsl2,
    looks_at: "the addresses of Windows and of eth0 now, against those that `flatnet up` recorded",
    shows: "Windows reached containers yesterday, and does not today",
    needs: Needs::State,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let record = context.engine.store.host()?;
    let (mends, config_path) = (context.mends_host(), context.config_path.display().to_string());
    Ok(inside(|| {
        match context.wsl_mode() {
            WslMode::Nat => {}
            WslMode::Unknown(_) => {
                return Finding::not_looked("the networking mode is not known: see wsl-networking-mode");
            }
            WslMode::NotWsl | WslMode::Other(_) => {
                return Finding::not_applicable(
                    "Windows is no neighbour of this host: see wsl-networking-mode",
                );
            }
        }
        let Some(windows) = default_route().and_then(|route| route.via) else {
            return Finding::failure("this host has no default route, whose next hop Windows would be")
                .help("In Windows: `wsl --shutdown`, which stops all distributions");
        };
        let (Some(record), Some(facts)) = (record, &context.facts) else {
            return Finding::not_applicable("`flatnet up` has not run yet");
        };
        let now = Now { windows, own: address_towards(windows), facts };
        judge(&record, &now, &context.engine.config, &mends, &config_path)
    }))
}

/// What is so now.
struct Now<'a> {
    windows: Ipv4Addr,
    own: Option<Ipv4Addr>,
    facts: &'a HostFacts,
}

fn judge(record: &HostRecord, now: &Now<'_>, config: &Config, mends: &str, config_path: &str) -> Finding {
    let Now { windows, own, facts } = now;
    if !facts.ingress_gateways.contains(windows) {
        let let_in = or_nobody(&facts.ingress_gateways);
        return Finding::warning(format!("Windows is {windows}, and the configuration lets {let_in} in"))
            .help(format!("Write `ingress_gateways: auto` in {config_path}, then run `{mends}`"));
    }
    if known(&record.facts) != known(facts) {
        let (before, after) = (or_nobody(&known(&record.facts)), or_nobody(&known(facts)));
        return Finding::failure(format!("the rules know {before}, and now it is {after}")).commands([mends]);
    }
    match (record.uplink_address, own) {
        (Some(before), Some(own)) if before != *own => {
            let (to, mask) = (config.subnet.network(), config.subnet.netmask());
            Finding::warning(format!("this host was {before} at `flatnet up`, and is {own} now")).commands([mends]).help(format!(
                "Windows' route leads to {before} still, unless somebody changed it; in Windows, as administrator: \
                 `flatnet.ps1 up`, or without the scripts `route change {to} mask {mask} {own}`"
            ))
        }
        _ => Finding::good(format!("Windows is {windows}, as recorded")),
    }
}

/// The addresses that the rules are made of.
fn known(facts: &HostFacts) -> Vec<Ipv4Addr> {
    facts.ingress_gateways.iter().chain(&facts.host_addresses).copied().collect()
}

fn or_nobody(addresses: &[Ipv4Addr]) -> String {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    /// Each has a remedy of its own.
    #[test]
    fn tells_what_has_changed() {
        let address = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let facts = |gateway: &str| HostFacts {
            config_hash: String::new(),
            mtu: 1500,
            uplink: Some("eth0".to_owned()),
            ingress_gateways: vec![address(gateway)],
            gateway_links: Vec::new(),
            ipv6: true,
            resolvers: Vec::new(),
            gateway_ports: Vec::new(),
            policy_routing: true,
            fib: true,
            host_addresses: Vec::new(),
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
            ("172.29.0.1", "172.29.0.1", "172.29.0.2", Level::Failure, "rules know 172.20.0.1", &["up"]),
            (
                "172.29.0.1",
                "172.20.0.1",
                "172.29.0.2",
                Level::Warning,
                "configuration lets 172.20.0.1 in",
                &[],
            ),
            ("172.20.0.1", "172.20.0.1", "172.20.0.9", Level::Warning, "is 172.20.0.9 now", &["up"]),
        ] {
            let facts = facts(let_in);
            let now = Now { windows: address(windows), own: Some(address(own)), facts: &facts };
            let found = judge(&record, &now, &Config::default(), "up", "/etc/x.yaml");
            assert!(found.level == level && found.what.contains(word), "{found:?}");
            assert_eq!(found.commands, commands, "{found:?}");
            // As the scripts of Windows have it: this host's share, no more.
            let routed = "route change 10.87.1.0 mask 255.255.255.0 172.20.0.9";
            let is_moved = word.contains("is 172.20.0.9 now");
            assert_eq!(found.help.is_some_and(|help| help.contains(routed)), is_moved);
        }
    }
}
