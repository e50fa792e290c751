//! Properties of the planner, on a model of the kernel: after a plan ran, the next plan is empty, and the undo of a
//! plan, or of the part that ran before a failure, restores the initial state. The same holds for changing over a
//! container from any mode, including that of Flatnet 0.1.0.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use flatnet::kernel::observe::attachment::ObservedAttachment;
use flatnet::kernel::observe::host::ObservedRuleset;
use flatnet::kernel::observe::link::Link;
use flatnet::kernel::planner;
use flatnet::model::config::{Bridging, Config, Overlay, OverlayKind, Peer};
use flatnet::model::desired::{AttachmentState, GatewayLink, HostFacts, HostState, Routes};
use flatnet::model::plan::{Element, FlowFilter, LinkAttribute, Op, Place, Plan};
use flatnet::model::types::NetnsId;
use flatnet::model::types::{
    AttachmentId, Caller, LinkAlias, LinkGroup, Mac, Owner, PortMapping, PortMode, Protocol, SysctlKey,
};
use flatnet::state::receipt::{self, Receipt};
use ipnet::IpNet;
use proptest::prelude::*;
use similar::TextDiff;

use crate::model::{Model, Ruleset};

fn config(bridging: Bridging) -> Config {
    Config { bridging, ..Config::default() }
}

fn facts() -> HostFacts {
    let gateway = Ipv4Addr::new(172, 20, 16, 1);
    let source = Ipv4Addr::new(172, 20, 16, 2);
    HostFacts {
        mtu: 1400,
        ingress_gateways: vec![gateway],
        gateway_links: vec![GatewayLink { address: gateway, dev: "eth0".parse().unwrap(), source }],
        ipv6: true,
        policy_routing: true,
        fib: true,
        ..HostFacts::default()
    }
}

/// The desired state of a host. Cached, because rendering a ruleset is the slowest part, and few rulesets differ.
fn host(bridging: Bridging, attached: &[Receipt]) -> HostState {
    static KNOWN: Mutex<BTreeMap<String, HostState>> = Mutex::new(BTreeMap::new());
    let render = || planner::desired_host(&config(bridging), &facts(), None, attached).unwrap();
    let which = format!("{bridging:?} {attached:?}");
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).entry(which).or_insert_with(render).clone()
}

/// The value of `bridging` for which new containers get this mode.
fn bridging_for(mode: PortMode) -> Bridging {
    if mode == PortMode::Plain { Bridging::Plain } else { Bridging::Routed }
}

fn attachment(mode: PortMode, ports: u16, routes: Routes) -> AttachmentState {
    let id = AttachmentId { container_id: "0123abcd".parse().unwrap(), if_name: "eth0".parse().unwrap() };
    let ports: Vec<PortMapping> = (0..ports)
        .map(|port| PortMapping {
            protocol: if port % 3 == 0 { Protocol::Udp } else { Protocol::Tcp },
            host_ip: (port % 2 == 1).then_some(Ipv4Addr::LOCALHOST.into()),
            host_port: 8000 + port,
            container_port: 80,
        })
        .collect();
    let netns = "/run/netns/c".parse().unwrap();
    let config = config(bridging_for(mode));
    let addresses = config.addresses(Ipv4Addr::new(10, 87, 1, 2));
    let state = AttachmentState::new(&config, &facts(), &id, &netns, &addresses, None, &ports, routes);
    AttachmentState { mode, ..state }
}

/// The same attachment with an IPv6 address, as planned for the future. Rules only for IPv4, such as ARP's, stay.
fn of_both_families(state: AttachmentState, model: &mut Model) -> AttachmentState {
    let nets = |text: &str| text.parse::<IpNet>().unwrap();
    // This host's routes to the container have the bridge address as source.
    let bridge = model.host.links.get_mut(state.bridge.as_str()).unwrap();
    bridge.addresses.push(nets("fd00::1/128"));
    AttachmentState {
        addresses: state.addresses.nets().chain([nets("fd00::2/64")]).collect::<Vec<_>>().try_into().unwrap(),
        next_hops: state.next_hops.iter().copied().chain([nets("fd00::1/128").addr()]).collect(),
        routes_to: state.routes_to.iter().copied().chain([nets("::/0")]).collect(),
        answers_to: state.answers_to.iter().copied().chain([nets("fd01::1/128").addr()]).collect(),
        own_table6: true,
        ..state
    }
}

