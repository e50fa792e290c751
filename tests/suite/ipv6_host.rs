//! This host's own IPv6, which forwarding must not harm: a router's advertisements go on to count.

use serde_json::json;

use crate::ipv6::{advertise, with_fib, world6};
use crate::traffic::World;

const DEFAULT: &str = "ip -6 route show default";
const SETTINGS: &str = "grep . /proc/sys/net/ipv6/conf/{all,default,eth0,fo0}/{accept_ra,forwarding}";

/// Whether a new advertisement gives this host a new address.
fn is_believed(world: &World, prefix: &str) -> bool {
    advertise(world, Some(&format!("{prefix}::")));
    let look = "for i in {1..20}; do ip -6 addr show dev eth0 | grep -q";
    world.sandbox.sh(&format!("{look} ' {prefix}:' && exit; sleep 0.05; done; exit 1")).status == Some(0)
}

#[test]
fn own_default_route_stays_over_up_and_down() {
    let world = world6(&with_fib());
    let (route, settings) = (world.sh(DEFAULT), world.sh(SETTINGS));
    assert!(route.contains("proto ra"), "{route}");
    let same = |when: &str| {
        let now = world.sh(DEFAULT);
        assert!(now.contains("via fe80::1 dev eth0 proto ra"), "{when}: {now}");
    };
    world.sh("flatnet up");
    same("after up");
    assert!(is_believed(&world, "2001:db8:51"), "a renewed advertisement after up");
    // Another `up`, which finds all as it made it, and one by an ADD.
    world.sh("flatnet up");
    world.attach("c2", &json!([]));
    same("with a container");
    assert!(
        world.sh(SETTINGS).contains("eth0/accept_ra:2") && world.sh(SETTINGS).contains("default/accept_ra:2")
    );
    // A link that comes later.
    world.sh(
        "ip link add late type veth peer name other; grep -x 2 /proc/sys/net/ipv6/conf/late/accept_ra; ip link del late",
    );
    world.cni("DEL", "c2", &json!([])).succeeds();
    world.sh("flatnet down");
    same("after down");
    assert_eq!(world.sh(SETTINGS), settings);
    assert!(is_believed(&world, "2001:db8:52"), "a renewed advertisement after down");
}

/// The control of the test above: what forwarding does without `accept_ra=2`.
#[test]
fn forwarding_alone_would_remove_the_default_route() {
    let world = world6(&with_fib());
    assert!(is_believed(&world, "2001:db8:50"), "as long as it does not forward");
    world.sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
    assert_eq!(world.sh(DEFAULT), "");
    assert!(!is_believed(&world, "2001:db8:51"));
}

/// A router, or a host whose `accept_ra` is 0 or 2, stays as it is.
#[test]
fn settings_that_need_no_change_stay() {
    let world = world6(&with_fib());
    world.sh("sysctl -qw net.ipv6.conf.fo0.accept_ra=0 net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.all.forwarding=1");
    let settings = world.sh(SETTINGS);
    world.sh("flatnet up");
    assert_eq!(world.sh(SETTINGS), settings);
    world.sh("flatnet down");
    assert_eq!(world.sh(SETTINGS), settings);
}

/// After a reboot no setting of before is left, and `up` makes them again in the same order.
#[test]
fn bridge_that_was_down_is_repaired() {
    let world = world6(&with_fib());
    world.attach("c2", &json!([]));
    let ping = "ip netns exec c2 ping -nqc1 -W2 fd0a:57f1:a7e0:1::1";
    world.sh(ping);
    world.sh("ip link set flatnet-br0 down; ip link set flatnet-br0 up");
    let port = world.port_of("c2");
    world.sh(&format!("ip link set {port} down; ip link set {port} up"));
    world.sandbox.sh(ping).fails();
    world.sh("flatnet repair");
    world.sandbox.eventually(ping).succeeds();
    world.sh("flatnet repair --dry-run | grep '^Nothing to do'");
}

/// Where IPv6 is off in the kernel, or on this host, nothing of it is made and IPv4 works as ever.
#[test]
fn host_without_ipv6_works() {
    for off in [
        "mkdir /empty; mount --bind /empty /proc/sys/net/ipv6",
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
    ] {
        let world = World::new(crate::sandbox::Sandbox::podman4(), &with_fib());
        world.sh(off);
        world.attach("c2", &json!([]));
        world.attach("c3", &json!([]));
        world.sh("ip netns exec c2 ping -nqc1 -W2 10.87.1.3");
        world.sh("flatnet repair --dry-run | grep '^Nothing to do'");
        let rules = world.sh("nft list table inet flatnet");
        assert!(
            rules.contains("IPv6 from containers is not supported") && !rules.contains("bindings6"),
            "{off}"
        );
        world.sh("flatnet down --force");
    }
}

/// `ipv6: off` again: nothing passes any more, and nothing is left but what running containers have.
#[test]
fn ipv6_is_switched_off_again() {
    let world = world6(&with_fib());
    world.attach("c2", &json!([]));
    world.configure("");
    world.sh("flatnet up");
    assert_eq!(world.sh("ip -6 addr show dev flatnet-br0; ip -6 route show type unreachable proto 87"), "");
    world.sandbox.sh("ip netns exec c2 ping -nqc1 -W1 fd0a:57f1:a7e0:1::1").fails();
    world.sh("flatnet repair --dry-run | grep '^Nothing to do'; ping -nqc1 -W2 10.87.1.2");
    world.cni("DEL", "c2", &json!([])).succeeds();
    world.attach("c2", &json!([]));
    assert!(!world.sh("flatnet ps").contains("fd0a"));
    world.sh("flatnet down --force; grep -x 0 /proc/sys/net/ipv6/conf/all/forwarding; grep -x 1 /proc/sys/net/ipv6/conf/eth0/accept_ra");
    world.sh("ip -6 route show default | grep 'proto ra'");
}
