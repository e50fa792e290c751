//! Plans to attach and detach a container.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::kernel::observe::attachment::ObservedAttachment;
use crate::kernel::observe::link::{Link, PortFlags};
use crate::kernel::observe::route::Route;
use crate::kernel::observe::rule::Rule;
use crate::model::desired::AttachmentState;
use crate::model::plan::{LinkAttribute, Op, Place, Plan, Step, TableElement, Undo};
use crate::model::types::{IfName, PortMode, RouteTable, SysctlKey, are_of_one_family};

/// The plan from `observed` to `desired`. ADD observes nothing, and so makes everything.
///
/// Set elements come first, since they can conflict with those of another container. The container's link is
/// set up last, so that it never sends an unguarded packet. A change of the bridging mode keeps the link
/// working: elements of the old mode are removed last.
#[must_use]
pub fn attach(desired: &AttachmentState, observed: &ObservedAttachment) -> Plan {
    let mut plan = Plan::default();
    for element in desired.elements() {
        if !observed.elements.contains(&element.element) {
            let why = "the ruleset identifies the container by it";
            plan.push(Op::ElementAdd(element.clone()), Op::ElementDel(element), why);
        }
    }
    let link = host_end(&mut plan, desired, observed);
    container_end(&mut plan, desired, observed, link);
    for element in joined_otherwise(desired).filter(|other| observed.elements.contains(&other.element)) {
        let why = "the container is attached in another way now";
        plan.push(Op::ElementDel(element.clone()), Op::ElementAdd(element), why);
    }
    for flow in &desired.flows_to_end {
        plan.push_final(Op::FlowsDel(*flow), "connections of the previous holder");
    }
    plan
}

/// The plan that undoes `desired`, whatever of it exists: two deletions, the rest is removed with them.
#[must_use]
pub fn detach(desired: &AttachmentState) -> Plan {
    Plan {
        steps: attach(desired, &ObservedAttachment::default())
            .undo()
            .into_iter()
            .map(|op| Step { op, undo: Undo::Nothing, why: "the container leaves the network".to_owned() })
            .collect(),
    }
}

/// The elements that the container would have in the other bridging mode.
fn joined_otherwise(desired: &AttachmentState) -> impl Iterator<Item = TableElement> {
    let mode = if desired.mode.is_bridged() { PortMode::Routed } else { PortMode::Plain };
    let other = AttachmentState { mode, ports: Vec::new(), ..desired.clone() };
    other.elements().collect::<Vec<_>>().into_iter()
}

fn host_end(plan: &mut Plan, desired: &AttachmentState, observed: &ObservedAttachment) -> Option<usize> {
    let AttachmentState { host_link, bridge, mode, group, alias, mtu, netns, mac, id, .. } = desired;
    let link_del = Op::LinkDel { dev: host_link.clone() };
    let made = observed.host_link.is_none().then(|| {
        plan.push(
            Op::VethAdd {
                dev: host_link.clone(),
                mac: desired.host_mac(),
                mtu: *mtu,
                master: mode.is_bridged().then(|| bridge.clone()),
                group: *group,
                peer: id.if_name.clone(),
                peer_mac: *mac,
                netns: netns.clone(),
                peer_arp: mode.is_bridged(),
            },
            link_del.clone(),
            if mode.is_bridged() {
                "a veth pair connects the container to the bridge"
            } else {
                "a veth pair connects the container to this host; both ends have the same MAC, so no ARP is needed"
            },
        )
    });
    let link = observed.host_link.as_ref();
    let mut set = |needed: bool, attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
        if needed {
            plan.push_link_set((&Place::Host, host_link), (attribute, back), made, why);
        }
    };
    // The alias needs no undo: the link is ours by its name.
    set(
        link.is_none_or(|link| link.alias != alias.as_str()),
        LinkAttribute::Alias(alias.clone()),
        None,
        "marks the link as Flatnet's, with its container",
    );
    if let Some(link) = link {
        // First of all: rules match the link by its group as soon as it leaves the bridge.
        let back = LinkAttribute::Group(link.group);
        set(
            link.group != *group,
            LinkAttribute::Group(*group),
            Some(back),
            "rules match the network's links by group",
        );
        let back = link.mac.parse().ok().map(LinkAttribute::Address);
        let address = LinkAttribute::Address(desired.host_mac());
        set(link.mac != desired.host_mac().to_string(), address, back, "the link's MAC");
        let back = LinkAttribute::Mtu(link.mtu);
        set(link.mtu != *mtu, LinkAttribute::Mtu(*mtu), Some(back), "the bridge's MTU");
    }
    // An attachment by 0.1.0 stays as it is until it is changed over; the ruleset drops its IPv6.
    let has_address = match link {
        Some(_) => observed.ipv6_address && *mode != PortMode::Isolated,
        None => desired.ipv6,
    };
    let back = LinkAttribute::Ipv6Address(true);
    set(
        has_address,
        LinkAttribute::Ipv6Address(false),
        Some(back),
        "no IPv6 on it, not even a link-local address",
    );
    match mode {
        PortMode::Routed => own_link(plan, desired, observed, made),
        PortMode::Plain | PortMode::Isolated => bridge_port(plan, desired, observed, made),
    }
    made
}

