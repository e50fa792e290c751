//! Plans for this host: `up` and `down`.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::overlay;
use crate::error::{Error, Kind, Result};
use crate::kernel::observe::host::{ObservedHost, ObservedRuleset};
use crate::kernel::observe::link::Link;
use crate::model::desired::{HostState, Resolver};
use crate::model::plan::{Element, LinkAttribute, Op, Place, Plan, TableElement, Undo};
use crate::model::types::{IfName, LinkAlias, Owner, SysctlKey, TableName};

/// The plan from `observed` to `desired`. An error if the bridge's name is in use, or its address is another one.
///
/// The ruleset comes first, so that nothing is forwarded unguarded. Only an existing bridge gets its group
/// before that, since the ruleset matches it by group. If there is no bridge, the first of `strays`, which have
/// the bridge's alias and another name, is renamed: it was renamed before, on the host or in the configuration,
/// and may have ports.
pub fn up(desired: &HostState, observed: &ObservedHost, strays: &[Link]) -> Result<Plan> {
    let mut bridge = observed.bridge.clone();
    refuse_another_table(desired, observed)?;
    if let Some(bridge) = bridge.as_ref().or(strays.first()) {
        refuse_foreign(desired, bridge)?;
        refuse_other_address(desired, bridge)?;
    }
    let mut plan = Plan::default();
    group(&mut plan, desired, bridge.as_ref().or(strays.first()));
    ruleset(&mut plan, desired, observed);
    if let Some(stray) = strays.first().filter(|_| bridge.is_none()) {
        bridge = rename(&mut plan, desired, stray);
    }
    bridge_and_settings(&mut plan, desired, observed, bridge.as_ref());
    overlay::up(&mut plan, desired, observed)?;
    resolver(&mut plan, desired, observed);
    service(&mut plan, desired, observed);
    Ok(plan)
}

/// The same, with what only a repair may do: remove a second bridge of ours, restore a lost bridge address
/// beside others, and delete elements that no attached container owns.
pub fn repair(desired: &HostState, observed: &ObservedHost, strays: &[Link]) -> Result<Plan> {
    let mut bridge = observed.bridge.clone();
    refuse_another_table(desired, observed)?;
    if let Some(bridge) = &bridge {
        refuse_foreign(desired, bridge)?;
    }
    let mut plan = Plan::default();
    if let ObservedRuleset::Same { elements } = &observed.ruleset {
        plan = lost_elements(&desired.table, &desired.elements, elements);
    }
    group(&mut plan, desired, bridge.as_ref().or(strays.first()));
    ruleset(&mut plan, desired, observed);
    for stray in strays {
        if bridge.is_none() {
            bridge = rename(&mut plan, desired, stray);
        } else if let Ok(dev) = stray.name.parse() {
            plan.push_final(Op::LinkDel { dev }, "a second bridge with Flatnet's mark");
        }
    }
    bridge_and_settings(&mut plan, desired, observed, bridge.as_ref());
    overlay::up(&mut plan, desired, observed)?;
    resolver(&mut plan, desired, observed);
    service(&mut plan, desired, observed);
    Ok(plan)
}

/// Deletes the elements that no attached container owns, that is, those not in `desired`. An element whose
/// comment is not a container ID is not Flatnet's, and stays.
#[must_use]
pub fn lost_elements(
    table: &TableName,
    desired: &BTreeSet<TableElement>,
    found: &BTreeMap<Element, String>,
) -> Plan {
    let desired: BTreeSet<&Element> = desired.iter().map(|desired| &desired.element).collect();
    let mut plan = Plan::default();
    for (element, comment) in found.iter().filter(|(element, _)| !desired.contains(element)) {
        let Ok(container_id) = comment.parse() else { continue };
        let lost = TableElement { table: table.clone(), element: element.clone(), container_id };
        plan.push(Op::ElementDel(lost.clone()), Op::ElementAdd(lost), "no attached container owns it");
    }
    plan
}

/// Renames the bridge back and leaves it down, which every kernel allows. Nothing if its name cannot be written in a
/// command.
fn rename(plan: &mut Plan, desired: &HostState, stray: &Link) -> Option<Link> {
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
        set(dev, &desired.bridge),
        set(&desired.bridge, dev),
        "it has the bridge's alias; rules match it by name",
    );
    Some(Link { name: desired.bridge.to_string(), up: false, ..stray.clone() })
}

