//! What brings this host to the configured state, and what takes it back.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use crate::error::{Error, Kind, Result};
use crate::kernel::observe::host::{ObservedHost, ObservedRuleset};
use crate::kernel::observe::link::Link;
use crate::model::desired::HostState;
use crate::model::plan::{Element, LinkAttribute, Op, Place, Plan, TableElement, Undo};
use crate::model::types::{IfName, LinkAlias, Owner, SysctlKey, TableName};

/// What makes `observed` into `wanted`. An error, and nothing done, where the bridge's name is somebody else's, or its
/// address is another.
///
/// The ruleset comes first: nothing is forwarded before it guards. Only a bridge that is there is told its group before
/// that, since the ruleset knows it by it. Where there is none, the first of `strays`, which bear the bridge's mark and
/// another name, gets its name: somebody renamed it, here or in the configuration, and containers may be joined to it.
pub fn up(wanted: &HostState, observed: &ObservedHost, strays: &[Link]) -> Result<Plan> {
    let mut bridge = observed.bridge.clone();
    refuse_another_table(wanted, observed)?;
    if let Some(bridge) = bridge.as_ref().or(strays.first()) {
        refuse_foreign(wanted, bridge)?;
        refuse_other_address(wanted, bridge)?;
    }
    let mut plan = Plan::default();
    group(&mut plan, wanted, bridge.as_ref().or(strays.first()));
    ruleset(&mut plan, wanted, observed);
    if let Some(stray) = strays.first().filter(|_| bridge.is_none()) {
        bridge = rename(&mut plan, wanted, stray);
    }
    bridge_and_settings(&mut plan, wanted, observed, bridge.as_ref());
    Ok(plan)
}

/// The same, and what only a repair may do: of two bridges of ours one goes; one that lost its address gets it back, whatever
/// others it has; elements of no attached container go.
pub fn mend(wanted: &HostState, observed: &ObservedHost, strays: &[Link]) -> Result<Plan> {
    let mut bridge = observed.bridge.clone();
    refuse_another_table(wanted, observed)?;
    if let Some(bridge) = &bridge {
        refuse_foreign(wanted, bridge)?;
    }
    let mut plan = Plan::default();
    if let ObservedRuleset::Same { elements } = &observed.ruleset {
        plan = lost_elements(&wanted.table, &wanted.elements, elements);
    }
    group(&mut plan, wanted, bridge.as_ref().or(strays.first()));
    ruleset(&mut plan, wanted, observed);
    for stray in strays {
        if bridge.is_none() {
            bridge = rename(&mut plan, wanted, stray);
        } else if let Ok(dev) = stray.name.parse() {
            plan.push_final(Op::LinkDel { dev }, "a second bridge with Flatnet's mark");
        }
    }
    bridge_and_settings(&mut plan, wanted, observed, bridge.as_ref());
    Ok(plan)
}

/// What takes out of the tables the elements of no attached container: those not in `wanted`. One whose comment is no
/// container's ID was put there by somebody else, and stays.
#[must_use]
pub fn lost_elements(
    table: &TableName,
    wanted: &BTreeSet<TableElement>,
    found: &BTreeMap<Element, String>,
) -> Plan {
    let wanted: BTreeSet<&Element> = wanted.iter().map(|wanted| &wanted.element).collect();
    let mut plan = Plan::default();
    for (element, comment) in found.iter().filter(|(element, _)| !wanted.contains(element)) {
        let Ok(container_id) = comment.parse() else { continue };
        let lost = TableElement { table: table.clone(), element: element.clone(), container_id };
        plan.push(Op::ElementDel(lost.clone()), Op::ElementAdd(lost), "no attached container's");
    }
    plan
}

/// Gives the bridge its name back, and leaves it down: so no kernel refuses. Nothing where no command can name it.
fn rename(plan: &mut Plan, wanted: &HostState, stray: &Link) -> Option<Link> {
    let dev: &IfName = &stray.name.parse().ok()?;
    if stray.up {
        let down = (LinkAttribute::Down, Some(LinkAttribute::Up));
        plan.push_link_set((&Place::Host, dev), down, None, "a link that is up cannot be renamed");
    }
    let set = |dev: &IfName, name: &IfName| Op::LinkSet {
        place: Place::Host,
        dev: dev.clone(),
        attribute: LinkAttribute::Name(name.clone()),
    };
    plan.push(
        set(dev, &wanted.bridge),
        set(&wanted.bridge, dev),
        "it bears the bridge's mark; rules know it by name",
    );
    Some(Link { name: wanted.bridge.to_string(), up: false, ..stray.clone() })
}