/// The receipt of an attachment, with the fields that the planner uses.
pub(crate) fn receipt(state: &AttachmentState) -> Receipt {
    Receipt {
        version: receipt::VERSION,
        flatnet: String::new(),
        network: "flatnet".parse().unwrap(),
        id: state.id.clone(),
        name: String::new(),
        aliases: Vec::new(),
        addresses: state.addresses.clone(),
        mac: state.mac,
        host_link: state.host_link.clone(),
        mode: Some(state.mode),
        netns: state.netns.clone(),
        netns_id: NetnsId { dev: 4, ino: 5 },
        ports: state.ports.clone(),
        boot_id: String::new(),
        created: 0,
        default_route: true,
        caller: Caller::Root,
        steps: Vec::new(),
        commands: Vec::new(),
        undo: Vec::new(),
    }
}

fn run(model: &mut Model, ops: &[Op]) {
    for op in ops {
        model.apply(op).unwrap_or_else(|why| panic!("{op:?}: {why}"));
    }
}

fn bring_up(model: &mut Model, wanted: &HostState) {
    let plan = planner::up(wanted, &model.observe_host(wanted), &[]).unwrap();
    run(model, &plan.ops());
}

#[track_caller]
fn assert_same(found: &Model, wanted: &Model, when: &str) {
    if found != wanted {
        let (found, wanted) = (format!("{found:#?}"), format!("{wanted:#?}"));
        let lines = TextDiff::from_lines(&wanted, &found).unified_diff().context_radius(6).to_string();
        panic!("{when} (- as it should be, + as it is):\n{lines}");
    }
}

/// Asserts that running and undoing any first steps of `plan` restores `model`. Exceptions: a link's alias stays, and a
/// deleted table `arp` that nothing needs is not created again.
fn assert_undo_is_identity(model: &Model, plan: &Plan) {
    let without = |mut world: Model, arp_table: bool| {
        world.host.links.values_mut().for_each(|link| link.alias.clear());
        if arp_table {
            run(&mut world, &[Op::ArpTableDel { table: "flatnet".parse().unwrap() }]);
        }
        world
    };
    for done in 0..=plan.steps.len() {
        let mut world = model.clone();
        let ops = &plan.ops()[..done];
        run(&mut world, ops);
        let undo = plan.undo_of(|index| index < done);
        run(&mut world, &undo);
        let arp_table = ops.iter().any(|op| matches!(op, Op::ArpTableDel { .. }));
        let when = format!("after undoing the first {done} steps");
        assert_same(&without(world, arp_table), &without(model.clone(), arp_table), &when);
    }
}

/// The desired state of host 2 of a LAN with these other hosts: number and last octet of the address.
fn host_of_lan(others: &[(u16, u8)]) -> HostState {
    let peer = |number: u16, last: u8| Peer {
        number,
        host: format!("h{number}").parse().unwrap(),
        address: Ipv4Addr::new(192, 168, 77, last),
    };
    let own = peer(2, 12);
    let peers = others.iter().map(|&(number, last)| peer(number, last)).chain([own]).collect();
    let overlay = Some(Overlay::new(OverlayKind::Vxlan, 2));
    let config = Config { subnet: "10.87.2.0/24".parse().unwrap(), overlay, ..Config::default() };
    planner::desired_host(&config, &HostFacts { peers, ..facts() }, None, &[]).unwrap()
}

/// From any hosts to any others, also after somebody took pieces away: undone as far as it ran, empty when it is repeated, and gone after `down`.
#[test]
fn tunnel_follows_the_hosts() {
    let lans: [&[(u16, u8)]; 4] = [&[], &[(1, 11), (3, 13)], &[(1, 14), (4, 13)], &[(1, 13), (3, 11)]];
    for (before, after) in lans.iter().flat_map(|before| lans.iter().map(move |after| (before, after))) {
        let (wanted_before, wanted) = (host_of_lan(before), host_of_lan(after));
        let mut model = Model::booted();
        bring_up(&mut model, &wanted_before);
        let found = model.tunnel.as_mut().unwrap();
        let lost = found.neighbours.keys().next().copied();
        lost.map(|address| found.neighbours.remove(&address));
        let plan = planner::up(&wanted, &model.observe_host(&wanted), &[]).unwrap();
        assert_undo_is_identity(&model, &plan);
        run(&mut model, &plan.ops());
        assert_eq!(model.tunnel.as_ref().unwrap().fdb.len(), after.len());
        assert!(
            planner::up(&wanted, &model.observe_host(&wanted), &[]).unwrap().is_empty(),
            "{before:?} {after:?}"
        );
        let found = BTreeMap::from([(SysctlKey::ip_forward(), 0)]);
        let down = planner::down(&wanted, &model.observe_host(&wanted), &[], &found, false).unwrap();
        run(&mut model, &down.ops());
        assert_same(&model, &Model::booted(), "after down");
    }
}

