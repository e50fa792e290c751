//! Other routes to containers' addresses: of a VPN, another network, or a local address.

use ipnet::Ipv4Net;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::all_routes::{self, Route};
use crate::model::config::Config;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "routes",
    group: Group::Network,
    looks_at: "routes in all tables that cover the subnet or parts of it and lead elsewhere",
    shows: "some or all containers are unreachable, perhaps only while a VPN is on; or hosts of another network are unreachable",
    needs: Needs::Config,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let routes = all_routes::routes(&mut context.engine.host)?;
    let config = &context.engine.config;
    let mut found: Vec<Finding> = routes.iter().filter_map(|route| judge(route, config)).collect();
    if found.is_empty() {
        found.push(Finding::good(format!("only Flatnet's routes lead to {}", config.subnet)));
    }
    Ok(found)
}

fn judge(route: &Route, config: &Config) -> Option<Finding> {
    let to: Ipv4Net = match route.dst.split_once('/') {
        Some(_) => route.dst.parse().ok()?,
        None => Ipv4Net::from(route.dst.parse::<std::net::Ipv4Addr>().ok()?),
    };
    // Routes of containers, which `container-links` checks, and the unreachable route for unassigned addresses.
    let is_ours = route.protocol == "87" && (route.kind == "unreachable" || route.dev.starts_with("fn"));
    let is_overlay = config.overlay.as_ref().is_some_and(|overlay| route.dev == overlay.interface.as_str());
    // VPNs split the default route into two halves.
    if is_ours
        || is_overlay
        || route.dev == config.bridge.as_str()
        || to.prefix_len() <= 1
        || route.kind == "broadcast"
    {
        return None;
    }
    let (subnet, way) = (config.subnet, words(route));
    if subnet.contains(&to) {
        let what = format!("{to} leads to {way}, but is part of the containers' subnet {subnet}");
        return Some(Finding::failure(what).commands([command(route, to)]).help(
            "First find out what added it (a VPN, another container network); otherwise it comes back",
        ));
    }
    to.contains(&subnet).then(|| {
        Finding::warning(format!(
            "{to} leads to {way} and covers the containers' subnet: its addresses in {subnet} are unreachable from this host, and other Flatnet hosts are looked for there"
        ))
        .help("Choose an unused `range` and `subnet`, or exclude Flatnet's range from that network")
    })
}

fn words(Route { gateway, dev, table, .. }: &Route) -> String {
    let dev = if dev.is_empty() { "nowhere" } else { dev };
    let via = if gateway.is_empty() { String::new() } else { format!(" via {gateway}") };
    let table = if is_usual(table) { String::new() } else { format!(" (table {table})") };
    format!("{dev}{via}{table}")
}

fn is_usual(table: &str) -> bool {
    ["", "main", "local"].contains(&table)
}

fn command(Route { kind, dev, table, .. }: &Route, to: Ipv4Net) -> String {
    if kind == "local" {
        return format!("ip addr del {} dev {dev}", to.addr());
    }
    let kind = if kind.is_empty() || kind == "unicast" { String::new() } else { format!("{kind} ") };
    let dev = if dev.is_empty() { String::new() } else { format!(" dev {dev}") };
    let table = if is_usual(table) { String::new() } else { format!(" table {table}") };
    format!("ip route del {kind}{to}{dev}{table}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn route_inside_subnet_fails_and_wider_route_warns() {
        let config = Config::default();
        for (json, level, word) in [
            (r#"{"dst":"default","gateway":"192.168.0.1","dev":"eth0"}"#, None, ""),
            (r#"{"dst":"0.0.0.0/1","gateway":"10.8.0.1","dev":"tun0"}"#, None, ""),
            (r#"{"dst":"10.87.1.0/24","dev":"flatnet-br0","protocol":"kernel"}"#, None, ""),
            (r#"{"dst":"10.87.1.7","dev":"fn0123456789ab","protocol":"87"}"#, None, ""),
            (r#"{"type":"unreachable","dst":"10.87.1.0/24","protocol":"87"}"#, None, ""),
            (r#"{"dst":"10.87.1.7","dev":"wg0","protocol":"87"}"#, Some(Level::Failure), "leads to wg0"),
            (r#"{"dst":"10.87.2.0/24","gateway":"192.168.0.2","dev":"eth0"}"#, None, "another host's share"),
            (r#"{"dst":"10.0.0.0/8","dev":"tun0"}"#, Some(Level::Warning), "10.0.0.0/8 leads to tun0 and"),
            (r#"{"dst":"10.87.1.128/25","dev":"wg0","table":"51820"}"#, Some(Level::Failure), "table 51820"),
            (
                r#"{"type":"local","dst":"10.87.1.9","dev":"eth0","table":"local"}"#,
                Some(Level::Failure),
                "10.87.1.9/32 leads to eth0",
            ),
            (r#"{"type":"blackhole","dst":"10.87.1.0/24"}"#, Some(Level::Failure), "leads to nowhere"),
        ] {
            let found = judge(&serde_json::from_str(json).unwrap(), &config);
            assert_eq!(found.as_ref().map(|found| found.level), level, "{json}");
            assert!(found.is_none_or(|found| found.what.contains(word)), "{json}");
        }
    }
}
