//! Attacks by IPv6, many at a time. Each test ends with its control: without the rule all attacks arrive.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::frames::{Mac, mac};
use crate::guard::token;
use crate::ipv6::{BRIDGE6, C2_6, C3_6, C4_6, HOST_LAN6, INET6, STRANGER6, with_fib, without_fib, world6};
use crate::ipv6_frames::{
    ADVERTISE, ADVERTISE_ROUTER, DESTINATION, ECHO, Ends6, FRAGMENT, HOP_BY_HOP, ICMP6, REDIRECT, ROUTING,
    SOLICIT, SOLICIT_ROUTER, TCP, TOO_BIG, UDP, fragment, frame6, ip6, padding, routing,
};
use crate::traffic::{HOST, World, to_hex};

const NOBODY6: &str = "fd0a:57f1:a7e0:1::63";

/// A named frame of the container c3, or of `from`.
struct Attack {
    what: String,
    from: &'static str,
    frames: Vec<Vec<u8>>,
}

/// A world with the containers c2, c3 and c4.
fn guarded(yaml: &str) -> World {
    let world = world6(yaml);
    for name in ["c2", "c3", "c4"] {
        world.attach(name, &json!([]));
    }
    world
}

fn by_c3(what: impl Into<String>, packets: impl FnOnce(&[u8]) -> Vec<Vec<u8>>) -> Attack {
    let (what, me) = (what.into(), mac("10.87.1.3"));
    let frames = packets(&token(&what)).iter().map(|packet| frame6(me, me, packet)).collect();
    Attack { what, from: "c3", frames }
}

/// The names of the attacks that reach a raw socket of their protocol in one of these namespaces.
fn strike(world: &World, ears: &[(&str, u8)], attacks: &[Attack]) -> BTreeSet<String> {
    let frames: Vec<Value> = attacks
        .iter()
        .flat_map(|attack| attack.frames.iter().map(|frame| json!([attack.from, "eth0", to_hex(frame)])))
        .collect();
    let heard = world.traffic("strike", &json!({"ears": [], "ears6": ears, "frames": frames}));
    let heard: Vec<String> = serde_json::from_value(heard).unwrap_or_default();
    let arrived = |attack: &&Attack| {
        let token = to_hex(&token(&attack.what));
        heard.iter().any(|packet| packet.contains(&token))
    };
    attacks.iter().filter(arrived).map(|attack| attack.what.clone()).collect()
}

fn all(attacks: &[Attack]) -> BTreeSet<String> {
    attacks.iter().map(|attack| attack.what.clone()).collect()
}

fn packets(from: &str, dest: &str, content: &[u8]) -> [Vec<u8>; 3] {
    let ends = Ends6(from, dest);
    [
        ends.packet(UDP, &ends.udp((5, 9), content)),
        ends.packet(TCP, &ends.syn((5, 9), content)),
        ends.packet(ICMP6, &ends.icmp(ECHO, &[&[0, 5, 0, 1][..], content].concat())),
    ]
}

const EARS: [(&str, u8); 6] =
    [(HOST, UDP), (HOST, TCP), (HOST, ICMP6), ("c4", UDP), ("c4", TCP), ("c4", ICMP6)];

/// Another's source address: a container's, this host's, one of the LAN and of the internet, link-local, none, and one of IPv4.
#[test]
fn source_addresses_cannot_be_forged() {
    for yaml in [without_fib(), with_fib()] {
        let world = guarded(&yaml);
        let sources = [
            C2_6,
            C4_6,
            NOBODY6,
            BRIDGE6,
            HOST_LAN6,
            STRANGER6,
            INET6,
            "fe80::3",
            "::1",
            "fd0a:57f1:a7e0:2::3",
        ];
        let mut attacks = Vec::new();
        for (kind, name) in ["UDP", "TCP", "ping"].iter().enumerate() {
            for from in sources {
                for dest in [BRIDGE6, HOST_LAN6, C4_6] {
                    attacks.push(by_c3(format!("{name} {from} to {dest}"), |content| {
                        vec![packets(from, dest, content)[kind].clone()]
                    }));
                }
            }
        }
        let honest: Vec<Attack> = [C4_6]
            .map(|dest| by_c3(format!("honest to {dest}"), |content| packets(C3_6, dest, content).to_vec()))
            .into();
        assert_eq!(strike(&world, &EARS, &attacks), BTreeSet::new(), "{yaml}");
        assert_eq!(strike(&world, &EARS, &honest), all(&honest), "{yaml}");
        assert!(world.counted("spoofed IPv6 source address") > 0);

        world.without(&[
            "is_the_sender_genuine",
            "what_may_reach_this_host",
            "may_others_bear_this",
            "who_may_come_in",
        ]);
        // The kernel itself drops packets from its own addresses, link-local ones to other links, and loopback.
        let of_kernel = |name: &String| {
            [BRIDGE6, HOST_LAN6, "fe80::3", "::1"].iter().any(|own| name.contains(&format!(" {own} to ")))
        };
        let mut expected = all(&attacks);
        expected.retain(|name| !of_kernel(name));
        let heard = strike(&world, &EARS, &attacks);
        let lost: Vec<_> = expected.difference(&heard).collect();
        assert!(lost.is_empty(), "without the rules these should have arrived: {lost:#?}");
    }
}

