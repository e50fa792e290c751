//! iproute2 of both Debians runs the steps of an attachment with both address families, and their undo. No runtime asks
//! for such an attachment yet. In most commands `ip` derives the family from the address; in the others the plan names
//! it.

use std::net::Ipv4Addr;

use flatnet::kernel::observe::attachment::ObservedAttachment;
use flatnet::kernel::planner;
use flatnet::kernel::render;
use flatnet::kernel::tools::Tools;
use flatnet::model::config::Config;
use flatnet::model::desired::{AttachmentState, HostFacts, Routes};
use flatnet::model::plan::Op;
use flatnet::model::types::AttachmentId;

use crate::sandbox::{Builder, Sandbox};

fn state() -> AttachmentState {
    let config = Config::default();
    let facts = HostFacts {
        mtu: 1500,
        ingress_gateways: vec![Ipv4Addr::new(192, 0, 2, 9)],
        ipv6: true,
        policy_routing: true,
        fib: true,
        ..HostFacts::default()
    };
    let id = AttachmentId { container_id: "c1".parse().unwrap(), if_name: "eth0".parse().unwrap() };
    let (netns, addresses) =
        ("/run/netns/c1".parse().unwrap(), config.addresses(Ipv4Addr::new(10, 87, 1, 2)));
    let state = AttachmentState::new(&config, &facts, &id, &netns, &addresses, None, &[], Routes::Default);
    let addresses: Vec<_> = addresses.nets().chain(["fd00::2/128".parse().unwrap()]).collect();
    AttachmentState {
        addresses: addresses.try_into().unwrap(),
        next_hops: vec!["10.87.1.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        routes_to: ["0.0.0.0/0", "10.87.0.0/16", "::/0"].map(|to| to.parse().unwrap()).to_vec(),
        answers_to: ["192.0.2.9", "fd01::9"].map(|to| to.parse().unwrap()).to_vec(),
        own_table: true,
        own_table6: true,
        ..state
    }
}

/// The `ip` commands of `ops`. Elements are left out: the sets of the ruleset are IPv4 only so far.
fn script(ops: Vec<Op>) -> String {
    let is_of_ip = |op: &Op| !matches!(op, Op::ElementAdd(_) | Op::ElementDel(_));
    let ops: Vec<Op> = ops.into_iter().filter(is_of_ip).collect();
    let commands = render::commands(&ops, &Tools::default());
    commands.iter().map(|one| format!("{}\n", one.command)).collect()
}

/// Routes and rules of both families, here and in the container.
fn found(sandbox: &Sandbox) -> String {
    let show = "for family in -4 -6; do ip $family route show table all; ip $family rule; \
        ip -n c1 $family route show table all; ip -n c1 $family rule; done; ip -br link";
    sandbox.sh(show).succeeds().stdout
}

fn tries(builder: Builder) {
    let sandbox = builder.start();
    sandbox.add_netns("c1");
    sandbox
        .sh("ip link add flatnet-br0 type bridge; ip addr add 10.87.1.1/32 dev flatnet-br0; \
            ip addr add fd00::1/128 dev flatnet-br0 nodad; ip link set flatnet-br0 addrgenmode none; \
            ip link set flatnet-br0 up")
        .succeeds();
    let before = found(&sandbox);
    let plan = planner::attach(&state(), &ObservedAttachment::default());
    sandbox.sh(&format!("set -e\n{}", script(plan.ops()))).succeeds();
    let inside = sandbox
        .sh("ip -n c1 -6 route show table all; ip -n c1 -6 rule; ip -6 route show fd00::2")
        .succeeds()
        .stdout;
    for line in [
        "default via fd00::1 dev eth0 table 173474050 proto 87",
        "default via fd00::1 dev eth0 proto 87 metric 4096",
        "fd01::9 via fd00::1 dev eth0 proto 87",
        "from fd00::2 lookup 173474050 proto 87",
        "fd00::2 dev fn",
    ] {
        assert!(inside.contains(line), "{line} is not in:\n{inside}");
    }
    sandbox.sh("ip netns exec c1 ping -6 -c 1 -W 5 fd00::1").succeeds();
    sandbox.sh(&format!("set -e\n{}", script(plan.undo_of(|_| true)))).succeeds();
    assert_eq!(found(&sandbox), before);
}

#[test]
fn debian_12() {
    tries(Sandbox::podman4());
}

#[test]
fn debian_13() {
    tries(Sandbox::trixie());
}
