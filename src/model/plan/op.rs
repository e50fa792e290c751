//! What a step does: a closed set of operations on typed values.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{FlowFilter, TableElement};
use crate::model::types::{IfName, LinkAlias, LinkGroup, Mac, NetnsPath, RouteTable, SysctlKey, TableName};

/// In which network namespace a step works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// This host's.
    Host,
    /// The container's.
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
        /// Its fixed address: without one it changes with the ports.
        mac: Mac,
    },
    /// `ip link add dev NAME type veth peer name PEER netns PATH`.
    VethAdd {
        /// The host's end.
        dev: IfName,
        /// Its address.
        mac: Mac,
        /// Bytes, for both ends.
        mtu: u32,
        /// The bridge whose port it becomes; none: it is a link of its own.
        #[serde(default)]
        master: Option<IfName>,
        /// Of which network the host's end is; receipts of 0.1.0 have none.
        #[serde(default)]
        group: LinkGroup,
        /// The container's end.
        peer: IfName,
        /// Its address.
        peer_mac: Mac,
        /// Where it goes.
        netns: NetnsPath,
        /// Whether the container's end speaks ARP.
        #[serde(default = "yes")]
        peer_arp: bool,
    },
    /// `bridge fdb add MAC dev NAME master static`: frames to this MAC leave by this port and no other.
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
    /// `ip link set dev NAME ATTRIBUTE`: one attribute to a step, since a line with two can half happen.
    LinkSet {
        /// Where.
        place: Place,
        /// Which link.
        dev: IfName,
        /// What becomes of it.
        attribute: LinkAttribute,
    },
    /// `ip link del dev NAME`.
    LinkDel {
        /// Which link of the host.
        dev: IfName,
    },
    /// `ip addr add ADDRESS dev NAME`.
    AddrAdd {
        /// Where.
        place: Place,
        /// Which link.
        dev: IfName,
        /// Address and prefix length.
        address: Ipv4Net,
        /// Whether the subnet is not at the link, so that the kernel makes no route to it.
        #[serde(default)]
        noprefixroute: bool,
    },
    /// `ip addr del ADDRESS dev NAME`.
    AddrDel {
        /// Where.
        place: Place,
        /// Which link.
        dev: IfName,
        /// Address and prefix length.
        address: Ipv4Net,
    },
    /// `ip route append DESTINATION [via GATEWAY] dev NAME`.
    RouteAdd {
        /// Where.
        place: Place,
        /// `0.0.0.0/0` is the default route.
        to: Ipv4Net,
        /// The next hop; none: the destination is at the link.
        #[serde(default)]
        via: Option<Ipv4Addr>,
        /// Out of which link.
        dev: IfName,
        /// The address that this host uses towards it, where it is told one.
        #[serde(default)]
        src: Option<Ipv4Addr>,
        /// In which table; none: the main one.
        #[serde(default)]
        table: Option<RouteTable>,
    },
    /// `ip route del DESTINATION [via GATEWAY] dev NAME`.
    RouteDel {
        /// Where.
        place: Place,
        /// `0.0.0.0/0` is the default route.
        to: Ipv4Net,
        /// The next hop.
        #[serde(default)]
        via: Option<Ipv4Addr>,
        /// Out of which link.
        dev: IfName,
        /// In which table.
        #[serde(default)]
        table: Option<RouteTable>,
    },
    /// `ip rule add from ADDRESS lookup TABLE`: the way of what bears the address is looked up there first.
    RuleAdd {
        /// Where.
        place: Place,
        /// The sender.
        from: Ipv4Addr,
        /// Which table.
        table: RouteTable,
    },
    /// `ip rule del from ADDRESS lookup TABLE`.
    RuleDel {
        /// Where.
        place: Place,
        /// The sender.
        from: Ipv4Addr,
        /// Which table.
        table: RouteTable,
    },
    /// `ip rule flush table TABLE`: all rules that lead to it, where there are any.
    RulesFlush {
        /// Where.
        place: Place,
        /// Which table.
        table: RouteTable,
    },
    /// `ip route append unreachable DESTINATION`: what nobody has is refused at once, and never leaves by another route.
    UnreachableAdd {
        /// Which addresses.
        to: Ipv4Net,
    },
    /// `ip route del unreachable DESTINATION`.
    UnreachableDel {
        /// Which addresses.
        to: Ipv4Net,
    },
    /// `ip route add SUBNET dev NAME proto kernel scope link`: the subnet is at the link, as the kernel itself has it of
    /// an address without `noprefixroute`.
    PrefixRouteAdd {
        /// Where.
        place: Place,
        /// The subnet.
        to: Ipv4Net,
        /// At which link.
        dev: IfName,
        /// The link's own address.
        src: Ipv4Addr,
    },
    /// `ip route del SUBNET dev NAME proto kernel`.
    PrefixRouteDel {
        /// Where.
        place: Place,
        /// The subnet.
        to: Ipv4Net,
        /// At which link.
        dev: IfName,
    },
    /// `sysctl -w KEY=VALUE`.
    Sysctl {
        /// The key.
        key: SysctlKey,
        /// The value: a number.
        value: u32,
    },
    /// An nft transaction that replaces the table, and the one for ARP where the text has one.
    RulesetReplace {
        /// Its name.
        table: TableName,
        /// The text of the transaction, made by [`crate::kernel::ruleset`] or read from the kernel.
        text: String,
    },
    /// Deletes the table.
    RulesetDel {
        /// Its name.
        table: TableName,
        /// Whether the one for ARP goes too.
        arp: bool,
    },
    /// Deletes the table for ARP, which only ports of the bridge need.
    ArpTableDel {
        /// Its name.
        table: TableName,
    },
    /// `nft add element`.
    ElementAdd(TableElement),
    /// `nft delete element`.
    ElementDel(TableElement),
    /// `conntrack -D`: the kernel forgets these flows. It comes after what changed where they lead; there is no inverse.
    FlowsDel(FlowFilter),
}

fn yes() -> bool {
    true
}

/// What `ip link set` changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkAttribute {
    /// `up`.
    Up,
    /// `arp on|off`: whether the link asks for and answers MAC addresses, and believes what others answer.
    Arp(bool),
    /// `group NUMBER`: of which network it is.
    Group(LinkGroup),
    /// `addrgenmode none|eui64`: whether the kernel gives it an IPv6 address by itself.
    Ipv6Address(bool),
    /// `down`.
    Down,
    /// `alias TEXT`: whose link it is.
    Alias(LinkAlias),
    /// `mtu BYTES`.
    Mtu(u32),
    /// `address MAC`.
    Address(Mac),
    /// `name NAME`: what it is called from then on. Only a link that is down can be renamed (kernels before 6.2).
    Name(IfName),
    /// `master BRIDGE`.
    Master(IfName),
    /// `nomaster`.
    NoMaster,
    /// `type bridge_slave isolated on|off`: whether frames pass between this port and other isolated ones.
    Isolated(bool),
    /// `type bridge_slave learning on|off`: whether the bridge believes what source addresses say.
    Learning(bool),
    /// `type bridge_slave locked on|off`: whether only frames pass whose source the bridge knows at this port.
    Locked(bool),
    /// `type bridge_slave hairpin on|off`: whether a frame may leave by the port it came in.
    Hairpin(bool),
}
