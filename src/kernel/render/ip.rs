//! Renders `ip` and `bridge` operations as arguments or batch lines.

use ipnet::Ipv4Net;

use crate::kernel::tools::Tools;
use crate::model::command::{Command, NETNS_DESCRIPTOR_PATH};
use crate::model::plan::{LinkAttribute, Op, Place};
use crate::model::types::{IfName, NetnsPath, RouteTable};

/// The protocol number of our routes (`ip route show proto 87`).
const ROUTE_PROTOCOL: &str = "87";
/// The metric of the unreachable route: any other route to the same addresses takes precedence.
const UNREACHABLE_METRIC: &str = "4278198272";
/// The metric of a container's default route. Runtimes attach networks in no certain order, and other networks' default
/// routes (CNI's bridge: 0, netavark: 100) must take precedence whichever came first.
const DEFAULT_ROUTE_METRIC: &str = "4096";

/// `ip`, `ip -n NAME` if iproute2 finds the namespace by name, else `nsenter --net=/proc/self/fd/9 ip .. 9<PATH`. Only
/// root changes what a name means; a path may lead elsewhere at any time, so the namespace is opened once.
pub(super) fn command(place: &Place, tools: &Tools) -> Command {
    match place {
        Place::Host => Command::new([&tools.ip]),
        Place::Netns(path) => match path.iproute2_name() {
            Some(name) => Command::new([&tools.ip, "-n", name]),
            None => Command {
                netns: Some(path.clone()),
                ..Command::new([&tools.nsenter, &format!("--net={NETNS_DESCRIPTOR_PATH}"), &tools.ip])
            },
        },
    }
}

/// The namespace that `op` gets as a descriptor, because it has no name.
pub(super) fn nameless_netns(op: &Op) -> Option<&NetnsPath> {
    match op {
        Op::VethAdd { netns, .. } => Some(netns).filter(|path| path.iproute2_name().is_none()),
        _ => None,
    }
}

fn destination(to: Ipv4Net) -> String {
    if to.prefix_len() == 0 { "default".to_owned() } else { to.to_string() }
}

fn next_hop(via: Option<std::net::Ipv4Addr>) -> String {
    via.map(|gateway| format!("via {gateway}")).unwrap_or_default()
}

fn in_table(table: Option<RouteTable>) -> String {
    table.map(|table| format!("table {table}")).unwrap_or_default()
}

