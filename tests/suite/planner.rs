//! Properties of the planner, on a model of the kernel: a plan that ran leaves nothing to do, and what undoes it,
//! or any part of it that ran before a failure, leads back to where it began.

use std::net::Ipv4Addr;

use flatnet::config::{Bridging, Config};
use flatnet::desired::{AttachmentState, HostFacts, HostState, Routes};
use flatnet::observe::attachment::ObservedAttachment;
use flatnet::observe::link::Link;
use flatnet::plan::{self, Op, Plan};
use flatnet::types::{AttachmentId, LinkGroup, Mac, PortMapping, PortMode, Protocol, SysctlKey};
use proptest::prelude::*;

use crate::model::Model;

fn config(bridging: Bridging) -> Config {
    Config { bridging, ..Config::default() }
}

fn facts() -> HostFacts {
    HostFacts {
        config_hash: String::new(),
        mtu: 1400,
        uplink: None,
        ingress_gateways: Vec::new(),
        gateway_links: Vec::new(),
        ipv6: true,
        fib: true,
        host_addresses: Vec::new(),
    }
}

fn host(bridging: Bridging) -> HostState {
    HostState::new(&config(bridging), &facts(), None, &[]).unwrap()
}

fn attachment(bridging: Bridging, ports: u16, routes: Routes) -> AttachmentState {
    let id = AttachmentId { container_id: "0123abcd".parse().unwrap(), if_name: "eth0".parse().unwrap() };
    let ports: Vec<PortMapping> = (0..ports)
        .map(|port| PortMapping {
            protocol: Protocol::Tcp,
            host_ip: (port % 2 == 1).then_some(Ipv4Addr::LOCALHOST),
            host_port: 8000 + port,
            container_port: 80,
        })
        .collect();
    let netns = "/run/netns/c".parse().unwrap();
    let address = Ipv4Addr::new(10, 87, 1, 2);
    AttachmentState::new(&config(bridging), &facts(), &id, &netns, address, None, &ports, routes)
}

fn run(model: &mut Model, ops: &[Op]) {
    for op in ops {
        model.apply(op).unwrap_or_else(|why| panic!("{op:?}: {why}"));
    }
}

fn bring_up(model: &mut Model, wanted: &HostState) {
    let plan = plan::up(wanted, &model.observe_host(wanted)).unwrap();
    run(model, &plan.ops());
}

/// Every prefix of `plan`, run on `model` and undone, leads back to `model`.
fn assert_undo_is_identity(model: &Model, plan: &Plan) {
    for done in 0..=plan.steps.len() {
        let mut world = model.clone();
        run(&mut world, &plan.ops()[..done]);
        let undo = plan.undo_of(|index| index < done);
        run(&mut world, &undo);
        assert_eq!(world, *model, "after undoing the first {done} steps");
    }
}

/// A host on which a part of `up` was done, and some of it is not as it should be.
fn disturbed_host() -> impl Strategy<Value = (Bridging, Model)> {
    let bridging = prop_oneof![Just(Bridging::Routed), Just(Bridging::Plain)];
    let disturbances = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0_u32..2);
    (bridging, 0_usize..20, disturbances).prop_map(|(bridging, done, disturbed)| {
        let (down, mtu, address, rules, mac, forward) = disturbed;
        let wanted = host(bridging);
        let mut model = Model::booted();
        let plan = plan::up(&wanted, &model.observe_host(&wanted)).unwrap();
        // At least up to the mark: the rest may be missing.
        let marked = plan.steps.iter().position(|step| matches!(step.op, Op::LinkSet { .. })).unwrap();
        let done = done.min(plan.steps.len());
        run(&mut model, &plan.ops()[..if done > 1 { done.max(marked + 1) } else { done }]);
        if let Some(bridge) = model.host.get_mut(wanted.bridge.as_str()) {
            bridge.up &= !down;
            bridge.mtu = if mtu { 1500 } else { bridge.mtu };
            if address {
                bridge.addresses.clear();
            }
            if mac {
                bridge.mac = Mac::of_host_link(Ipv4Addr::new(1, 2, 3, 4)).to_string();
            }
        }
        if rules && model.ruleset.is_some() {
            model.ruleset = Some("table inet flatnet { }\n".to_owned());
        }
        model.sysctls.insert(SysctlKey::ip_forward(), forward);
        (bridging, model)
    })
}