/// Bridge ports by 0.1.0 have no group, and take ARP that arrives at the port itself, past the bridge. Until
/// they are changed over they are guarded like ports of this version.
fn ports(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) {
    for port in &observed.ports {
        let Ok(dev) = port.name.parse::<IfName>() else { continue };
        if port.group != desired.group {
            let set = (LinkAttribute::Group(desired.group), Some(LinkAttribute::Group(port.group)));
            let why = "rules match what arrives at the port itself by group";
            plan.push_link_set((&Place::Host, &dev), set, None, why);
        }
        if port.arp {
            let off = (LinkAttribute::Arp(false), Some(LinkAttribute::Arp(true)));
            let why = "ARP that arrives at the port itself, past the bridge, is ignored";
            plan.push_link_set((&Place::Host, &dev), off, None, why);
        }
    }
}

/// Why the subnets have unreachable routes.
const UNASSIGNED: &str = "an unassigned address is rejected at once, and not routed elsewhere";

fn bridge_and_settings(plan: &mut Plan, desired: &HostState, observed: &ObservedHost, bridge: Option<&Link>) {
    ports(plan, desired, observed);
    let made = bridge_link(plan, desired, bridge);
    settings(plan, desired, observed, made);
    addresses6(plan, desired, bridge, made);
    if bridge.is_none_or(|bridge| !bridge.up) {
        let up = (LinkAttribute::Up, Some(LinkAttribute::Down));
        plan.push_link_set((&Place::Host, &desired.bridge), up, made, "brings the bridge up");
    }
    if !observed.unreachable {
        let to = desired.subnet.into();
        plan.push(Op::UnreachableAdd { to }, Op::UnreachableDel { to }, UNASSIGNED);
    }
    unreachable6(plan, desired, observed);
}

/// The bridge's IPv6 address, after the settings, which may have to switch IPv6 on; and not one of another prefix.
fn addresses6(plan: &mut Plan, desired: &HostState, found: Option<&Link>, made: Option<usize>) {
    let bridge = &desired.bridge;
    let address = desired.ipv6.map(|ipv6| IpNet::from(ipv6.address));
    if let Some(address) = address.filter(|address| found.is_none_or(|found| !found.ipv6.contains(address))) {
        let undo = Undo::Op(Box::new(addr_del(bridge, address)));
        plan.push_with(addr_add(bridge, address), made, undo, "the containers' next hop");
    }
    // Without IPv6 the bridge loses all of them with its settings.
    let others = found.filter(|_| address.is_some()).into_iter().flat_map(|found| &found.ipv6);
    for &other in others.filter(|other| Some(**other) != address) {
        plan.push(addr_del(bridge, other), addr_add(bridge, other), "the configuration has another prefix");
    }
}

fn unreachable6(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) {
    let subnet = desired.ipv6.map(|ipv6| ipv6.subnet);
    if let Some(to) = subnet.filter(|subnet| !observed.unreachable6.contains(subnet)).map(IpNet::from) {
        plan.push(Op::UnreachableAdd { to }, Op::UnreachableDel { to }, UNASSIGNED);
    }
    for to in observed.unreachable6.iter().filter(|&&to| Some(to) != subnet).map(|&to| IpNet::from(to)) {
        let why = "the configuration has another prefix, or no IPv6";
        plan.push(Op::UnreachableDel { to }, Op::UnreachableAdd { to }, why);
    }
}

/// Starts the resolver, last: it waits for the bridge's address anyway, and a failed step before it leaves none behind.
fn resolver(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) {
    match (&desired.resolver, observed.resolver) {
        (Some(resolver), None) => {
            let why = match resolver {
                Resolver::Unit => "answers containers' questions for names",
                Resolver::Process { .. } => "answers containers' questions for names; `flatnet down` ends it",
            };
            plan.push_final(Op::ResolverStart(resolver.clone()), why);
        }
        (None, _) => resolver_stop(plan, desired, observed),
        _ => {}
    }
}

/// Starts the service for rootless Podman where systemd does not, and ends it when no user may have containers any more.
fn service(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) {
    match (&desired.service, observed.service) {
        (Some(program), None) => {
            let start = Op::ServiceStart { program: program.clone() };
            plan.push_final(start, "attaches containers of users' rootless Podman; `flatnet down` ends it");
        }
        (None, _) => service_stop(plan, observed),
        _ => {}
    }
}

fn service_stop(plan: &mut Plan, observed: &ObservedHost) {
    if let Some(service) = observed.service.filter(|service| !service.has_other_networks) {
        plan.push_final(
            Op::ServiceStop { pid: service.pid },
            "no rootless Podman of a user is served any more",
        );
    }
}

/// Ends the resolver that Flatnet started, unless other networks need it.
fn resolver_stop(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) {
    let is_ours = desired.resolver != Some(Resolver::Unit);
    if let Some(resolver) = observed.resolver.filter(|found| is_ours && !found.has_other_networks) {
        plan.push_final(Op::ResolverStop { pid: resolver.pid }, "no network of this host has names any more");
    }
}

