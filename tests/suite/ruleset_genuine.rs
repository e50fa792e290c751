//! Spoofing: a container cannot impersonate another one, neither to this host nor, if routed, to its neighbours.
//!
//! Each test ends by removing the guard and repeating the attack. It then succeeds, so the guard had stopped it.

use serde_json::json;

use crate::frames::{
    self, BROADCAST, NOBODY, REPLY, REQUEST, arp, is_arp_reply_to, is_from, is_ping_to, is_redirect, is_udp,
    mac, redirect, udp,
};
use crate::sandbox::Sandbox;
use crate::traffic::World;

const BRIDGE: &str = "10.87.1.1";
/// The victim.
const C2: &str = "10.87.1.2";
/// The attacker.
const C3: &str = "10.87.1.3";
/// The peer of both.
const C4: &str = "10.87.1.4";

fn world(bridging: &str) -> World {
    let world = World::new(Sandbox::podman4(), &format!("bridging: {bridging}\n"));
    for (name, address) in [("c2", C2), ("c3", C3), ("c4", C4)] {
        assert_eq!(world.attach(name, &json!([])), address);
    }
    // By default the kernel ignores changes of a neighbour entry for a second after the last update.
    world.sh("for link in flatnet-br0 $(ip -br link | grep -o '^fn[^@]*'); do sysctl -qw net/ipv4/neigh/$link/locktime=0; done");
    world.sh("ping -nqc1 -W2 10.87.1.2; ip netns exec c3 ping -nqc1 -W2 10.87.1.4; ip netns exec c2 ping -nqc1 -W2 10.87.1.1");
    world
}

fn is_poisoned(world: &World) -> bool {
    let known = world.sh("ip neigh show 10.87.1.2 dev flatnet-br0");
    assert!(known.contains("lladdr"), "this host knows no MAC for {C2}: {known}");
    !known.contains("02:f1:0a:57:01:02")
}

/// A routed link uses no ARP, so false ARP packets have no effect: this host sends no requests and no replies.
#[test]
fn routed_links_use_no_arp() {
    let world = world("routed");
    let (liar, port) = (mac(C3), world.port_of("c3"));
    let claims = ["10.87.1.99", C2, "192.168.50.66"];
    let lies = |to| {
        let claim = |address| arp(to, liar, REQUEST, (liar, address), (NOBODY, BRIDGE));
        claims.map(|address| ("c3", claim(address)))
    };
    let all = [lies(BROADCAST), lies(liar)].concat();
    let learnt = || world.sh(&format!("ip neigh show dev {port} | grep -v NOARP || true"));
    let rp_filter = "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done";
    let heard = world.wire(&["c3"], &all, rp_filter).remove(0);
    assert!(!claims.iter().any(|claim| heard.iter().any(|frame| is_arp_reply_to(frame, claim))));
    assert_eq!(learnt(), "");
    assert_eq!(world.sh("ip -n c2 neigh; ip -n c3 neigh"), "", "containers send no ARP requests either");
    // Containers and this host still reach one another.
    world.sh("ip netns exec c3 ping -nqc1 -W2 10.87.1.1; ip netns exec c3 ping -nqc1 -W2 10.87.1.2");

    world.sh(&format!("ip link set dev {port} arp on"));
    let heard = world.wire(&["c3"], &all, "").remove(0);
    assert!(heard.iter().any(|frame| is_arp_reply_to(frame, "10.87.1.99")), "this test proves nothing");
    assert_ne!(learnt(), "", "with ARP it should have succeeded: this test proves nothing");
}

