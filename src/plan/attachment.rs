//! What attaches a container.

use super::{LinkAttribute, Op, Place, Plan, Undo};
use crate::desired::AttachmentState;
use crate::observe::attachment::ObservedAttachment;
use crate::observe::link::PortFlags;

/// What makes `observed` into `wanted`; on the way of ADD nothing is observed and everything is made.
///
/// The set elements come first, since they are what another program checks first, and the container's link is set
/// up last: it never sends a packet that is not guarded.
#[must_use]
pub fn attach(wanted: &AttachmentState, observed: &ObservedAttachment) -> Plan {
    let mut plan = Plan::default();
    for element in wanted.elements() {
        if !observed.elements.contains(&element.element) {
            let why = "the ruleset knows the container by it";
            plan.push(Op::ElementAdd(element.clone()), Op::ElementDel(element), why);
        }
    }
    let link = host_end(&mut plan, wanted, observed);
    container_end(&mut plan, wanted, observed, link);
    plan
}

/// What takes `wanted` back, whatever of it is there: two deletions, the rest goes with them.
#[must_use]
pub fn detach(wanted: &AttachmentState) -> Plan {
    Plan {
        steps: attach(wanted, &ObservedAttachment::default())
            .undo()
            .into_iter()
            .map(|op| super::Step {
                op,
                undo: Undo::Nothing,
                why: "the container leaves the network".to_owned(),
            })
            .collect(),
    }
}

fn host_end(plan: &mut Plan, wanted: &AttachmentState, observed: &ObservedAttachment) -> Option<usize> {
    let AttachmentState { host_link, host_mac, bridge, alias, isolated, mtu, netns, mac, id, .. } = wanted;
    let link_del = Op::LinkDel { dev: host_link.clone() };
    let made = observed.host_link.is_none().then(|| {
        plan.push(
            Op::VethAdd {
                dev: host_link.clone(),
                mac: *host_mac,
                mtu: *mtu,
                master: bridge.clone(),
                peer: id.if_name.clone(),
                peer_mac: *mac,
                netns: netns.clone(),
            },
            link_del.clone(),
            "a pair of links joins the container to the bridge",
        )
    });
    let link = observed.host_link.as_ref();
    let mut set = |needed: bool, attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
        if needed {
            plan.push_link_set((&Place::Host, host_link), (attribute, back), made, why);
        }
    };
    // A mark is not taken back: the link is ours by its name.
    set(
        link.is_none_or(|link| link.alias != alias.as_str()),
        LinkAttribute::Alias(alias.clone()),
        None,
        "marks the link as Flatnet's, and whose it is",
    );
    if let Some(link) = link {
        let master = LinkAttribute::Master(bridge.clone());
        set(link.master != bridge.as_str(), master, Some(LinkAttribute::NoMaster), "a port of the bridge");
        let back = LinkAttribute::Mtu(link.mtu);
        set(link.mtu != *mtu, LinkAttribute::Mtu(*mtu), Some(back), "the bridge's MTU");
    }
    // What joins a bridge is a new port, whatever it was at another.
    let port = link.filter(|link| link.master == bridge.as_str());
    for (flag, on, when_new, why) in port_flags(*isolated) {
        let needed = port.map_or(when_new, |link| !has_flag(link.port, &flag(on)));
        set(needed, flag(on), Some(flag(!on)), why);
    }
    let up = link.is_some_and(|link| link.up);
    set(!up, LinkAttribute::Up, Some(LinkAttribute::Down), "the host's end works");
    if port.is_none() || !observed.fdb.contains(&mac.to_string()) {
        let op = Op::FdbAdd { dev: host_link.clone(), mac: *mac };
        let undo = Op::FdbDel { dev: host_link.clone(), mac: *mac };
        plan.push_with(op, made, Undo::Op(Box::new(undo)), "frames to the container go to it alone");
    }
    made
}

/// How the host's end behaves as a port: which flag, its value, whether a new port needs to be told, and why.
type PortFlag = (fn(bool) -> LinkAttribute, bool, bool, &'static str);

fn port_flags(isolated: bool) -> [PortFlag; 4] {
    [
        (LinkAttribute::Isolated, isolated, isolated, "containers exchange packets through this host only"),
        (LinkAttribute::Hairpin, !isolated, !isolated, "a container can use its own published port"),
        (LinkAttribute::Learning, false, true, "the bridge believes its static entries, not what frames say"),
        (
            LinkAttribute::Locked,
            true,
            true,
            "no frame passes with another's MAC (kernels before 5.18 ignore it)",
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
    wanted: &AttachmentState,
    observed: &ObservedAttachment,
    link: Option<usize>,
) {
    let AttachmentState { netns, id, mac, mtu, address, routes_to, gateway, .. } = wanted;
    let place = Place::Netns(netns.clone());
    let dev = &id.if_name;
    let found = observed.container_link.as_ref();
    if let Some(found) = found {
        let mut set = |attribute: LinkAttribute, back: Option<LinkAttribute>, why: &str| {
            plan.push_link_set((&place, dev), (attribute, back), link, why);
        };
        if found.mac != mac.to_string() {
            let back = found.mac.parse().ok().map(LinkAttribute::Address);
            set(LinkAttribute::Address(*mac), back, "the ruleset knows the container by it");
        }
        if found.mtu != *mtu {
            set(LinkAttribute::Mtu(*mtu), Some(LinkAttribute::Mtu(found.mtu)), "the bridge's MTU");
        }
    }
    if found.is_none_or(|found| !found.addresses.contains(address)) {
        let op = Op::AddrAdd { place: place.clone(), dev: dev.clone(), address: *address };
        let undo = Op::AddrDel { place: place.clone(), dev: dev.clone(), address: *address };
        plan.push_with(op, link, Undo::Op(Box::new(undo)), "the container's flat address");
    }
    if found.is_none_or(|found| !found.up) {
        let up = (LinkAttribute::Up, Some(LinkAttribute::Down));
        plan.push_link_set((&place, dev), up, link, "the container's end works");
    }
    for &to in routes_to {
        if observed
            .routes
            .iter()
            .any(|route| route.to == to && route.via == Some(*gateway) && route.dev == dev.as_str())
        {
            continue;
        }
        let (place, via, dev) = (place.clone(), *gateway, dev.clone());
        let undo = Op::RouteDel { place: place.clone(), to, via, dev: dev.clone() };
        let why = if to.prefix_len() == 0 {
            "this host is the way to everything, unless another network of the container's is"
        } else {
            "this host is the way to Flatnet, whichever network the default route leads to"
        };
        plan.push_with(Op::RouteAdd { place, to, via, dev }, link, Undo::Op(Box::new(undo)), why);
    }
}
