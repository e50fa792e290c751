//! Operations: a closed set on typed values.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{FlowFilter, TableElement};
use crate::model::desired::{Resolver, VxlanLink};
use crate::model::types::{IfName, LinkAlias, LinkGroup, Mac, NetnsPath, RouteTable, SysctlKey, TableName};

/// The network namespace of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// This host's namespace.
    Host,
    /// The container's namespace.
    Netns(NetnsPath),
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Op {
    /// `ip link add dev NAME type bridge`.
    BridgeAdd {
        /// The bridge.
        dev: IfName,
        /// Its fixed MAC; without one it would change with the ports.
        mac: Mac,
    },
    /// `ip link add dev NAME type veth peer name PEER netns PATH`.
    VethAdd {
        /// The host's end.
        dev: IfName,
        /// Its MAC.
        mac: Mac,
        /// The MTU of both ends.
        mtu: u32,
        /// The bridge; `None`: it is not a bridge port.
        #[serde(default)]
        master: Option<IfName>,
        /// The network's link group; receipts of 0.1.0 have none.
        #[serde(default)]
        group: LinkGroup,
        /// The container's end.
        peer: IfName,
        /// Its MAC.
        peer_mac: Mac,
        /// Its network namespace.
        netns: NetnsPath,
        /// Whether the container's end uses ARP.
        #[serde(default = "yes")]
        peer_arp: bool,
    },
    /// `ip link add dev NAME type vxlan`: the interface to other hosts. It learns nothing from packets.
    VxlanAdd {
        /// The interface.
        dev: IfName,
        /// What it is made of.
        link: VxlanLink,
    },
    /// `bridge fdb add MAC dev NAME master static`: frames to this MAC leave by this port only.
    FdbAdd {
        /// The port.
        dev: IfName,
        /// The container's MAC.
        mac: Mac,
    },
    /// `bridge fdb del MAC dev NAME master`.
    FdbDel {
        /// The port.
        dev: IfName,
        /// The container's MAC.
        mac: Mac,
    },
    /// `bridge fdb add MAC dev NAME dst ADDRESS`: frames to this MAC are sent to this host.
    TunnelAdd {
        /// The interface of VXLAN.
        dev: IfName,
        /// The host's MAC in the overlay.
        mac: Mac,
        /// Its address in the LAN.
        at: Ipv4Addr,
    },
    /// `bridge fdb del MAC dev NAME dst ADDRESS`.
    TunnelDel {
        /// The interface of VXLAN.
        dev: IfName,
        /// The host's MAC in the overlay.
        mac: Mac,
        /// Its address in the LAN.
        at: Ipv4Addr,
    },
    /// `ip neigh replace ADDRESS lladdr MAC dev NAME nud permanent`.
    NeighbourAdd {
        /// The link on the host.
        dev: IfName,
        /// The neighbour.
        address: Ipv4Addr,
        /// Its MAC.
        mac: Mac,
    },
    /// `ip neigh del ADDRESS dev NAME`.
    NeighbourDel {
        /// The link on the host.
        dev: IfName,
        /// The neighbour.
        address: Ipv4Addr,
    },
    /// `ip link set dev NAME ATTRIBUTE`: one attribute per step, since a line with two can half succeed.
    LinkSet {
        /// The namespace.
        place: Place,
        /// The link.
        dev: IfName,
        /// The attribute.
        attribute: LinkAttribute,
    },
    /// `ip link del dev NAME`.
    LinkDel {
        /// The link on the host.
        dev: IfName,
    },
    /// `ip addr add ADDRESS dev NAME`.
    AddrAdd {
        /// The namespace.
        place: Place,
        /// The link.
        dev: IfName,
        /// Address and prefix length.
        address: IpNet,
        /// Whether the kernel makes no on-link route to the subnet.
        #[serde(default)]
        noprefixroute: bool,
    },
    /// `ip addr del ADDRESS dev NAME`.
    AddrDel {
        /// The namespace.
        place: Place,
        /// The link.
        dev: IfName,
        /// Address and prefix length.
        address: IpNet,
    },
    /// `ip route append DESTINATION [via GATEWAY] dev NAME`.
    RouteAdd {
        /// The namespace.
        place: Place,
        /// `0.0.0.0/0` and `::/0` are default routes.
        to: IpNet,
        /// The next hop; `None`: the destination is on-link.
        #[serde(default)]
        via: Option<IpAddr>,
        /// The outgoing link.
        dev: IfName,
        /// The preferred source address.
        #[serde(default)]
        src: Option<IpAddr>,
        /// The routing table; `None`: main.
        #[serde(default)]
        table: Option<RouteTable>,
    },
    /// `ip route del DESTINATION [via GATEWAY] dev NAME`.
    RouteDel {
        /// The namespace.
        place: Place,
        /// `0.0.0.0/0` and `::/0` are default routes.
        to: IpNet,
        /// The next hop.
        #[serde(default)]
        via: Option<IpAddr>,
        /// The outgoing link.
        dev: IfName,
        /// The routing table.
        #[serde(default)]
        table: Option<RouteTable>,
    },
    /// `ip rule add from ADDRESS lookup TABLE`: packets from the address use that table first.
    RuleAdd {
        /// The namespace.
        place: Place,
        /// The source address.
        from: IpAddr,
        /// The routing table.
        table: RouteTable,
    },
    /// `ip rule del from ADDRESS lookup TABLE`.
    RuleDel {
        /// The namespace.
        place: Place,
        /// The source address.
        from: IpAddr,
        /// The routing table.
        table: RouteTable,
    },
    /// `ip rule flush table TABLE`: deletes all rules of one family that lead to it.
    RulesFlush {
        /// The namespace.
        place: Place,
        /// The routing table.
        table: RouteTable,
        /// Whether the rules are of IPv6.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ipv6: bool,
    },
    /// `ip route append unreachable DESTINATION`: unassigned addresses are rejected, and never leave by another route.
    UnreachableAdd {
        /// The destination.
        to: IpNet,
    },
    /// `ip route del unreachable DESTINATION`.
    UnreachableDel {
        /// The destination.
        to: IpNet,
    },
    /// `ip route add SUBNET dev NAME proto kernel scope link`: the on-link route that the kernel makes for an address
    /// without `noprefixroute`.
    PrefixRouteAdd {
        /// The namespace.
        place: Place,
        /// The subnet.
        to: IpNet,
        /// The link.
        dev: IfName,
        /// The link's own address.
        src: IpAddr,
    },
    /// `ip route del SUBNET dev NAME proto kernel`.
    PrefixRouteDel {
        /// The namespace.
        place: Place,
        /// The subnet.
        to: IpNet,
        /// The link.
        dev: IfName,
    },
    /// `sysctl -w KEY=VALUE`.
    Sysctl {
        /// The key.
        key: SysctlKey,
        /// The value, a number.
        value: u32,
    },
    /// An nft transaction that replaces the table `inet` and, if its text has one, the table `arp`.
    RulesetReplace {
        /// Its name.
        table: TableName,
        /// The transaction, from [`crate::kernel::ruleset`] or read from the kernel.
        text: String,
    },
    /// Deletes the table `inet`.
    RulesetDel {
        /// Its name.
        table: TableName,
        /// Whether the table `arp` is deleted too.
        arp: bool,
    },
    /// Deletes the table `arp`, which only bridge ports need.
    ArpTableDel {
        /// Its name.
        table: TableName,
    },
    /// `nft add element`.
    ElementAdd(TableElement),
    /// `nft delete element`.
    ElementDel(TableElement),
    /// `setsid --fork flatnet dns`: starts the resolver apart from its caller. A second one ends at once.
    ResolverStart(Resolver),
    /// `kill PID`: ends the resolver.
    ResolverStop {
        /// Its process.
        pid: u32,
    },
    /// `setsid --fork flatnet serve --listen`: starts the service for rootless Podman apart from its caller.
    ServiceStart {
        /// The program, Flatnet's own.
        program: PathBuf,
    },
    /// `kill PID`: ends the service. What it works on is finished.
    ServiceStop {
        /// Its process.
        pid: u32,
    },
    /// `conntrack -D`: deletes these conntrack entries, after the change that redirected them. There is no inverse.
    FlowsDel(FlowFilter),
}