#[test]
fn plain_containers_cannot_poison_host_arp() {
    let bridging = "plain";
    let world = world(bridging);
    let (bridge, victim, liar) = (mac(BRIDGE), mac(C2), mac(C3));
    let gratuitous = arp(BROADCAST, liar, REPLY, (liar, C2), (BROADCAST, C2));
    let lies = [
        ("a gratuitous reply", gratuitous.clone()),
        ("a gratuitous request", arp(BROADCAST, liar, REQUEST, (liar, C2), (NOBODY, C2))),
        ("a reply to the host", arp(bridge, liar, REPLY, (liar, C2), (bridge, BRIDGE))),
        ("a request for the host", arp(BROADCAST, liar, REQUEST, (liar, C2), (NOBODY, BRIDGE))),
        (
            "the victim's frame, the liar's claim",
            arp(BROADCAST, victim, REQUEST, (liar, C2), (NOBODY, BRIDGE)),
        ),
    ];
    for (way, lie) in lies {
        world.wire(&[], &[("c3", lie.clone()), ("c3", lie)], "");
        assert!(!is_poisoned(&world), "{bridging}: {way} poisoned this host");
    }
    // The frame and its address are C3's own, but the claimed MAC is not: this host would send C3's packets to C4.
    let inner_lie = arp(BROADCAST, liar, REQUEST, (mac(C4), C3), (NOBODY, BRIDGE));
    world.wire(&[], &[("c3", inner_lie)], "");
    let known = world.sh("ip neigh show 10.87.1.3 dev flatnet-br0");
    assert!(!known.contains("02:f1:0a:57:01:04"), "{known}");
    // An unassigned address, and 0.0.0.0 as in an ARP probe.
    let unbound = arp(BROADCAST, liar, REQUEST, (liar, "10.87.1.99"), (NOBODY, BRIDGE));
    let dad = arp(BROADCAST, liar, REQUEST, (liar, "0.0.0.0"), (NOBODY, BRIDGE));
    let heard = world.wire(&["c3"], &[("c3", unbound), ("c3", dad)], "");
    assert_eq!(world.sh("ip neigh show 10.87.1.99 dev flatnet-br0"), "");
    for claimed in ["10.87.1.99", "0.0.0.0"] {
        assert!(
            !heard[0].iter().any(|frame| is_arp_reply_to(frame, claimed)),
            "this host answered {claimed}"
        );
    }
    assert!(world.counted("MAC and IP address do not match") > 0);
    assert!(world.counted("wrong addresses inside") > 0);
    world.sh("ip netns exec c3 ping -nqc1 -W2 10.87.1.1");

    world.sh("nft delete table arp flatnet");
    // Sent several times, because the victim may be sending a genuine ARP request to the host at that moment.
    let poisoned = (0..5).any(|_| {
        world.wire(&[], &[("c3", gratuitous.clone())], "");
        is_poisoned(&world)
    });
    assert!(poisoned, "without the guard it should have succeeded: this test proves nothing");
}

#[test]
fn routed_neighbours_cannot_be_deceived() {
    neighbours_hear("routed", false);
}

/// Plain bridging does not protect neighbours from each other.
#[test]
fn plain_neighbours_can_be_deceived() {
    neighbours_hear("plain", true);
}

fn neighbours_hear(bridging: &str, heard: bool) {
    let world = world(bridging);
    world.bridge_nf_call(0);
    world.sh("ip netns exec c2 sysctl -qw net/ipv4/neigh/eth0/locktime=0");
    let (victim, liar) = (mac(C2), mac(C3));
    // Routed: there are no ARP requests. Plain: only the neighbour replies.
    world.sh("ip -n c3 neigh flush all; ip netns exec c3 ping -nqc1 -W2 10.87.1.2");
    let answered = world.sh("ip -n c3 neigh show 10.87.1.2");
    assert_eq!(answered.contains("02:f1:0a:57:01:02"), heard, "{bridging}: {answered}");
    let lie = arp(victim, liar, REPLY, (liar, BRIDGE), (victim, C2));
    // Sent several times, because the victim may be asking the genuine next hop at that moment.
    let believed = (0..3).any(|_| {
        world.wire(&[], &[("c3", lie.clone())], "");
        world.sh("ip -n c2 neigh show 10.87.1.1").contains("02:f1:0a:57:01:03")
    });
    assert_eq!(believed, heard, "{bridging}: C2 takes C3 for the gateway");
    let frames = [
        lie,
        arp(BROADCAST, liar, REPLY, (liar, BRIDGE), (BROADCAST, BRIDGE)),
        udp(victim, liar, C3, C2, (5, 80)),
        udp(BROADCAST, liar, "0.0.0.0", "255.255.255.255", (68, 67)),
        frames::router_advertisement(liar),
    ];
    for (index, frame) in frames.into_iter().enumerate() {
        let at_c2 = world.wire(&["c2"], &[("c3", frame)], "").remove(0);
        assert_eq!(at_c2.iter().any(|frame| is_from(frame, liar)), heard, "{bridging}, frame {index}");
    }
}