#[test]
fn tunnel_that_was_made_otherwise_is_replaced_and_foreign_link_is_refused() {
    let wanted = host_of_lan(&[(1, 11)]);
    let mut model = Model::booted();
    bring_up(&mut model, &wanted);
    model.tunnel.as_mut().unwrap().link.local = Ipv4Addr::new(192, 168, 77, 99);
    bring_up(&mut model, &wanted);
    assert_eq!(model.tunnel.as_ref().unwrap().link.local, Ipv4Addr::new(192, 168, 77, 12));
    assert!(planner::up(&wanted, &model.observe_host(&wanted), &[]).unwrap().is_empty());
    model.host.links.get_mut("flatnet-ov0").unwrap().kind = "tun".to_owned();
    let observed = model.observe_host(&wanted);
    let error = planner::up(&wanted, &observed, &[]).unwrap_err().to_line();
    assert!(
        error.contains("the link flatnet-ov0 does not belong to Flatnet (tun; expected vxlan)"),
        "{error}"
    );
    planner::down(&wanted, &observed, &[], &BTreeMap::new(), false).unwrap_err();
}

fn any_mode() -> impl Strategy<Value = PortMode> {
    prop_oneof![Just(PortMode::Routed), Just(PortMode::Plain), Just(PortMode::Isolated)]
}

fn any_bridging() -> impl Strategy<Value = Bridging> {
    prop_oneof![Just(Bridging::Routed), Just(Bridging::Plain)]
}

/// No attached container, or one in any mode.
fn any_attached() -> impl Strategy<Value = Vec<Receipt>> {
    let of_mode = |mode| receipt(&attachment(mode, 2, Routes::Default));
    prop::option::of(any_mode()).prop_map(move |mode| mode.map(of_mode).into_iter().collect())
}

/// A host on which `up` ran in part for any configuration, and some objects were changed since.
fn disturbed_host() -> impl Strategy<Value = Model> {
    let disturbances = (any::<[bool; 7]>(), 0_u32..2);
    (any_bridging(), any_attached(), 0_usize..20, disturbances).prop_map(
        |(bridging, attached, done, disturbed)| {
            let ([down, mtu, address, rules, mac, group, arp], forward) = disturbed;
            let wanted = host(bridging, &attached);
            let mut model = Model::booted();
            let plan = planner::up(&wanted, &model.observe_host(&wanted), &[]).unwrap();
            // Runs at least up to the bridge's mark; later steps may be missing.
            let marked = plan.steps.iter().position(|step| matches!(step.op, Op::LinkSet { .. })).unwrap();
            let done = done.min(plan.steps.len());
            run(&mut model, &plan.ops()[..if done > 1 { done.max(marked + 1) } else { done }]);
            let set = |attribute| Op::LinkSet { place: Place::Host, dev: wanted.bridge.clone(), attribute };
            if model.host.links.contains_key(wanted.bridge.as_str()) {
                let all = [
                    (down, LinkAttribute::Down),
                    (mtu, LinkAttribute::Mtu(1500)),
                    (mac, LinkAttribute::Address(Mac::of_host_link(Ipv4Addr::new(1, 2, 3, 4)))),
                    (group, LinkAttribute::Group(LinkGroup(7))),
                ];
                let ops = all.into_iter().filter(|(is, _)| *is).map(|(_, attribute)| set(attribute));
                run(&mut model, &ops.collect::<Vec<_>>());
                let bears = model.host.links[wanted.bridge.as_str()].addresses.first().copied();
                if let Some(found) = bears.filter(|_| address) {
                    run(
                        &mut model,
                        &[Op::AddrDel { place: Place::Host, dev: wanted.bridge.clone(), address: found }],
                    );
                }
            }
            if let Some(found) = model.ruleset.as_mut().filter(|_| rules) {
                *found = Ruleset { rules: "table inet flatnet { }\n".to_owned(), ..Ruleset::default() };
            }
            if arp {
                run(&mut model, &[Op::ArpTableDel { table: wanted.table.clone() }]);
            }
            model.sysctls.insert(SysctlKey::ip_forward(), forward);
            model
        },
    )
}

