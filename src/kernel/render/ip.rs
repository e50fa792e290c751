//! Renders `ip` and `bridge` operations as arguments or batch lines.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::kernel::tools::Tools;
use crate::model::command::{Command, NETNS_DESCRIPTOR_PATH};
use crate::model::config::VXLAN_PORT;
use crate::model::desired::VxlanLink;
use crate::model::plan::{LinkAttribute, Op, Place};
use crate::model::types::{IfName, NetnsPath, RouteTable};

/// The protocol number of our routes (`ip route show proto 87`).
const ROUTE_PROTOCOL: &str = "87";
/// The metric of the unreachable route: any other route to the same addresses takes precedence.
const UNREACHABLE_METRIC: &str = "4278198272";
/// The metric of a container's default route. Runtimes attach networks in no certain order, and other networks' default
/// routes (CNI's bridge: 0, netavark: 100) must take precedence whichever came first.
const DEFAULT_ROUTE_METRIC: &str = "4096";

/// Whether `ip` needs `-6`: only `ip rule` does not tell the family by the address (docs/quirks.md).
pub(super) fn needs_family(op: &Op) -> bool {
    match op {
        Op::RuleAdd { from, .. } | Op::RuleDel { from, .. } => from.is_ipv6(),
        Op::RulesFlush { ipv6, .. } => *ipv6,
        _ => false,
    }
}

/// `ip`, `ip -n NAME` if iproute2 finds the namespace by name (among many mounts `nsenter --net=PATH ip`), else `nsenter --net=/proc/self/fd/9 ip .. 9<PATH`. Only
/// root changes what a name means; a path may lead elsewhere at any time, so the namespace is opened once.
pub(super) fn command(place: &Place, tools: &Tools) -> Command {
    match place {
        Place::Host => Command::new([&tools.ip]),
        Place::Netns(path) => match path.iproute2_name() {
            Some(_) if tools.many_mounts => {
                Command::new([&tools.nsenter, &format!("--net={path}"), &tools.ip])
            }
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

/// [`command`] with `-6`.
pub(super) fn command6(place: &Place, tools: &Tools) -> Command {
    let mut command = command(place, tools);
    command.argv.push("-6".to_owned());
    command
}

/// iproute2 takes `default` for IPv4's unless a next hop follows, so IPv6's is `::/0`.
fn destination(to: IpNet) -> String {
    if matches!(to, IpNet::V4(to) if to.prefix_len() == 0) { "default".to_owned() } else { to.to_string() }
}

fn next_hop(via: Option<IpAddr>) -> String {
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
        Op::VxlanAdd { dev, link: VxlanLink { mac, mtu, vni, local } } => format!(
            "link add dev {dev} address {mac} mtu {mtu} arp off type vxlan id {vni} local {local} dstport {VXLAN_PORT} nolearning"
        ),
        Op::TunnelAdd { dev, mac, at } => format!("fdb add {mac} dev {dev} dst {at}"),
        Op::TunnelDel { dev, mac, at } => format!("fdb del {mac} dev {dev} dst {at}"),
        Op::NeighbourAdd { dev, address, mac } => {
            format!("neigh replace {address} lladdr {mac} dev {dev} nud permanent")
        }
        Op::NeighbourDel { dev, address } => format!("neigh del {address} dev {dev}"),
        Op::LinkDel { dev } => format!("link del dev {dev}"),
        Op::AddrAdd { place: _, dev, address, noprefixroute } => {
            let has_broadcast = address.addr().is_ipv4() && address.prefix_len() < 31;
            let broadcast = if has_broadcast { "brd +" } else { "" };
            let noprefixroute = if *noprefixroute { "noprefixroute" } else { "" };
            // Nobody else can have it: the kernel need not ask for a second.
            let nodad = if address.addr().is_ipv6() { "nodad" } else { "" };
            format!("addr add {address} {broadcast} dev {dev} {nodad} {noprefixroute}")
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
        Op::RulesFlush { place: _, table, ipv6: _ } => format!("rule flush table {table}"),
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
        | Op::FlowsDel(_)
        | Op::ResolverStart(_)
        | Op::ResolverStop { .. }
        | Op::ServiceStart { .. }
        | Op::ServiceStop { .. } => unreachable!("not an operation of ip"),
    };
    words.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::render;

    #[test]
    fn namespace_is_entered_in_the_way_that_is_quickest() {
        let line = |path: &str, many_mounts| {
            let tools = Tools { many_mounts, ..Tools::default() };
            command(&Place::Netns(path.parse().unwrap()), &tools).line()
        };
        assert_eq!(line("/run/netns/c1", false), "ip -n c1");
        assert_eq!(line("/run/netns/c1", true), "nsenter --net=/run/netns/c1 ip");
        for many_mounts in [false, true] {
            assert!(line("/proc/42/ns/net", many_mounts).starts_with("nsenter --net=/proc/self/fd/9 ip"));
        }
    }

    /// The forms that iproute2 accepts for IPv6: `ip_families::` runs them.
    #[test]
    fn ipv6_is_named_only_where_iproute2_needs_it() {
        let (place, dev): (_, IfName) =
            (Place::Netns("/run/netns/c1".parse().unwrap()), "eth0".parse().unwrap());
        let table = RouteTable::of_address(std::net::Ipv4Addr::new(0, 0, 0, 77));
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let from = net("fd00::2/64").addr();
        let route = |to, via, table| Op::RouteAdd {
            place: place.clone(),
            to: net(to),
            via,
            dev: dev.clone(),
            src: None,
            table,
        };
        let add = Op::AddrAdd {
            place: place.clone(),
            dev: dev.clone(),
            address: net("fd00::2/64"),
            noprefixroute: false,
        };
        let ops = [
            add,
            route("::/0", Some(net("fd00::1/64").addr()), None),
            route("::/0", None, Some(table)),
            route("0.0.0.0/0", None, Some(table)),
            Op::RulesFlush { place: place.clone(), table, ipv6: true },
            Op::RuleAdd { place: place.clone(), from, table },
            Op::RuleDel { place: place.clone(), from: std::net::Ipv4Addr::LOCALHOST.into(), table },
        ];
        let commands: Vec<String> =
            render::commands(&ops, &Tools::default()).iter().map(|one| one.command.to_string()).collect();
        let expected = [
            "ip -n c1 -batch - <<'EOF'
addr add fd00::2/64 dev eth0 nodad
route append ::/0 via fd00::1 dev eth0 proto 87 metric 4096
route append ::/0 dev eth0 proto 87 table 77
route append default dev eth0 proto 87 table 77
EOF",
            "ip -n c1 -6 -batch - <<'EOF'
rule flush table 77
rule add from fd00::2 lookup 77 protocol 87
EOF",
            "ip -n c1 rule del from 127.0.0.1 lookup 77",
        ];
        assert_eq!(commands, expected);
        assert_eq!(render::line(&ops[5]), "ip -n c1 -6 rule add from fd00::2 lookup 77 protocol 87");
    }
}