/// Ports of the bridge that 0.1.0 made are in no group, and believe the ARP that comes in by themselves, past the bridge:
/// until they are changed over they are guarded as those are that this version makes.
fn ports(plan: &mut Plan, wanted: &HostState, observed: &ObservedHost) {
    for port in &observed.ports {
        let Ok(dev) = port.name.parse::<IfName>() else { continue };
        if port.group != wanted.group {
            let set = (LinkAttribute::Group(wanted.group), Some(LinkAttribute::Group(port.group)));
            let why = "what comes in by the port itself, past the bridge, is judged by it";
            plan.push_link_set((&Place::Host, &dev), set, None, why);
        }
        if port.arp {
            let off = (LinkAttribute::Arp(false), Some(LinkAttribute::Arp(true)));
            let why = "what comes in by the port itself, past the bridge, is not believed";
            plan.push_link_set((&Place::Host, &dev), off, None, why);
        }
    }
}

fn bridge_and_settings(plan: &mut Plan, wanted: &HostState, observed: &ObservedHost, bridge: Option<&Link>) {
    ports(plan, wanted, observed);
    let made = bridge_link(plan, wanted, bridge);
    settings(plan, wanted, observed, made);
    if bridge.is_none_or(|bridge| !bridge.up) {
        let up = (LinkAttribute::Up, Some(LinkAttribute::Down));
        plan.push_link_set((&Place::Host, &wanted.bridge), up, made, "the bridge works");
    }
    if !observed.unreachable {
        let to = wanted.subnet;
        let why = "an address that nobody has is refused at once, and leads nowhere else";
        plan.push(Op::UnreachableAdd { to }, Op::UnreachableDel { to }, why);
    }
}

/// What takes back all that [`up`] made, and `strays`, which bear the bridge's mark and another name; `found` are the settings
/// as `up` found them, and `keep_forwarding` is why `ip_forward` must stay on.
pub fn down(
    wanted: &HostState,
    observed: &ObservedHost,
    strays: &[Link],
    found: &BTreeMap<SysctlKey, u32>,
    keep_forwarding: bool,
) -> Result<Plan> {
    let mut plan = Plan::default();
    refuse_another_table(wanted, observed)?;
    if let Some(bridge) = &observed.bridge {
        refuse_foreign(wanted, bridge)?;
        plan.push_final(
            Op::LinkDel { dev: wanted.bridge.clone() },
            "the bridge goes, with its address and settings",
        );
    }
    for dev in strays.iter().filter_map(|stray| stray.name.parse().ok()) {
        plan.push_final(
            Op::LinkDel { dev },
            "it bears the bridge's mark, from when `bridge` had another name",
        );
    }
    for setting in wanted.settings.iter().filter(|setting| !setting.of_bridge) {
        let Some(&before) = found.get(&setting.key) else { continue };
        let kept = keep_forwarding && setting.key == SysctlKey::ip_forward();
        if !kept && observed.sysctls.get(&setting.key).is_some_and(|&now| now != before) {
            let op = Op::Sysctl { key: setting.key.clone(), value: before };
            plan.push_final(op, "as it was before `flatnet up`");
        }
    }
    if observed.unreachable {
        plan.push_final(Op::UnreachableDel { to: wanted.subnet }, "the subnet is not refused any more");
    }
    if !matches!(observed.ruleset, ObservedRuleset::Absent) {
        let del = Op::RulesetDel { table: wanted.table.clone(), arp: observed.arp_table };
        plan.push_final(del, "nothing is left to guard");
    }
    Ok(plan)
}

/// Tells a bridge that is there its group, by which the ruleset knows it.
fn group(plan: &mut Plan, wanted: &HostState, found: Option<&Link>) {
    let Some((found, dev)) = found.and_then(|found| Some((found, found.name.parse::<IfName>().ok()?))) else {
        return;
    };
    if found.group != wanted.group {
        let set = (LinkAttribute::Group(wanted.group), Some(LinkAttribute::Group(found.group)));
        plan.push_link_set((&Place::Host, &dev), set, None, "rules match the network's links by it");
    }
}