/// Extension headers and fragments before the content, destinations that are not for links, and closed services.
#[test]
fn closed_services_stay_closed_behind_extension_headers() {
    let world = guarded(&without_fib());
    world.sh("ip addr add fe80::1/64 dev flatnet-br0 nodad");
    let wrap = |dest: &str, content: &[u8]| {
        let ends = Ends6(C3_6, dest);
        let udp = ends.udp((5, 9), content);
        let syn = ends.syn((5, 9), content);
        let (head, tail) = udp.split_at(8);
        vec![
            ("plain", vec![ends.packet(UDP, &udp)]),
            ("hop by hop", vec![ends.packet(HOP_BY_HOP, &[padding(UDP), udp.clone()].concat())]),
            ("destination options", vec![ends.packet(DESTINATION, &[padding(TCP), syn.clone()].concat())]),
            (
                "many",
                vec![ends.packet(
                    DESTINATION,
                    &[padding(DESTINATION), padding(DESTINATION), padding(UDP), udp.clone()].concat(),
                )],
            ),
            (
                "one fragment",
                vec![ends.packet(FRAGMENT, &[fragment(UDP, 0, false, 1), udp.clone()].concat())],
            ),
            (
                "two fragments",
                vec![
                    ends.packet(FRAGMENT, &[&fragment(UDP, 0, true, 2)[..], head].concat()),
                    ends.packet(FRAGMENT, &[&fragment(UDP, 8, false, 2)[..], tail].concat()),
                ],
            ),
        ]
    };
    let mut attacks = Vec::new();
    for dest in [BRIDGE6, HOST_LAN6] {
        for number in 0..6 {
            let name = wrap(dest, b"").swap_remove(number).0;
            attacks.push(by_c3(format!("{name} to {dest}"), |content| {
                wrap(dest, content).swap_remove(number).1
            }));
        }
    }
    // To addresses that are valid on no link between a container and this host.
    let never: Vec<Attack> = ["fe80::1", "ff02::1", "ff02::16"]
        .map(|dest| by_c3(format!("to {dest}"), |content| vec![packets(C3_6, dest, content)[0].clone()]))
        .into();
    let ears = [(HOST, UDP), (HOST, TCP)];
    assert_eq!(strike(&world, &ears, &attacks), BTreeSet::new());
    assert_eq!(strike(&world, &ears, &never), BTreeSet::new());
    assert!(world.counted("never valid between a container and this host") >= 3);

    world.without(&["what_may_reach_this_host"]);
    assert_eq!(strike(&world, &ears, &attacks), all(&attacks), "without the rules all should have arrived");
    assert_eq!(strike(&world, &ears, &never), BTreeSet::new());
    world.without(&["is_the_sender_genuine"]);
    let heard = strike(&world, &ears, &never);
    assert!(heard.contains("to ff02::1"), "without the rule it should have arrived: {heard:?}");
}

/// A routing header of type 0 is never followed, and no container's packet has one.
#[test]
fn routing_header_is_dropped() {
    let world = guarded(&without_fib());
    let ends = Ends6(C3_6, C4_6);
    let source_routed = by_c3("routed", |content| {
        vec![ends.packet(ROUTING, &[&routing(UDP, C2_6)[..], &ends.udp((5, 9), content)].concat())]
    });
    world.sh("ip netns exec c4 sysctl -qw net.ipv6.conf.all.accept_source_route=1 net.ipv6.conf.eth0.accept_source_route=1");
    assert_eq!(strike(&world, &[("c4", UDP), ("c2", UDP)], &[source_routed]), BTreeSet::new());
    assert_eq!(world.counted("a routing header would choose the packet's way"), 1);
}