/// Renames the bridge, if it exists. Renaming requires it to be down, and removes its routes.
fn rename_bridge(model: &mut Model, wanted: &HostState) -> Vec<Link> {
    let Some(bridge) = model.host.links.remove(wanted.bridge.as_str()) else { return Vec::new() };
    let bridge = Link { name: "lost0".to_owned(), up: false, ..bridge };
    model.host.routes.clear();
    model.host.links.insert(bridge.name.clone(), bridge.clone());
    vec![bridge]
}

proptest! {
    #[test]
    fn up_converges_and_every_prefix_can_be_undone(
        mut model in disturbed_host(), bridging in any_bridging(), attached in any_attached(), renamed in any::<bool>(),
    ) {
        let wanted = host(bridging, &attached);
        let strays = if renamed { rename_bridge(&mut model, &wanted) } else { Vec::new() };
        let plan = planner::up(&wanted, &model.observe_host(&wanted), &strays).unwrap();
        assert_undo_is_identity(&model, &plan);
        let mut world = model.clone();
        run(&mut world, &plan.ops());
        let again = planner::up(&wanted, &world.observe_host(&wanted), &[]).unwrap();
        prop_assert!(again.is_empty(), "{again:#?}");
        prop_assert_eq!(world.arp_table, wanted.bridged);
        let bridge = &world.host.links[wanted.bridge.as_str()];
        prop_assert_eq!(&bridge.addresses, &[IpNet::V4(wanted.address)]);
    }

    #[test]
    fn mend_converges_even_where_up_refuses(
        mut model in disturbed_host(), bridging in any_bridging(), attached in any_attached(), renamed in any::<bool>(),
        readdressed in any::<bool>(), second in any::<bool>(), lost in prop::option::of(any_mode()),
    ) {
        let wanted = host(bridging, &attached);
        let others = "192.0.2.1/24".parse().unwrap();
        if let Some(bridge) = model.host.links.get_mut(wanted.bridge.as_str()).filter(|_| readdressed) {
            bridge.addresses = vec![others];
            bridge.up = false;
            model.host.routes.clear();
        }
        let strays = if renamed { rename_bridge(&mut model, &wanted) } else { Vec::new() };
        if let Some(stray) = strays.first().filter(|_| second) {
            // This one is down too, so its routes do not matter.
            let bridge = Link { name: wanted.bridge.to_string(), ..stray.clone() };
            model.host.links.insert(bridge.name.clone(), bridge);
        }
        if let (Some(mode), Some(ruleset)) = (lost, model.ruleset.as_mut()) {
            let state = attachment(mode, 2, Routes::Default);
            ruleset.elements.extend(state.elements().filter(|one| {
                model.arp_table || matches!(one.element, Element::Binding { .. } | Element::Published { .. })
            }));
        }
        let plan = planner::repair(&wanted, &model.observe_host(&wanted), &strays).unwrap();
        // A deleted link is not restored: of two bridges, one is deleted.
        if !(renamed && second) {
            assert_undo_is_identity(&model, &plan);
        }
        run(&mut model, &plan.ops());
        prop_assert!(!model.host.links.contains_key("lost0"));
        let again = planner::repair(&wanted, &model.observe_host(&wanted), &[]).unwrap();
        prop_assert!(again.is_empty(), "{again:#?}");
        let ruleset = model.ruleset.unwrap();
        prop_assert_eq!(&ruleset.elements, &wanted.elements);
    }

    #[test]
    fn down_reverts_up(
        bridging in any_bridging(), forward in 0_u32..2, keep in any::<bool>(),
    ) {
        let wanted = host(bridging, &[]);
        let mut before = Model::booted();
        before.sysctls.insert(SysctlKey::ip_forward(), forward);
        let mut world = before.clone();
        bring_up(&mut world, &wanted);
        let found = [(SysctlKey::ip_forward(), forward)].into();
        let down = planner::down(&wanted, &world.observe_host(&wanted), &[], &found, keep).unwrap();
        run(&mut world, &down.ops());
        if keep {
            before.sysctls.insert(SysctlKey::ip_forward(), 1);
        }
        assert_same(&world, &before, "down");
        let again = planner::down(&wanted, &world.observe_host(&wanted), &[], &found, keep).unwrap();
        prop_assert!(again.is_empty(), "{:#?}", again);
    }

    #[test]
    fn attachment_converges_from_partial_state(
        mode in any_mode(), ports in 0_u16..4, range_only in any::<bool>(), done in 0_usize..30,
        lost in prop::collection::vec(disturbance(), 0..4), ipv6 in any::<bool>(),
    ) {
        let mut wanted = attachment(mode, ports, if range_only { Routes::RangeOnly } else { Routes::Default });
        let mut model = Model::booted();
        bring_up(&mut model, &host(bridging_for(mode), &[receipt(&wanted)]));
        model.ruleset.as_mut().unwrap().elements.clear();
        if ipv6 {
            wanted = of_both_families(wanted, &mut model);
        }

        let fresh = planner::attach(&wanted, &model.observe_attachment(&wanted));
        assert_undo_is_identity(&model, &fresh);

        let mut part = model.clone();
        run(&mut part, &fresh.ops()[..done.min(fresh.steps.len())]);
        disturb(&mut part, &wanted, &lost);
        let rest = planner::attach(&wanted, &part.observe_attachment(&wanted));
        assert_undo_is_identity(&part, &rest);
        let mut repaired = part.clone();
        run(&mut repaired, &rest.ops());
        let again = planner::attach(&wanted, &repaired.observe_attachment(&wanted));
        prop_assert!(again.is_empty(), "{again:#?}");

        run(&mut repaired, &planner::detach(&wanted).ops());
        assert_same(&repaired, &model, "detached");
    }

    /// A container that was changed over equals a new one of that mode, even if parts of it were missing before.
    #[test]
    fn container_changes_mode_from_any_state(
        from in any_mode(), to in any_bridging(), ports in 0_u16..4, range_only in any::<bool>(),
        lost in prop::collection::vec(disturbance(), 0..4),
    ) {
        let routes = if range_only { Routes::RangeOnly } else { Routes::Default };
        let to = config(to).port_mode();
        let (before, wanted) = (attachment(from, ports, routes), attachment(to, ports, routes));
        let mut model = attached(&before);
        disturb(&mut model, &before, &lost);
        // `up` for the new configuration, while the container still has its old mode.
        let mid = host(bridging_for(to), &[receipt(&before)]);
        bring_up(&mut model, &mid);

        let plan = planner::attach(&wanted, &model.observe_attachment(&wanted));
        assert_undo_is_identity(&model, &plan);
        run(&mut model, &plan.ops());
        let again = planner::attach(&wanted, &model.observe_attachment(&wanted));
        prop_assert!(again.is_empty(), "{again:#?}");

        let after = host(bridging_for(to), &[receipt(&wanted)]);
        let last = planner::up(&after, &model.observe_host(&after), &[]).unwrap();
        assert_undo_is_identity(&model, &last);
        run(&mut model, &last.ops());
        let again = planner::up(&after, &model.observe_host(&after), &[]).unwrap();
        prop_assert!(again.is_empty(), "{again:#?}");
        let wanted = attached(&wanted);
        assert_same(&but_for_the_past(model), &but_for_the_past(wanted), "changed over");
    }
}