proptest! {
    #[test]
    fn up_converges_and_its_prefixes_can_be_undone((bridging, model) in disturbed_host()) {
        let wanted = host(bridging);
        let plan = plan::up(&wanted, &model.observe_host(&wanted)).unwrap();
        assert_undo_is_identity(&model, &plan);
        let mut world = model.clone();
        run(&mut world, &plan.ops());
        let again = plan::up(&wanted, &world.observe_host(&wanted)).unwrap();
        prop_assert!(again.is_empty(), "{again:#?}");
    }

    #[test]
    fn mend_converges_from_what_up_refuses_too_and_its_prefixes_can_be_undone(
        (bridging, mut model) in disturbed_host(), renamed in any::<bool>(), readdressed in any::<bool>(),
        second in any::<bool>(), lost in any::<bool>(),
    ) {
        let wanted = host(bridging);
        if let Some(bridge) = model.host.get_mut(wanted.bridge.as_str()).filter(|_| readdressed) {
            bridge.addresses = vec!["192.0.2.1/24".parse().unwrap()];
        }
        if let Some(bridge) = model.host.get(wanted.bridge.as_str()).cloned().filter(|_| renamed) {
            model.host.insert("lost0".to_owned(), Link { name: "lost0".to_owned(), ..bridge });
            if !second {
                model.host.remove(wanted.bridge.as_str());
            }
        }
        if lost && model.ruleset.as_ref() == Some(&wanted.ruleset) {
            let elements = attachment(bridging, 2, Routes::Default).elements().collect::<Vec<_>>();
            model.elements.extend(elements);
        }
        let strays: Vec<Link> = model.host.get("lost0").into_iter().cloned().collect();
        let plan = plan::mend(&wanted, &model.observe_host(&wanted), &strays).unwrap();
        // A link that was deleted, as the one of two bridges is, does not come back.
        if !(renamed && second) {
            assert_undo_is_identity(&model, &plan);
        }
        run(&mut model, &plan.ops());
        prop_assert!(!model.host.contains_key("lost0"));
        let again = plan::mend(&wanted, &model.observe_host(&wanted), &[]).unwrap();
        prop_assert!(again.is_empty(), "{again:#?}");
    }

    #[test]
    fn down_takes_back_what_up_made(plain in any::<bool>(), forward in 0_u32..2, keep in any::<bool>()) {
        let wanted = host(if plain { Bridging::Plain } else { Bridging::Routed });
        let mut before = Model::booted();
        before.sysctls.insert(SysctlKey::ip_forward(), forward);
        let mut world = before.clone();
        bring_up(&mut world, &wanted);
        let found = [(SysctlKey::ip_forward(), forward)].into();
        let down = plan::down(&wanted, &world.observe_host(&wanted), &found, keep).unwrap();
        run(&mut world, &down.ops());
        if keep {
            before.sysctls.insert(SysctlKey::ip_forward(), 1);
        }
        prop_assert_eq!(&world, &before);
        let again = plan::down(&wanted, &world.observe_host(&wanted), &found, keep).unwrap();
        prop_assert!(again.is_empty(), "{:#?}", again);
    }

    #[test]
    fn an_attachment_converges_from_any_part_of_it(
        plain in any::<bool>(), ports in 0_u16..4, range_only in any::<bool>(), done in 0_usize..24, lost in 0_usize..9,
        forwarding in 0_u32..2,
    ) {
        let bridging = if plain { Bridging::Plain } else { Bridging::Routed };
        let wanted = attachment(bridging, ports, if range_only { Routes::RangeOnly } else { Routes::Default });
        let mut model = Model::booted();
        model.sysctls.insert(SysctlKey::default_forwarding(), forwarding);
        let host = host(bridging);
        bring_up(&mut model, &host);

        let fresh = plan::attach(&wanted, &model.observe_attachment(&wanted));
        let told = fresh.ops().iter().any(|op| matches!(op, Op::Sysctl { key, .. } if *key == wanted.forwarding()));
        prop_assert_eq!(told, !plain && forwarding == 0);
        assert_undo_is_identity(&model, &fresh);

        let mut part = model.clone();
        run(&mut part, &fresh.ops()[..done.min(fresh.steps.len())]);
        disturb(&mut part, &wanted, lost);
        let rest = plan::attach(&wanted, &part.observe_attachment(&wanted));
        let mut repaired = part.clone();
        run(&mut repaired, &rest.ops());
        let again = plan::attach(&wanted, &repaired.observe_attachment(&wanted));
        prop_assert!(again.is_empty(), "{again:#?}");

        run(&mut repaired, &plan::detach(&wanted).ops());
        prop_assert_eq!(repaired, model);
    }
}