fn ruleset(plan: &mut Plan, wanted: &HostState, observed: &ObservedHost) {
    let table = &wanted.table;
    let replace = |text: &str| Op::RulesetReplace { table: table.clone(), text: text.to_owned() };
    match &observed.ruleset {
        ObservedRuleset::Absent => {
            let undo = Op::RulesetDel { table: table.clone(), arp: wanted.bridged && !observed.arp_table };
            plan.push(replace(&wanted.ruleset), undo, "who may talk to whom; before anything is forwarded");
        }
        ObservedRuleset::Differs { text, owner: _, closed } => {
            let why = "the loaded rules differ from the configured ones";
            let undo = if wanted.bridged && !observed.arp_table {
                Undo::Ops(vec![replace(text), Op::ArpTableDel { table: table.clone() }])
            } else {
                Undo::Op(Box::new(replace(text)))
            };
            plan.push_with(replace(&wanted.ruleset), None, undo, why);
            for &flow in closed {
                plan.push_final(Op::FlowsDel(flow), "who may not come in any more does not go on either");
            }
        }
        ObservedRuleset::Same { elements } => {
            for element in &wanted.elements {
                if !elements.contains_key(&element.element) {
                    let why = "an attached container's, and missing";
                    plan.push(Op::ElementAdd(element.clone()), Op::ElementDel(element.clone()), why);
                }
            }
        }
    }
    if observed.arp_table && !wanted.bridged {
        let why = "no container has a port in the bridge any more, and nothing speaks ARP";
        plan.push_final(Op::ArpTableDel { table: table.clone() }, why);
    }
}

fn bridge_link(plan: &mut Plan, wanted: &HostState, found: Option<&Link>) -> Option<usize> {
    let HostState { bridge, mac, mtu, alias, address, group, .. } = wanted;
    let made = found.is_none().then(|| {
        plan.push(
            Op::BridgeAdd { dev: bridge.clone(), mac: *mac },
            Op::LinkDel { dev: bridge.clone() },
            "it bears the containers' next hop",
        )
    });
    let mut set = |needed: bool, attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
        if needed {
            plan.push_link_set((&Place::Host, bridge), (attribute, back), made, why);
        }
    };
    // A mark is not taken back: the bridge is ours by its MAC.
    set(
        found.is_none_or(|found| found.alias != alias.as_str()),
        LinkAttribute::Alias(alias.clone()),
        None,
        "marks the bridge as Flatnet's",
    );
    let in_group = LinkAttribute::Group(*group);
    set(found.is_none(), in_group, None, "rules match the network's links by it");
    if let Some(found) = found {
        let back = found.mac.parse().ok().map(LinkAttribute::Address);
        let known_by = "containers know it by this address";
        set(found.mac != mac.to_string(), LinkAttribute::Address(*mac), back, known_by);
    }
    // Not in `link add`: only an MTU that was set stays when the last port goes.
    let back = found.map(|found| LinkAttribute::Mtu(found.mtu));
    set(found.is_none_or(|found| found.mtu != *mtu), LinkAttribute::Mtu(*mtu), back, "the uplink's MTU");
    if found.is_none_or(|found| !found.addresses.contains(address)) {
        plan.push_with(
            addr_add(bridge, *address),
            made,
            Undo::Op(Box::new(addr_del(bridge, *address))),
            "the containers' next hop",
        );
    }
    // The same address with another prefix length: whether the subnet is at the bridge has changed.
    let others = found.into_iter().flat_map(|found| &found.addresses);
    for &other in others.filter(|other| other.addr() == address.addr() && *other != address) {
        let why = "whether the subnet is at the bridge follows from how containers are joined";
        let undo = Undo::Op(Box::new(addr_add(bridge, other)));
        plan.push_with(addr_del(bridge, other), made, undo, why);
    }
    made
}

fn addr_add(dev: &IfName, address: Ipv4Net) -> Op {
    Op::AddrAdd { place: Place::Host, dev: dev.clone(), address, noprefixroute: false }
}

fn addr_del(dev: &IfName, address: Ipv4Net) -> Op {
    Op::AddrDel { place: Place::Host, dev: dev.clone(), address }
}