/// The host's end as a link of its own.
fn own_link(plan: &mut Plan, desired: &AttachmentState, observed: &ObservedAttachment, made: Option<usize>) {
    let dev = &desired.host_link;
    let link = observed.host_link.as_ref();
    if link.is_none_or(|link| !link.up) {
        let up = (LinkAttribute::Up, Some(LinkAttribute::Down));
        plan.push_link_set((&Place::Host, dev), up, made, "brings the host's end up");
    }
    // For an existing link, before it leaves the bridge, which must be allowed; a new link must exist first.
    if link.is_some() {
        settings(plan, desired, observed, made);
    }
    for (to, add, del) in host_routes(desired) {
        if !observed.host_routes.iter().any(|route| route.to == to && route.via.is_none()) {
            plan.push_with(add, made, Undo::Op(Box::new(del)), "route to the container");
        }
    }
    if let Some(link) = link {
        if !link.master.is_empty() {
            let op = Op::LinkSet { place: Place::Host, dev: dev.clone(), attribute: LinkAttribute::NoMaster };
            let undo = Undo::Ops(join_again(dev, link, &observed.fdb));
            plan.push_with(op, made, undo, "its own link, not a port of the bridge");
        }
        without_arp(plan, (&Place::Host, dev), link.arp, made);
    }
    if link.is_none() {
        settings(plan, desired, observed, made);
    }
}

/// This host's route to each address of the container: its destination, and the operations that add and delete it.
fn host_routes(desired: &AttachmentState) -> impl Iterator<Item = (IpNet, Op, Op)> {
    desired.addresses.iter().map(|address| {
        let (to, src, dev) = (address.into(), desired.next_hop(address), desired.host_link.clone());
        let del = Op::RouteDel { place: Place::Host, to, via: None, dev: dev.clone(), table: None };
        let add = Op::RouteAdd { place: Place::Host, to, via: None, dev, src, table: None };
        (to, add, del)
    })
}

/// The operations that make `link` a bridge port again with its flags: a port that leaves a bridge loses them.
fn join_again(dev: &IfName, link: &Link, fdb: &[String]) -> Vec<Op> {
    let PortFlags { isolated, learning, locked, hairpin } = link.port;
    let flags = [
        Some(LinkAttribute::Isolated(isolated)),
        Some(LinkAttribute::Hairpin(hairpin)),
        Some(LinkAttribute::Learning(learning)),
        locked.map(LinkAttribute::Locked),
    ];
    let set = |attribute| Op::LinkSet { place: Place::Host, dev: dev.clone(), attribute };
    let entry = |mac: &String| Some(Op::FdbAdd { dev: dev.clone(), mac: mac.parse().ok()? });
    let master = link.master.parse().ok().map(LinkAttribute::Master);
    let attributes = master.into_iter().chain(flags.into_iter().flatten()).map(set);
    attributes.chain(fdb.iter().filter_map(entry)).collect()
}