/// What is joined in one way is changed over to the other, and what a failure leaves of that is led back to the first.
#[test]
fn a_change_over_converges_and_what_fails_is_led_back() {
    for (from, to) in [
        (PortMode::Isolated, PortMode::Routed),
        (PortMode::Plain, PortMode::Routed),
        (PortMode::Routed, PortMode::Plain),
    ] {
        let joined = |mode| AttachmentState { mode, ..attachment(Bridging::Plain, 3, Routes::Default) };
        let (before, after) = (joined(from), joined(to));
        let mut model = Model::booted();
        bring_up(&mut model, &host(Bridging::Plain));
        let empty = model.clone();
        run(&mut model, &plan::attach(&before, &ObservedAttachment::default()).ops());

        let over = plan::attach(&after, &model.observe_attachment(&after));
        for done in 0..=over.steps.len() {
            let mut world = model.clone();
            run(&mut world, &over.ops()[..done]);
            run(&mut world, &over.undo_of(|index| index < done));
            // Flags and entries of a port went with the port.
            let rest = plan::attach(&before, &world.observe_attachment(&before));
            run(&mut world, &rest.ops());
            let again = plan::attach(&before, &world.observe_attachment(&before));
            assert!(again.is_empty(), "{from:?} to {to:?}, back from {done}: {again:#?}");
        }
        run(&mut model, &over.ops());
        let again = plan::attach(&after, &model.observe_attachment(&after));
        assert!(again.is_empty(), "{from:?} to {to:?}: {again:#?}");
        run(&mut model, &plan::detach(&after).ops());
        assert_eq!(model, empty, "{from:?} to {to:?}");
    }
}

/// Takes something away from an attachment, as a person or another program might.
fn disturb(model: &mut Model, wanted: &AttachmentState, what: usize) {
    let Some(link) = model.host.get_mut(wanted.host_link.as_str()) else { return };
    match what {
        0 => link.up = false,
        1 => model.leave_bridge(&wanted.host_link),
        2 => link.port.isolated = !link.port.isolated,
        3 => model.routes.clear(),
        4 => link.group = LinkGroup::default(),
        5 => link.arp = true,
        6 => drop(model.ipv6_addresses.insert(wanted.host_link.to_string())),
        7 => model.host_routes.clear(),
        _ => model.elements.clear(),
    }
}

#[test]
fn somebody_elses_bridge_is_left_alone() {
    let wanted = host(Bridging::Routed);
    let mut model = Model::booted();
    bring_up(&mut model, &wanted);
    let bridge = model.host.get_mut(wanted.bridge.as_str()).unwrap();
    bridge.alias = "virbr".to_owned();
    for refused in [
        plan::up(&wanted, &model.observe_host(&wanted)),
        plan::down(&wanted, &model.observe_host(&wanted), &std::collections::BTreeMap::new(), false),
    ] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("flatnet-br0 belongs to somebody else (bridge, virbr"), "{error}");
    }
}

#[test]
fn a_bridge_with_another_address_is_refused_with_the_remedy() {
    let wanted = host(Bridging::Routed);
    let mut model = Model::booted();
    bring_up(&mut model, &wanted);
    model.host.get_mut(wanted.bridge.as_str()).unwrap().addresses = vec!["192.168.7.1/24".parse().unwrap()];
    let error = plan::up(&wanted, &model.observe_host(&wanted)).unwrap_err().to_string();
    assert!(error.contains("has the address 192.168.7.1/24, not 10.87.1.1/32"), "{error}");
}