/// The plan that undoes [`up`] and removes `strays`, which have the bridge's alias and another name. `found`
/// are the settings before `up`; `keep_forwarding` is the reason why `ip_forward` must stay on.
pub fn down(
    desired: &HostState,
    observed: &ObservedHost,
    strays: &[Link],
    found: &BTreeMap<SysctlKey, u32>,
    keep_forwarding: bool,
) -> Result<Plan> {
    let mut plan = Plan::default();
    refuse_another_table(desired, observed)?;
    service_stop(&mut plan, observed);
    resolver_stop(&mut plan, desired, observed);
    // Before the bridge: with its address the kernel removes the route that has it as source.
    overlay::down(&mut plan, desired, observed)?;
    if let Some(bridge) = &observed.bridge {
        refuse_foreign(desired, bridge)?;
        plan.push_final(
            Op::LinkDel { dev: desired.bridge.clone() },
            "removes the bridge with its address and settings",
        );
    }
    for dev in strays.iter().filter_map(|stray| stray.name.parse().ok()) {
        plan.push_final(
            Op::LinkDel { dev },
            "it has the bridge's alias, from when `bridge` had another name",
        );
    }
    // First those by which this host forwards: until then others must be as forwarding needs them.
    let mut found: Vec<(&SysctlKey, u32)> = found.iter().map(|(key, &before)| (key, before)).collect();
    found.sort_by_key(|(key, _)| !key.is_forwarding());
    for (key, before) in found.into_iter().filter(|_| !keep_forwarding) {
        if observed.sysctls.get(key).is_some_and(|&now| now != before) {
            let op = Op::Sysctl { key: key.clone(), value: before };
            plan.push_final(op, "restores the value from before `flatnet up`");
        }
    }
    if observed.unreachable {
        plan.push_final(Op::UnreachableDel { to: desired.subnet.into() }, "the subnet is no longer rejected");
    }
    for &to in &observed.unreachable6 {
        plan.push_final(Op::UnreachableDel { to: to.into() }, "the subnet is no longer rejected");
    }
    if !matches!(observed.ruleset, ObservedRuleset::Absent) {
        let del = Op::RulesetDel { table: desired.table.clone(), arp: observed.arp_table };
        plan.push_final(del, "nothing is left to guard");
    }
    Ok(plan)
}

/// Sets the group of an existing bridge, by which the ruleset matches it.
fn group(plan: &mut Plan, desired: &HostState, found: Option<&Link>) {
    let Some((found, dev)) = found.and_then(|found| Some((found, found.name.parse::<IfName>().ok()?))) else {
        return;
    };
    if found.group != desired.group {
        let set = (LinkAttribute::Group(desired.group), Some(LinkAttribute::Group(found.group)));
        plan.push_link_set((&Place::Host, &dev), set, None, "rules match the network's links by group");
    }
}

fn ruleset(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) {
    let table = &desired.table;
    let replace = |text: &str| Op::RulesetReplace { table: table.clone(), text: text.to_owned() };
    match &observed.ruleset {
        ObservedRuleset::Absent => {
            let undo = Op::RulesetDel { table: table.clone(), arp: desired.bridged && !observed.arp_table };
            plan.push(replace(&desired.ruleset), undo, "the firewall, before anything is forwarded");
        }
        ObservedRuleset::Differs { text, owner: _, closed } => {
            let why = "the loaded rules differ from the configured ones";
            let undo = if desired.bridged && !observed.arp_table {
                Undo::Ops(vec![replace(text), Op::ArpTableDel { table: table.clone() }])
            } else {
                Undo::Op(Box::new(replace(text)))
            };
            plan.push_with(replace(&desired.ruleset), None, undo, why);
            for &flow in closed {
                plan.push_final(Op::FlowsDel(flow), "ends connections that are no longer allowed");
            }
        }
        ObservedRuleset::Same { elements } => {
            for element in &desired.elements {
                if !elements.contains_key(&element.element) {
                    let why = "an attached container's element is missing";
                    plan.push(Op::ElementAdd(element.clone()), Op::ElementDel(element.clone()), why);
                }
            }
        }
    }
    if observed.arp_table && !desired.bridged {
        let why = "no container has a bridge port any more, so no ARP needs guarding";
        plan.push_final(Op::ArpTableDel { table: table.clone() }, why);
    }
}