fn port_flag(dev: &IfName, flag: &str, on: bool) -> String {
    format!("link set dev {dev} type bridge_slave {flag} {}", on_or_off(on))
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn netns_argument(path: &NetnsPath) -> &str {
    path.iproute2_name().unwrap_or(NETNS_DESCRIPTOR_PATH)
}

/// The arguments of `ip` or `bridge`. None contains white space, so they are also a batch line.
pub(super) fn arguments(op: &Op) -> Vec<String> {
    let words = match op {
        Op::BridgeAdd { dev, mac } => format!(
            "link add dev {dev} address {mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        ),
        Op::VethAdd { dev, mac, mtu, master, group, peer, peer_mac, netns, peer_arp } => {
            let master = master.as_ref().map(|bridge| format!("master {bridge}")).unwrap_or_default();
            let peer_arp = if *peer_arp { "" } else { "arp off" };
            format!(
                "link add dev {dev} address {mac} mtu {mtu} {master} arp off group {group} type veth \
                 peer name {peer} address {peer_mac} mtu {mtu} {peer_arp} netns {}",
                netns_argument(netns)
            )
        }
        Op::LinkSet { place: _, dev, attribute } => match attribute {
            LinkAttribute::Up => format!("link set dev {dev} up"),
            LinkAttribute::Arp(on) => format!("link set dev {dev} arp {}", on_or_off(*on)),
            LinkAttribute::Group(group) => format!("link set dev {dev} group {group}"),
            LinkAttribute::Ipv6Address(on) => {
                format!("link set dev {dev} addrgenmode {}", if *on { "eui64" } else { "none" })
            }
            LinkAttribute::Down => format!("link set dev {dev} down"),
            LinkAttribute::NoMaster => format!("link set dev {dev} nomaster"),
            LinkAttribute::Alias(alias) => format!("link set dev {dev} alias {alias}"),
            LinkAttribute::Mtu(bytes) => format!("link set dev {dev} mtu {bytes}"),
            LinkAttribute::Address(mac) => format!("link set dev {dev} address {mac}"),
            LinkAttribute::Name(name) => format!("link set dev {dev} name {name}"),
            LinkAttribute::Master(bridge) => format!("link set dev {dev} master {bridge}"),
            LinkAttribute::Isolated(on) => port_flag(dev, "isolated", *on),
            LinkAttribute::Learning(on) => port_flag(dev, "learning", *on),
            LinkAttribute::Locked(on) => port_flag(dev, "locked", *on),
            LinkAttribute::Hairpin(on) => port_flag(dev, "hairpin", *on),
        },
        Op::FdbDel { dev, mac } => format!("fdb del {mac} dev {dev} master"),
        Op::FdbAdd { dev, mac } => format!("fdb add {mac} dev {dev} master static"),
        Op::LinkDel { dev } => format!("link del dev {dev}"),
        Op::AddrAdd { place: _, dev, address, noprefixroute } => {
            let broadcast = if address.prefix_len() < 31 { "brd +" } else { "" };
            let noprefixroute = if *noprefixroute { "noprefixroute" } else { "" };
            format!("addr add {address} {broadcast} dev {dev} {noprefixroute}")
        }
        Op::AddrDel { place: _, dev, address } => format!("addr del {address} dev {dev}"),
        Op::RouteAdd { place: _, to, via, dev, src, table } => {
            // A table of ours has no other routes.
            let is_default = to.prefix_len() == 0 && table.is_none();
            let metric = if is_default { format!("metric {DEFAULT_ROUTE_METRIC}") } else { String::new() };
            // Not `add`: a second interface on Flatnet has the same route, which takes over when the first one is
            // removed.
            let src = src.map(|address| format!("src {address}")).unwrap_or_default();
            let to = destination(*to);
            let (via, table) = (next_hop(*via), in_table(*table));
            format!("route append {to} {via} dev {dev} proto {ROUTE_PROTOCOL} {metric} {src} {table}")
        }
        Op::RouteDel { place: _, to, via, dev, table } => {
            let (to, via, table) = (destination(*to), next_hop(*via), in_table(*table));
            format!("route del {to} {via} dev {dev} proto {ROUTE_PROTOCOL} {table}")
        }
        Op::RuleAdd { place: _, from, table } => {
            format!("rule add from {from} lookup {table} protocol {ROUTE_PROTOCOL}")
        }
        Op::RuleDel { place: _, from, table } => format!("rule del from {from} lookup {table}"),
        Op::RulesFlush { place: _, table } => format!("rule flush table {table}"),
        Op::UnreachableAdd { to } => {
            format!("route append unreachable {to} proto {ROUTE_PROTOCOL} metric {UNREACHABLE_METRIC}")
        }
        Op::UnreachableDel { to } => {
            format!("route del unreachable {to} proto {ROUTE_PROTOCOL} metric {UNREACHABLE_METRIC}")
        }
        Op::PrefixRouteAdd { place: _, to, dev, src } => {
            format!("route add {to} dev {dev} proto kernel scope link src {src}")
        }
        Op::PrefixRouteDel { place: _, to, dev } => format!("route del {to} dev {dev} proto kernel"),
        Op::Sysctl { .. }
        | Op::RulesetReplace { .. }
        | Op::RulesetDel { .. }
        | Op::ArpTableDel { .. }
        | Op::ElementAdd(_)
        | Op::ElementDel(_)
        | Op::FlowsDel(_) => unreachable!("not an operation of ip"),
    };
    words.split_whitespace().map(str::to_owned).collect()
}