/// Kernel settings of this link. Most links have the right values from the start.
fn settings(plan: &mut Plan, desired: &AttachmentState, observed: &ObservedAttachment, made: Option<usize>) {
    let mut set = |key: SysctlKey, before: u32, why: &str| {
        let undo = Undo::Op(Box::new(Op::Sysctl { key: key.clone(), value: before }));
        plan.push_with(Op::Sysctl { key, value: 1 }, made, undo, why);
    };
    if observed.forwarding == Some(0) {
        set(desired.forwarding(), 0, "this host forwards, but new links do not by default");
    }
    if let Some(key) = desired.route_localnet().filter(|_| observed.route_localnet != Some(1)) {
        let why = "published ports answer at 127.0.0.1; the ruleset drops 127/8 from outside";
        set(key, observed.route_localnet.unwrap_or(0), why);
    }
}

fn without_arp(plan: &mut Plan, link: (&Place, &IfName), arp: bool, made: Option<usize>) {
    if arp {
        let off = (LinkAttribute::Arp(false), Some(LinkAttribute::Arp(true)));
        plan.push_link_set(link, off, made, "both ends have the same MAC, so no ARP is needed");
    }
}

/// The host's end as a bridge port.
fn bridge_port(
    plan: &mut Plan,
    desired: &AttachmentState,
    observed: &ObservedAttachment,
    made: Option<usize>,
) {
    let AttachmentState { host_link: dev, bridge, mac, mode, .. } = desired;
    let link = observed.host_link.as_ref();
    let mut set = |needed: bool, attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
        if needed {
            plan.push_link_set((&Place::Host, dev), (attribute, back), made, why);
        }
    };
    if let Some(link) = link {
        let master = LinkAttribute::Master(bridge.clone());
        set(link.master != bridge.as_str(), master, Some(LinkAttribute::NoMaster), "a port of the bridge");
    }
    // Joining a bridge makes a new port with default flags.
    let port = link.filter(|link| link.master == bridge.as_str());
    for (flag, on, when_new, why) in port_flags(*mode == PortMode::Isolated) {
        let needed = port.map_or(when_new, |link| !has_flag(link.port, &flag(on)));
        set(needed, flag(on), Some(flag(!on)), why);
    }
    let arp = link.is_some_and(|link| link.arp);
    let why = "ARP that arrives at the port itself, past the bridge, is ignored";
    set(arp, LinkAttribute::Arp(false), Some(LinkAttribute::Arp(true)), why);
    let up = link.is_some_and(|link| link.up);
    set(!up, LinkAttribute::Up, Some(LinkAttribute::Down), "brings the host's end up");
    if port.is_none() || !observed.fdb.contains(&mac.to_string()) {
        let op = Op::FdbAdd { dev: dev.clone(), mac: *mac };
        let undo = Op::FdbDel { dev: dev.clone(), mac: *mac };
        plan.push_with(
            op,
            made,
            Undo::Op(Box::new(undo)),
            "frames for the container leave by this port only",
        );
    }
    for (to, add, del) in host_routes(desired) {
        if observed.host_routes.iter().any(|route| route.to == to) {
            plan.push_with(del, made, Undo::Op(Box::new(add)), "the container is behind the bridge");
        }
    }
}