/// Neighbour discovery, advertisements of routers, redirects: this host learns nothing, on any of its links.
#[test]
fn nothing_of_neighbour_discovery_is_believed() {
    let world = guarded(&without_fib());
    let (me, port) = (mac("10.87.1.3"), world.port_of("c3"));
    // A link-local address and ARP on the port, and settings by which it would believe a router.
    let open = format!(
        "ip link set {port} arp on; ip addr add fe80::1/64 dev {port} nodad; ip addr add fd0a:57f1:a7e0:1::1/64 dev {port} nodad
         sysctl -qw net.ipv6.conf.{port}.accept_ra=2 net.ipv6.conf.{port}.accept_redirects=1 net.ipv6.conf.{port}.accept_dad=0"
    );
    world.sh(&open);
    let option = |kind: u8, mac: Mac| [&[kind, 1][..], &mac].concat();
    let frames = |source: &str| -> Vec<Vec<u8>> {
        let message = |dest: &str, kind: u8, rest: &[u8]| {
            let ends = Ends6(source, dest);
            frame6(me, me, &ends.packet(ICMP6, &ends.icmp(kind, rest)))
        };
        let about = |target: &str| ip6(target).octets().to_vec();
        let claim = |target: &str| [&[0x20, 0, 0, 0][..], &about(target), &option(2, me)].concat();
        let ask = |target: &str| [&[0, 0, 0, 0][..], &about(target), &option(1, me)].concat();
        let router = [&[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &option(1, me)].concat();
        let redirect = [&[0, 0, 0, 0][..], &about("fe80::3"), &about(STRANGER6)].concat();
        vec![
            message("fe80::1", SOLICIT, &ask("fe80::1")),
            message(BRIDGE6, SOLICIT, &ask(BRIDGE6)),
            message(BRIDGE6, ADVERTISE, &claim(C2_6)),
            message("ff02::1", ADVERTISE, &claim(C2_6)),
            message("ff02::1", ADVERTISE_ROUTER, &router),
            message("ff02::2", SOLICIT_ROUTER, &[&[0; 4][..], &option(1, me)].concat()),
            message("fe80::1", REDIRECT, &redirect),
        ]
    };
    let fragments = |source: &str| -> Vec<Vec<u8>> {
        let ends = Ends6(source, BRIDGE6);
        let rest = [&[0, 0, 0, 0][..], &ip6(BRIDGE6).octets(), &option(1, me)].concat();
        let body = ends.icmp(SOLICIT, &rest);
        vec![
            frame6(me, me, &ends.packet(HOP_BY_HOP, &[padding(ICMP6), body.clone()].concat())),
            frame6(me, me, &ends.packet(DESTINATION, &[padding(ICMP6), body.clone()].concat())),
            frame6(me, me, &ends.packet(FRAGMENT, &[fragment(ICMP6, 0, false, 9), body].concat())),
        ]
    };
    let send: Vec<(&str, Vec<u8>)> = ["fe80::3", C3_6, C2_6]
        .iter()
        .flat_map(|source| [frames(source), fragments(source)].concat())
        .map(|frame| ("c3", frame))
        .collect();
    let learnt = || {
        world.wire(&[], &send, "");
        world.sh(&format!(
            "ip -6 neigh show dev {port} | grep -v -e FAILED -e INCOMPLETE || true; ip -6 route show default dev {port}; ip -6 route show cache"
        ))
    };
    assert_eq!(learnt(), "", "the rules");
    assert!(world.counted("this host looks for no neighbour and no router among containers") >= 10);
    // The container's own kernel looks for nobody either.
    assert_eq!(world.sh("ip -n c3 -6 neigh; ip -n c2 -6 neigh"), "");

    world.without(&["is_the_sender_genuine", "what_may_reach_this_host"]);
    let learnt = learnt();
    assert!(learnt.contains("fe80::3"), "without the rules it should have been believed: {learnt}");
    assert!(learnt.contains("default"), "without the rules the router should have been believed: {learnt}");
}

/// A scan of the whole subnet leaves nothing behind on this host.
#[test]
fn scan_of_the_subnet_leaves_no_neighbours() {
    let world = guarded(&without_fib());
    let entries = || world.sh("ip -6 neigh | wc -l").trim().parse::<usize>().unwrap_or(usize::MAX);
    let me = mac("10.87.1.3");
    let scan: Vec<(&str, Vec<u8>)> = (0..600u16)
        .map(|number| {
            let dest = format!("fd0a:57f1:a7e0:1::{:x}:{number:x}", 0x100 + number);
            ("c3", frame6(me, me, &packets(C3_6, &dest, b"")[0]))
        })
        .collect();
    world.wire(&[], &scan, "");
    assert!(entries() < 10, "{}", world.sh("ip -6 neigh"));
    // On-link, as other networks have their /64.
    world.sh("ip -6 route del unreachable fd0a:57f1:a7e0:1::/64 proto 87 metric 4278198272
        ip -6 route add fd0a:57f1:a7e0:1::/64 dev eth0");
    world.without(&["at_forwarding"]);
    world.wire(&[], &scan, "");
    assert!(entries() > 100, "without the route it should have left some: this test proves nothing");
}

/// From outside nobody bears a container's address, and nobody opens a connection to a container.
#[test]
fn containers_addresses_come_from_their_links_only() {
    let world = guarded(&without_fib());
    let (to, me) = (world.mac_of(HOST, "eth0"), world.mac_of("stranger", "eth0"));
    let by_stranger = |what: String, packets: &dyn Fn(&[u8]) -> Vec<u8>| {
        let frames = vec![frame6(to, me, &packets(&token(&what)))];
        Attack { what, from: "stranger", frames }
    };
    let mut attacks = Vec::new();
    for (from, dest) in [(C2_6, C4_6), (NOBODY6, C4_6), (C2_6, HOST_LAN6), (STRANGER6, C4_6), (INET6, C4_6)] {
        attacks.push(by_stranger(format!("{from} to {dest}"), &|content| {
            packets(from, dest, content)[0].clone()
        }));
    }
    assert_eq!(strike(&world, &[(HOST, UDP), ("c4", UDP)], &attacks), BTreeSet::new());
    world.without(&["may_others_bear_this", "who_may_come_in", "at_this_host", "at_forwarding"]);
    let heard = strike(&world, &[(HOST, UDP), ("c4", UDP)], &attacks);
    assert_eq!(heard, all(&attacks), "without the rules these should have arrived");
}

/// An error of ICMP counts only from the path of its flow: one of c3 about a flow of c2 does not lower an MTU.
#[test]
fn errors_about_flows_of_others_do_not_count() {
    let world = guarded(&without_fib());
    let flow = |from: &str, dest: &str, port: u16| {
        world.sh(&format!(
            "conntrack -I -p udp -s {from} -d {dest} --sport 5 --dport {port} -t 300 -u SEEN_REPLY,ASSURED"
        ));
    };
    flow(C2_6, C4_6, 9);
    flow(BRIDGE6, C2_6, 9);
    flow(BRIDGE6, C3_6, 9);
    let error = |what: &str, dest: &str, about: (&str, &str)| {
        let quoted = Ends6(about.0, about.1);
        let ends = Ends6(C3_6, dest);
        by_c3(what, |content| {
            let quoted = quoted.packet(UDP, &quoted.udp((5, 9), content));
            vec![ends.packet(ICMP6, &ends.icmp(TOO_BIG, &[&[0, 0, 5, 0][..], &quoted].concat()))]
        })
    };
    let about_others = [
        error("to c2", C2_6, (C2_6, C4_6)),
        error("to this host", BRIDGE6, (BRIDGE6, C2_6)),
        error("of none", C4_6, (C4_6, C2_6)),
    ];
    let own = [error("own", BRIDGE6, (BRIDGE6, C3_6))];
    let ears = [(HOST, ICMP6), ("c2", ICMP6), ("c4", ICMP6)];
    assert_eq!(strike(&world, &ears, &about_others), BTreeSet::new());
    assert_eq!(strike(&world, &ears, &own), all(&own), "an error about its own flow");
    world.without(&["may_it_know_of_that", "what_may_reach_this_host"]);
    let heard = strike(&world, &ears, &about_others);
    assert!(heard.contains("to c2") && heard.contains("to this host"), "without the rules: {heard:?}");
}