fn bridge_link(plan: &mut Plan, desired: &HostState, found: Option<&Link>) -> Option<usize> {
    let HostState { bridge, mac, mtu, alias, group, .. } = desired;
    let address = IpNet::from(desired.address);
    let made = found.is_none().then(|| {
        plan.push(
            Op::BridgeAdd { dev: bridge.clone(), mac: *mac },
            Op::LinkDel { dev: bridge.clone() },
            "it has the containers' next hop address",
        )
    });
    let mut set = |needed: bool, attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
        if needed {
            plan.push_link_set((&Place::Host, bridge), (attribute, back), made, why);
        }
    };
    // The alias needs no undo: the bridge is ours by its MAC.
    set(
        found.is_none_or(|found| found.alias != alias.as_str()),
        LinkAttribute::Alias(alias.clone()),
        None,
        "marks the bridge as Flatnet's",
    );
    let in_group = LinkAttribute::Group(*group);
    set(found.is_none(), in_group, None, "rules match the network's links by group");
    if let Some(found) = found {
        let back = found.mac.parse().ok().map(LinkAttribute::Address);
        let known_by = "containers expect this MAC";
        set(found.mac != mac.to_string(), LinkAttribute::Address(*mac), back, known_by);
    }
    // Not in `link add`: only an MTU that was set explicitly stays when the last port is removed.
    let back = found.map(|found| LinkAttribute::Mtu(found.mtu));
    set(found.is_none_or(|found| found.mtu != *mtu), LinkAttribute::Mtu(*mtu), back, "the uplink's MTU");
    if found.is_none_or(|found| !found.addresses.contains(&address)) {
        plan.push_with(
            addr_add(bridge, address),
            made,
            Undo::Op(Box::new(addr_del(bridge, address))),
            "the containers' next hop",
        );
    }
    // The same address with another prefix length: whether the subnet is on-link at the bridge has changed.
    let others = found.into_iter().flat_map(|found| &found.addresses);
    for &other in others.filter(|other| other.addr() == address.addr() && **other != address) {
        let why = "the prefix length follows from how containers are attached";
        let undo = Undo::Op(Box::new(addr_add(bridge, other)));
        plan.push_with(addr_del(bridge, other), made, undo, why);
    }
    made
}

pub(super) fn addr_add(dev: &IfName, address: IpNet) -> Op {
    Op::AddrAdd { place: Place::Host, dev: dev.clone(), address, noprefixroute: false }
}

pub(super) fn addr_del(dev: &IfName, address: IpNet) -> Op {
    Op::AddrDel { place: Place::Host, dev: dev.clone(), address }
}

fn settings(plan: &mut Plan, desired: &HostState, observed: &ObservedHost, made: Option<usize>) {
    for setting in &desired.settings {
        let now = observed.sysctls.get(&setting.key).copied();
        if now == Some(setting.value) {
            continue;
        }
        // A kernel without IPv6 lacks this setting, and does not need it.
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

fn refuse_another_table(desired: &HostState, observed: &ObservedHost) -> Result<()> {
    match &observed.ruleset {
        ObservedRuleset::Differs { owner: Some(other), .. } if desired.is_anothers(other) => {
            Err(another_flatnet(&format!("the table inet {}", desired.table), other, &desired.owner_file))
        }
        _ => Ok(()),
    }
}

/// A bridge is ours by its alias. One without an alias is ours by its MAC: a run was killed before it set the alias.
fn refuse_foreign(desired: &HostState, found: &Link) -> Result<()> {
    let bridge = &desired.bridge;
    let unmarked_ours = found.alias.is_empty() && found.mac == desired.mac.to_string();
    let of_network = LinkAlias::of_bridge(&desired.network, None);
    let ours = found.alias == desired.alias.as_str() || found.alias == of_network.as_str() || unmarked_ours;
    let marked = LinkAlias::bridge_in(&found.alias, &desired.network).flatten();
    if let Some(other) = marked.as_ref().filter(|other| desired.is_anothers(other)) {
        return Err(another_flatnet(bridge.as_str(), other, &desired.owner_file));
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
                desired.alias
            ),
        )
        .remedy(remedy));
    }
    Ok(())
}

fn refuse_other_address(desired: &HostState, found: &Link) -> Result<()> {
    let bridge = &found.name;
    let is_desired = |found: &IpNet| found.addr() == desired.address.addr();
    if !found.addresses.is_empty() && !found.addresses.iter().any(is_desired) {
        let others: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        let others = others.join(", ");
        return Err(Error::new(Kind::BridgeAddress, format!("the bridge {bridge} has the address {others}, not {}", desired.address))
            .remedy(format!(
                "If you changed `subnet` or `bridge_address`, run `flatnet down --force` with the old configuration first; else `ip addr del {others} dev {bridge}`"
            )));
    }
    Ok(())
}

/// The error for a link or table, `what`, of another Flatnet in the same network namespace. `owner_file` holds this one's
/// owner mark.
#[must_use]
pub fn another_flatnet(what: &str, other: &Owner, owner_file: &std::path::Path) -> Error {
    Error::new(
        Kind::AnotherFlatnet,
        format!("{what} belongs to another Flatnet, {other}, in the same network namespace"),
    )
    .remedy(format!(
        "Give this one another `network`, `bridge` and `subnet` in the configuration. If this Flatnet's state was lost, run `echo {other} >{}`",
        owner_file.display()
    ))
}