fn yes() -> bool {
    true
}

/// An attribute for `ip link set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkAttribute {
    /// `up`.
    Up,
    /// `arp on|off`: whether the link uses ARP.
    Arp(bool),
    /// `group NUMBER`: the network's link group.
    Group(LinkGroup),
    /// `addrgenmode none|eui64`: whether the kernel assigns a link-local IPv6 address.
    Ipv6Address(bool),
    /// `down`.
    Down,
    /// `alias TEXT`: whose link it is.
    Alias(LinkAlias),
    /// `mtu BYTES`.
    Mtu(u32),
    /// `address MAC`.
    Address(Mac),
    /// `name NAME`. Before kernel 6.2 only a link that is down can be renamed.
    Name(IfName),
    /// `master BRIDGE`.
    Master(IfName),
    /// `nomaster`.
    NoMaster,
    /// `type bridge_slave isolated on|off`: whether the port exchanges frames with other isolated ports.
    Isolated(bool),
    /// `type bridge_slave learning on|off`: whether the bridge learns source MACs.
    Learning(bool),
    /// `type bridge_slave locked on|off`: whether only frames with a source MAC known at this port pass.
    Locked(bool),
    /// `type bridge_slave hairpin on|off`: whether a frame may leave by the port it arrived at.
    Hairpin(bool),
}