#[test]
fn spoofed_packets_are_dropped_when_routed() {
    let world = world("routed");
    let (liar, victim) = (mac(C3), mac(C2));
    let at_c4 = |frame: Vec<u8>| {
        world.wire(&["c4"], &[("c3", frame)], "").remove(0).iter().filter(|frame| is_udp(frame)).count()
    };
    world.sh("for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done");
    // The link identifies the sender, whatever the frame's source MAC. Frames are sent to the link's own MAC, which
    // both ends of the pair have.
    let spoofed = [C2, "10.87.1.99", "198.51.100.9", "192.168.50.1", "0.0.0.0"];
    for source in [liar, victim, [2, 0, 0, 0, 0, 9]] {
        assert_eq!(at_c4(udp(liar, source, C3, C4, (5, 80))), 1, "an honest packet");
        for from in spoofed {
            assert_eq!(at_c4(udp(liar, source, from, C4, (5, 80))), 0, "{from}");
        }
    }
    let heard = world.wire(
        &["c2", "c3"],
        &[("c3", udp(liar, victim, C2, C4, (5, 80)))],
        "ping -nqc2 -i0.2 -W1 10.87.1.2",
    );
    assert!(heard[0].iter().any(|frame| is_ping_to(frame, C2)), "C2 gets its packets");
    assert!(!heard[1].iter().any(|frame| is_ping_to(frame, C2)), "C3 gets C2's packets");
    let before = world.counted("spoofed source address");
    world.wire(&[], &[("c3", udp(BROADCAST, liar, "0.0.0.0", "255.255.255.255", (68, 67)))], "");
    assert!(world.counted("spoofed source address") > before, "DHCP");

    world.sh("nft flush chain inet flatnet is_the_sender_genuine");
    for from in [C2, "10.87.1.99"] {
        assert_eq!(
            at_c4(udp(liar, liar, from, C4, (5, 80))),
            1,
            "without the rules it should have succeeded: {from}"
        );
    }
}

#[test]
fn spoofed_packets_are_dropped_when_plain() {
    let bridging = "plain";
    let world = world(bridging);
    let (bridge, victim, liar) = (mac(BRIDGE), mac(C2), mac(C3));
    // All frames are sent to this host, which routes them to C4.
    let at_c4 = |frame: Vec<u8>| {
        world.wire(&["c4"], &[("c3", frame)], "").remove(0).iter().filter(|frame| is_udp(frame)).count()
    };
    let both = udp(bridge, victim, C2, C4, (5, 80));
    for bridge_nf_call in [1, 0] {
        world.bridge_nf_call(bridge_nf_call);
        let bridging = format!("{bridging}, bridge-nf-call-iptables {bridge_nf_call}");
        assert_eq!(at_c4(udp(bridge, liar, C3, C4, (5, 80))), 1, "{bridging}: an honest packet");
        assert_eq!(at_c4(udp(bridge, liar, C2, C4, (5, 80))), 0, "{bridging}: another's address");
        assert_eq!(at_c4(udp(bridge, liar, "10.87.1.99", C4, (5, 80))), 0, "{bridging}: unassigned address");
        assert_eq!(at_c4(udp(bridge, liar, "198.51.100.9", C4, (5, 80))), 0, "{bridging}: a foreign address");
        assert_eq!(at_c4(udp(bridge, victim, C3, C4, (5, 80))), 0, "{bridging}: another's MAC");
        assert_eq!(at_c4(udp(bridge, [2, 0, 0, 0, 0, 9], C3, C4, (5, 80))), 0, "{bridging}: unassigned MAC");
        assert_eq!(at_c4(both.clone()), 0, "{bridging}: another's MAC and address");

        // The bridge does not send the victim's packets to the attacker either; LLDP frames are learned separately.
        let lldp = [&[0x01, 0x80, 0xc2, 0, 0, 0x0e][..], &victim, &[0x88, 0xcc], &[0; 46]].concat();
        let heard = world.wire(
            &["c2", "c3"],
            &[("c3", both.clone()), ("c3", lldp)],
            "ping -nqc2 -i0.2 -W1 10.87.1.2",
        );
        assert!(heard[0].iter().any(|frame| is_ping_to(frame, C2)), "{bridging}: C2 gets its packets");
        assert!(!heard[1].iter().any(|frame| is_ping_to(frame, C2)), "{bridging}: C3 gets C2's packets");

        let before = world.counted("spoofed source address");
        world.wire(&[], &[("c3", udp(BROADCAST, liar, "0.0.0.0", "255.255.255.255", (68, 67)))], "");
        assert!(world.counted("spoofed source address") > before, "{bridging}: DHCP");
    }

    // Only the bridge can guard MAC and address together: no rule can tell one port from another.
    world.sh(&format!("ip link set dev {} type bridge_slave locked off", world.port_of("c3")));
    assert_eq!(at_c4(both), 1, "without the port's lock it should have succeeded: this test proves nothing");
    world.sh("nft delete table inet flatnet; sysctl -qw net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/flatnet-br0/rp_filter=0");
    assert_eq!(at_c4(udp(bridge, liar, C2, C4, (5, 80))), 1, "without the rules it should have succeeded");
}