/// The flags of the host's end as a bridge port: each with its value, whether a new port needs it set, and the reason.
type PortFlag = (fn(bool) -> LinkAttribute, bool, bool, &'static str);

fn port_flags(isolated: bool) -> [PortFlag; 4] {
    [
        (LinkAttribute::Isolated, isolated, isolated, "containers exchange packets through this host only"),
        (LinkAttribute::Hairpin, !isolated, !isolated, "a container can use its own published port"),
        (LinkAttribute::Learning, false, true, "the bridge uses static entries instead of learning"),
        (
            LinkAttribute::Locked,
            true,
            true,
            "drops frames with a foreign source MAC (kernels before 5.18 ignore it)",
        ),
    ]
}

fn has_flag(port: PortFlags, attribute: &LinkAttribute) -> bool {
    match attribute {
        LinkAttribute::Isolated(on) => port.isolated == *on,
        LinkAttribute::Hairpin(on) => port.hairpin == *on,
        LinkAttribute::Learning(on) => port.learning == *on,
        LinkAttribute::Locked(on) => port.locked.is_none_or(|locked| locked == *on),
        _ => true,
    }
}

fn container_end(
    plan: &mut Plan,
    desired: &AttachmentState,
    observed: &ObservedAttachment,
    link: Option<usize>,
) {
    let AttachmentState { netns, id, mode, mac, mtu, addresses, .. } = desired;
    let place = Place::Netns(netns.clone());
    let dev = &id.if_name;
    let found = observed.container_link.as_ref();
    if let Some(found) = found {
        let mut set = |attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
            plan.push_link_set((&place, dev), (attribute, back), link, why);
        };
        if found.mac != mac.to_string() {
            let back = found.mac.parse().ok().map(LinkAttribute::Address);
            set(LinkAttribute::Address(*mac), back, "the container's MAC, derived from its address");
        }
        if found.mtu != *mtu {
            set(LinkAttribute::Mtu(*mtu), Some(LinkAttribute::Mtu(found.mtu)), "the bridge's MTU");
        }
        if mode.is_bridged() && !found.arp {
            set(LinkAttribute::Arp(true), Some(LinkAttribute::Arp(false)), "the subnet is on-link");
        }
        without_arp(plan, (&place, dev), found.arp && !mode.is_bridged(), link);
    }
    // What needs IPv6 comes last: a command that fails ends its batch.
    let (ipv4, ipv6): (Vec<IpNet>, Vec<IpNet>) =
        addresses.nets().partition(|address| address.addr().is_ipv4());
    for &address in &ipv4 {
        container_address(plan, desired, address, found, link);
    }
    if !ipv6.is_empty() && found.is_none() {
        let none = (LinkAttribute::Ipv6Address(false), Some(LinkAttribute::Ipv6Address(true)));
        let why = "no link-local address: neighbours and routers are not looked for";
        plan.push_link_set((&place, dev), none, link, why);
    }
    if found.is_none_or(|found| !found.up) {
        let up = (LinkAttribute::Up, Some(LinkAttribute::Down));
        plan.push_link_set((&place, dev), up, link, "brings the container's end up");
    }
    for address in ipv4.into_iter().chain(ipv6) {
        let Some(next_hop) = desired.next_hop(address.addr()) else { continue };
        if address.addr().is_ipv6() {
            container_address(plan, desired, address, found, link);
        }
        container_routes(plan, desired, (address, next_hop), observed, link);
        if desired.has_answer_routes() {
            answer_routes(plan, desired, (address, next_hop), observed, link);
        }
    }
}

fn container_address(
    plan: &mut Plan,
    desired: &AttachmentState,
    address: IpNet,
    found: Option<&Link>,
    link: Option<usize>,
) {
    if found.is_none_or(|found| !found.has(&address)) {
        let (place, dev) = (Place::Netns(desired.netns.clone()), desired.id.if_name.clone());
        let undo = Op::AddrDel { place: place.clone(), dev: dev.clone(), address };
        let op = Op::AddrAdd { place, dev, address, noprefixroute: !desired.mode.is_bridged() };
        plan.push_with(op, link, Undo::Op(Box::new(undo)), "the container's flat address");
    }
}

/// The default route's destination in the family of `next_hop`.
fn everywhere(next_hop: IpAddr) -> IpNet {
    match next_hop {
        IpAddr::V4(_) => Ipv4Net::default().into(),
        IpAddr::V6(_) => Ipv6Net::default().into(),
    }
}