fn settings(plan: &mut Plan, wanted: &HostState, observed: &ObservedHost, made: Option<usize>) {
    for setting in &wanted.settings {
        let now = observed.sysctls.get(&setting.key).copied();
        if now == Some(setting.value) {
            continue;
        }
        // A kernel without IPv6 has no such setting, and needs none.
        if now.is_none() && setting.key.as_str().starts_with("net/ipv6/") && !observed.has_ipv6 {
            continue;
        }
        let op = Op::Sysctl { key: setting.key.clone(), value: setting.value };
        let undo = now.map_or(Undo::Nothing, |before| {
            Undo::Op(Box::new(Op::Sysctl { key: setting.key.clone(), value: before }))
        });
        let with = if setting.of_bridge { made } else { None };
        plan.push_with(op, with, undo, setting.why);
    }
}

fn refuse_another_table(wanted: &HostState, observed: &ObservedHost) -> Result<()> {
    match &observed.ruleset {
        ObservedRuleset::Differs { owner: Some(other), .. } if wanted.is_anothers(other) => {
            Err(another_flatnet(&format!("the table inet {}", wanted.table), other, &wanted.mark))
        }
        _ => Ok(()),
    }
}

/// A bridge is ours by its alias. One without an alias is ours by its MAC: a run was killed before it could mark it.
fn refuse_foreign(wanted: &HostState, found: &Link) -> Result<()> {
    let bridge = &wanted.bridge;
    let unmarked_ours = found.alias.is_empty() && found.mac == wanted.mac.to_string();
    let of_network = LinkAlias::of_bridge(&wanted.network, None);
    let ours = found.alias == wanted.alias.as_str() || found.alias == of_network.as_str() || unmarked_ours;
    let marked = LinkAlias::bridge_in(&found.alias, &wanted.network).flatten();
    if let Some(other) = marked.as_ref().filter(|other| wanted.is_anothers(other)) {
        return Err(another_flatnet(bridge.as_str(), other, &wanted.mark));
    }
    let ours = ours || marked.is_some();
    if found.kind != "bridge" || !ours {
        let kind = if found.kind.is_empty() { "hardware" } else { &found.kind };
        let alias = if found.alias.is_empty() { "no alias" } else { &found.alias };
        let remedy = match LinkAlias::network_of_bridge(&found.alias) {
            Some(other) => format!(
                "Set another `bridge` in the configuration: this one belongs to network {other}. If you renamed `network`, write \
                 `network: {other}` again, stop its containers, run `flatnet down`, then rename it"
            ),
            None => format!(
                "Set another `bridge` in the configuration, or delete the link with `ip link del {bridge}` if it is not needed"
            ),
        };
        return Err(Error::new(
            Kind::ForeignBridge,
            format!(
                "the link {bridge} does not belong to Flatnet ({kind}, {alias}; expected alias {})",
                wanted.alias
            ),
        )
        .remedy(remedy));
    }
    Ok(())
}

fn refuse_other_address(wanted: &HostState, found: &Link) -> Result<()> {
    let bridge = &found.name;
    let is_wanted = |found: &Ipv4Net| found.addr() == wanted.address.addr();
    if !found.addresses.is_empty() && !found.addresses.iter().any(is_wanted) {
        let others: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        let others = others.join(", ");
        return Err(Error::new(Kind::BridgeAddress, format!("the bridge {bridge} has the address {others}, not {}", wanted.address))
            .remedy(format!(
                "If you changed `subnet` or `bridge_address`, run `flatnet down --force` with the old configuration first; else `ip addr del {others} dev {bridge}`"
            )));
    }
    Ok(())
}

/// Says that `what`, a link or a table, belongs to another Flatnet that shares this host's network. `mark` is the file that
/// says who this one is.
#[must_use]
pub fn another_flatnet(what: &str, other: &Owner, mark: &std::path::Path) -> Error {
    Error::new(
        Kind::AnotherFlatnet,
        format!("{what} belongs to another Flatnet, {other}, on the same network of the kernel"),
    )
    .remedy(format!(
        "Give this one another `network`, `bridge` and `subnet` in the configuration. If it is this one and its state was lost, run `echo {other} >{}`",
        mark.display()
    ))
}