/// The model without leftovers of another mode that have no effect: the flag `noprefixroute` of addresses, routes to
/// ingress gateways that the default route covers, the bridge's settings if it has no ports, and otherwise
/// `route_localnet` of its ports.
fn but_for_the_past(mut model: Model) -> Model {
    model.container.links.values_mut().for_each(|link| link.noprefixroute.clear());
    facts()
        .ingress_gateways
        .into_iter()
        .for_each(|to| model.container.forget_routes_to(IpAddr::V4(to).into()));
    let bridged = model.arp_table;
    let of_the_past = |key: &str| {
        if bridged {
            key.contains("/fn") && key.ends_with("route_localnet")
        } else {
            key.contains("/flatnet-br0/")
        }
    };
    model.sysctls.retain(|key, _| !of_the_past(key.as_str()));
    model
}

/// A host with one container. In the mode `Isolated`, which only Flatnet 0.1.0 made, it looks as 0.1.0 made it.
fn attached(state: &AttachmentState) -> Model {
    let mut model = Model::booted();
    let host = host(bridging_for(state.mode), &[receipt(state)]);
    bring_up(&mut model, &host);
    run(&mut model, &planner::attach(state, &ObservedAttachment::default()).ops());
    if state.mode == PortMode::Isolated {
        model.unreachable.clear();
        let links = &mut model.host.links;
        links.get_mut(state.bridge.as_str()).unwrap().group = LinkGroup::default();
        let port = links.get_mut(state.host_link.as_str()).unwrap();
        (port.group, port.arp) = (LinkGroup::default(), true);
        model.sysctls.insert(SysctlKey::ipv6_conf(&state.host_link, "addr_gen_mode"), 0);
    }
    model
}