/// The routes of one address.
fn container_routes(
    plan: &mut Plan,
    desired: &AttachmentState,
    (address, next_hop): (IpNet, IpAddr),
    observed: &ObservedAttachment,
    link: Option<usize>,
) {
    let AttachmentState { netns, id, mode, routes_to, .. } = desired;
    let place = Place::Netns(netns.clone());
    let dev = &id.if_name;
    let has = |to, via| observed.routes.contains(&Route { to, via, dev: dev.to_string(), table: None });
    let add =
        |to, via| Op::RouteAdd { place: place.clone(), to, via, dev: dev.clone(), src: None, table: None };
    let del = |to, via| Op::RouteDel { place: place.clone(), to, via, dev: dev.clone(), table: None };
    let (subnet, hop) = (address.trunc(), IpNet::from(next_hop));
    let prefix_add =
        Op::PrefixRouteAdd { place: place.clone(), to: subnet, dev: dev.clone(), src: address.addr() };
    let prefix_del = Op::PrefixRouteDel { place: place.clone(), to: subnet, dev: dev.clone() };
    let mut push = |needed: bool, op: Op, undo: Op, why: &str| {
        if needed {
            plan.push_with(op, link, Undo::Op(Box::new(undo)), why);
        }
    };
    // The kernel adds the on-link route of the subnet with the address, and again whenever the link is set up.
    // Only a change of the bridging mode leaves it missing, or to be removed. The route to the next hop exists
    // throughout.
    let found = observed.container_link.as_ref().filter(|link| link.has(&address));
    let comes_with_up = found.is_some_and(|link| !link.up && !link.noprefixroute.contains(&address));
    let bridged = mode.is_bridged();
    let lacks = found.is_some() && !comes_with_up && !has(subnet, None);
    push(bridged && lacks, prefix_add.clone(), prefix_del.clone(), "the subnet is on-link");
    let why = "this host is the peer";
    push(!bridged && !has(hop, None), add(hop, None), del(hop, None), why);
    let why = "neighbours are reached through this host, not on-link";
    push(!bridged && (comes_with_up || has(subnet, None)), prefix_del, prefix_add, why);
    push(bridged && has(hop, None), del(hop, None), add(hop, None), "the bridge is on-link");
    for &to in routes_to.iter().filter(|to| are_of_one_family(to.addr(), next_hop)) {
        let why = if to.prefix_len() == 0 {
            "default route through this host; another network's takes precedence"
        } else {
            "route to Flatnet through this host, whatever the default route"
        };
        push(!has(to, Some(next_hop)), add(to, Some(next_hop)), del(to, Some(next_hop)), why);
    }
}

/// Routes for answers through Flatnet, if another network has, or will have, the default route.
fn answer_routes(
    plan: &mut Plan,
    desired: &AttachmentState,
    (address, next_hop): (IpNet, IpAddr),
    observed: &ObservedAttachment,
    link: Option<usize>,
) {
    let AttachmentState { netns, id, mode, addresses, answers_to, .. } = desired;
    let place = Place::Netns(netns.clone());
    let dev = &id.if_name;
    let route = |to, via, table| Route { to, via, dev: dev.to_string(), table };
    let has = |to, via, table| observed.routes.contains(&route(to, via, table));
    let mut push = |needed: bool, to, via, table, is_desired: bool, why: &str| {
        let (place, dev) = (place.clone(), dev.clone());
        let add = Op::RouteAdd { place: place.clone(), to, via, dev: dev.clone(), src: None, table };
        let del = Op::RouteDel { place, to, via, dev, table };
        let (op, undo) = if is_desired { (add, del) } else { (del, add) };
        if needed && has(to, via, table) != is_desired {
            plan.push_with(op, link, Undo::Op(Box::new(undo)), why);
        }
    };
    let is_new = observed.container_link.is_none();
    let others = |route: &Route| {
        route.to == everywhere(next_hop) && route.table.is_none() && route.dev != dev.as_str()
    };
    let needed = is_new || observed.routes.iter().any(others);
    for &to in answers_to.iter().filter(|&&to| are_of_one_family(to, next_hop)) {
        let why = "answers to ingress gateways go through this host, whatever the default route";
        push(needed, to.into(), Some(next_hop), None, true, why);
    }
    if !desired.own_table || next_hop.is_ipv6() && !desired.own_table6 {
        return;
    }
    let (from, table) = (address.addr(), RouteTable::of_address(addresses.ipv4()));
    let subnet = address.trunc();
    let why = "the subnet is on-link for packets from its flat address too";
    push(true, subnet, None, Some(table), mode.is_bridged(), why);
    let why = "packets from its flat address go through this host, whatever the default route";
    push(true, everywhere(next_hop), Some(next_hop), Some(table), true, why);
    if observed.rules.contains(&Rule { from, table }) {
        return;
    }
    if is_new {
        let flush = Op::RulesFlush { place: place.clone(), table, ipv6: from.is_ipv6() };
        plan.push_final(flush, "leftovers of a killed run");
    }
    let rule = Op::RuleAdd { place: place.clone(), from, table };
    plan.push(rule, Op::RuleDel { place, from, table }, "packets from its flat address use this table first");
}