#[test]
fn icmp_redirects_are_dropped_both_ways() {
    // This host redirects a container only to a neighbour on the same link, which requires a bridge, and only if the
    // container's route leads through this host.
    let world = world("plain");
    world.sh("ip -n c2 route add 10.87.1.3/32 via 10.87.1.1");
    // The kernel sends redirects if either `all` or the bridge's setting is 1, so the bridge's 0 alone has no effect.
    world.sh("sysctl -qw net/ipv4/conf/all/send_redirects=1");
    let pings = "ip netns exec c2 ping -nqc3 -i0.2 -W1 10.87.1.3";
    let redirects =
        || world.wire(&["c2"], &[], pings).remove(0).iter().filter(|frame| is_redirect(frame)).count();
    assert_eq!(redirects(), 0);
    assert!(world.counted("this host must not redirect containers") > 0);

    world.wire(&[], &[("c3", redirect(mac(BRIDGE), mac(C3), C3, BRIDGE, C4))], "");
    assert_eq!(world.counted("containers are not routers"), 1);

    world.sh("nft delete table inet flatnet");
    assert_ne!(redirects(), 0, "without the rule it should have sent some: this test proves nothing");
}

#[test]
fn no_ipv6_from_containers_when_routed() {
    let world = world("routed");
    let link = world.port_of("c2");
    no_ipv6_from_containers(&world, &link);
}

#[test]
fn no_ipv6_from_containers_when_plain() {
    no_ipv6_from_containers(&world("plain"), "flatnet-br0");
}

/// `link` is the link by which packets of the container c2 arrive.
fn no_ipv6_from_containers(world: &World, link: &str) {
    for own in ["flatnet-br0", &world.port_of("c2"), &world.port_of("c3")] {
        assert_eq!(world.sh(&format!("ip -6 -o addr show dev {own}")), "", "no IPv6 at all");
    }
    // IPv6 is switched on, this host is an IPv6 router, and all neighbours and routes are known: then only the rules
    // are left.
    let (port, next_hop) = (world.port_of("c3"), world.next_hop("c2"));
    world.sh(&format!(
        "for link in {link} {port}; do
            echo 0 >/proc/sys/net/ipv6/conf/$link/accept_dad; echo 2 >/proc/sys/net/ipv6/conf/$link/accept_ra
            echo 0 >/proc/sys/net/ipv6/conf/$link/disable_ipv6
         done
         ip addr add fe80::1/64 dev {link} nodad
         ip -n c2 addr add fe80::2/64 dev eth0 nodad
         sysctl -qw net/ipv6/conf/all/forwarding=1
         ip addr add fd00:1::1/64 dev {link} nodad; ip addr add fd00:2::1/64 dev eth0 nodad
         ip -n c2 addr add fd00:1::2/64 dev eth0 nodad; ip -n c2 route add default via fd00:1::1
         ip -n stranger addr add fd00:2::66/64 dev eth0 nodad; ip -n stranger route add fd00:1::/64 via fd00:2::1
         ip neigh replace fd00:1::2 lladdr 02:f1:0a:57:01:02 dev {link}
         ip -n c2 neigh replace fd00:1::1 lladdr {} dev eth0",
        next_hop.map(|byte| format!("{byte:02x}")).join(":"),
    ));
    let ping = "ip netns exec c2 ping -6 -nqc1 -W1 fe80::1%eth0";
    let ping_through = "ip netns exec c2 ping -6 -nqc1 -W1 fd00:2::66";
    world.sandbox.sh(ping).fails();
    world.sandbox.sh(ping_through).fails();
    world.wire(&[], &[("c3", frames::router_advertisement(mac(C3)))], "");
    assert_eq!(world.sh("ip -6 route show default"), "");
    assert!(world.counted("IPv6 from containers is not supported") >= 2);

    world.sh("nft delete table inet flatnet");
    world.sandbox.eventually(ping);
    world.sandbox.eventually(ping_through);
    world.wire(&[], &[("c3", frames::router_advertisement(mac(C3)))], "");
    assert_ne!(world.sh("ip -6 route show default"), "", "without the rule it should have been believed");
}