/// A change that a person or another program may make to an attachment.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Set(bool, fn() -> LinkAttribute),
    Isolated,
    HostRoutes,
    ContainerRoutes,
    ContainerAddress,
    Elements,
    Forwarding,
    RouteLocalnet,
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    let at_host = |attribute| Disturbance::Set(true, attribute);
    let in_container = |attribute| Disturbance::Set(false, attribute);
    let all: Vec<Disturbance> = vec![
        at_host(|| LinkAttribute::Down),
        at_host(|| LinkAttribute::NoMaster),
        at_host(|| LinkAttribute::Master("flatnet-br0".parse().unwrap())),
        at_host(|| LinkAttribute::Arp(true)),
        at_host(|| LinkAttribute::Arp(false)),
        at_host(|| LinkAttribute::Group(LinkGroup(7))),
        at_host(|| LinkAttribute::Ipv6Address(true)),
        at_host(|| LinkAttribute::Address(Mac::of_host_link(Ipv4Addr::LOCALHOST))),
        at_host(|| LinkAttribute::Mtu(576)),
        in_container(|| LinkAttribute::Down),
        in_container(|| LinkAttribute::Arp(true)),
        in_container(|| LinkAttribute::Arp(false)),
        in_container(|| LinkAttribute::Mtu(576)),
        Disturbance::Isolated,
        Disturbance::HostRoutes,
        Disturbance::ContainerRoutes,
        Disturbance::ContainerAddress,
        Disturbance::Elements,
        Disturbance::Forwarding,
        Disturbance::RouteLocalnet,
    ];
    prop::sample::select(all)
}

fn disturb(model: &mut Model, state: &AttachmentState, what: &[Disturbance]) {
    for what in what {
        if !model.host.links.contains_key(state.host_link.as_str()) {
            return;
        }
        disturb_once(model, state, *what);
    }
}

fn disturb_once(model: &mut Model, state: &AttachmentState, what: Disturbance) {
    let (host_link, if_name) = (&state.host_link, &state.id.if_name);
    match what {
        Disturbance::Set(at_host, attribute) => {
            let (place, dev) =
                if at_host { (Place::Host, host_link) } else { (Place::Netns(state.netns.clone()), if_name) };
            run(model, &[Op::LinkSet { place, dev: dev.clone(), attribute: attribute() }]);
        }
        Disturbance::Isolated => {
            let port = model.host.links.get_mut(host_link.as_str()).unwrap();
            port.port.isolated ^= !port.master.is_empty();
        }
        Disturbance::HostRoutes => model.host.forget_routes_of(host_link),
        Disturbance::ContainerRoutes => model.container.forget_routes_of(if_name),
        Disturbance::ContainerAddress => {
            let link = &model.container.links[if_name.as_str()];
            if let Some(&address) = link.addresses.first() {
                let (place, dev) = (Place::Netns(state.netns.clone()), if_name.clone());
                run(model, &[Op::AddrDel { place, dev, address }]);
            }
        }
        Disturbance::Elements => model.ruleset.iter_mut().for_each(|ruleset| ruleset.elements.clear()),
        Disturbance::Forwarding => model.fdb.clear(),
        Disturbance::RouteLocalnet => {
            model.sysctls.insert(SysctlKey::ipv4_conf(host_link, "route_localnet"), 0);
        }
    }
}

/// The previous holder's flows are deleted after the tables have the new holder; this step has no inverse.
#[test]
fn flows_are_ended_last() {
    let ended = FlowFilter::of_address(Ipv4Addr::new(10, 87, 1, 2));
    let wanted =
        AttachmentState { flows_to_end: ended.to_vec(), ..attachment(PortMode::Routed, 2, Routes::Default) };
    let plan = planner::attach(&wanted, &ObservedAttachment::default());
    let last = &plan.steps[plan.steps.len() - 2..];
    assert_eq!(last.iter().map(|step| step.op.clone()).collect::<Vec<_>>(), ended.map(Op::FlowsDel));
    assert_eq!(plan.undo().len(), plan.undo_of(|index| index < plan.steps.len() - 2).len());
}

#[test]
fn foreign_bridge_is_left_alone() {
    let wanted = host(Bridging::Routed, &[]);
    let mut model = Model::booted();
    bring_up(&mut model, &wanted);
    let bridge = model.host.links.get_mut(wanted.bridge.as_str()).unwrap();
    bridge.alias = "virbr".to_owned();
    for refused in [
        planner::up(&wanted, &model.observe_host(&wanted), &[]),
        planner::down(&wanted, &model.observe_host(&wanted), &[], &BTreeMap::new(), false),
    ] {
        let error = refused.unwrap_err();
        assert!(
            error.to_string().contains("flatnet-br0 does not belong to Flatnet (bridge, virbr"),
            "{error}"
        );
    }
    // The network was renamed, or two networks share a bridge: the bridge has another owner.
    let bridge = model.host.links.get_mut(wanted.bridge.as_str()).unwrap();
    bridge.alias = "flatnet/before".to_owned();
    let error = planner::up(&wanted, &model.observe_host(&wanted), &[]).unwrap_err().to_line();
    assert!(error.contains("`network: before` again") && !error.contains("link del"), "{error}");
}

/// A bridge has its owner in its alias, a table in its comment. A bridge of 0.1.0 has no owner and is taken over.
#[test]
fn another_flatnets_bridge_and_table_are_left_alone() {
    let (own, other) = (Owner::new("own", [1; 6]), Owner::new("other", [2; 6]));
    let config = config(Bridging::Routed);
    let host = |owner: Option<&Owner>| planner::desired_host(&config, &facts(), owner, &[]).unwrap();
    let (wanted, nobody) = (host(Some(&own)), host(None));
    let refused = |wanted: &HostState, model: &Model, table: Option<&Owner>| -> Vec<String> {
        let mut observed = model.observe_host(wanted);
        if let ObservedRuleset::Differs { owner, .. } = &mut observed.ruleset {
            *owner = table.cloned();
        }
        let down = planner::down(wanted, &observed, &[], &BTreeMap::new(), false);
        let repair = planner::repair(wanted, &observed, &[]);
        let plans = [planner::up(wanted, &observed, &[]), repair, down];
        plans.into_iter().filter_map(|plan| plan.err().map(|error| error.to_string())).collect()
    };
    let mut model = Model::booted();
    bring_up(&mut model, &host(Some(&other)));
    for who in [&wanted, &nobody] {
        let messages = refused(who, &model, Some(&other));
        assert_eq!(messages.len(), 3, "{messages:?}");
        for message in messages {
            assert!(message.contains("belongs to another Flatnet, other-020202020202"), "{message}");
        }
        // Only the table exists, as with another network of the same name whose bridge has another name.
        let mut table_only = model.clone();
        run(&mut table_only, &[Op::LinkDel { dev: wanted.bridge.clone() }]);
        let messages = refused(who, &table_only, Some(&other));
        assert!(
            messages.len() == 3 && messages[0].contains("the table inet flatnet belongs to"),
            "{messages:?}"
        );
    }
    assert_eq!(
        refused(
            &wanted,
            &{
                let mut own = Model::booted();
                bring_up(&mut own, &wanted);
                own
            },
            Some(&own)
        ),
        [""; 0]
    );

    let mut unmarked = Model::booted();
    bring_up(&mut unmarked, &nobody);
    bring_up(&mut unmarked, &wanted);
    let bridge = &unmarked.host.links[wanted.bridge.as_str()];
    assert_eq!(bridge.alias, LinkAlias::of_bridge(&config.network, Some(&own)).to_string());
}

#[test]
fn bridge_with_other_address_is_rejected_with_remedy() {
    let wanted = host(Bridging::Routed, &[]);
    let mut model = Model::booted();
    bring_up(&mut model, &wanted);
    let bridge = model.host.links.get_mut(wanted.bridge.as_str()).unwrap();
    bridge.addresses = vec!["192.168.7.1/24".parse().unwrap()];
    let error = planner::up(&wanted, &model.observe_host(&wanted), &[]).unwrap_err().to_string();
    assert!(error.contains("has the address 192.168.7.1/24, not 10.87.1.1/32"), "{error}");
}
