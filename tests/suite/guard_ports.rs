//! Frames to the link-local multicast MACs 01:80:c2:00:00:00 to :0f, tagged or not. A bridge delivers them on the
//! incoming port, so rules that match the bridge's name never see them.

use crate::frames::{self, Ends, Mac, NOBODY, REQUEST, arp, mac, readdressed, tagged};
use crate::guard::{Attack, BRIDGE, C2, C3, C4, Ear, GATEWAY, HOST_LAN, ICMP, Mode, TCP, UDP, attack};
use crate::traffic::World;

/// Ears of this host and of a neighbour.
const EARS: [Ear; 6] = [("", UDP), ("", TCP), ("", ICMP), ("c4", UDP), ("c4", TCP), ("c4", ICMP)];

/// The link-local multicast MACs.
fn group() -> impl Iterator<Item = Mac> {
    (0..16).map(|last| [0x01, 0x80, 0xc2, 0, 0, last])
}

/// A frame from c3 to each MAC of the group, tagged and untagged, and to its next hop.
fn everywhere(world: &World, what: &str, frame: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Attack> {
    let mut attacks = vec![attack(format!("{what} to the next hop"), "c3", |token| {
        readdressed(&frame(token), world.next_hop("c3"))
    })];
    for to in group() {
        attacks
            .push(attack(format!("{what} to :{:02x}", to[5]), "c3", |token| readdressed(&frame(token), to)));
        attacks.push(attack(format!("{what} to :{:02x}, tagged", to[5]), "c3", |token| {
            tagged(&readdressed(&frame(token), to))
        }));
    }
    attacks
}

/// Packets to services of this host that are closed to containers, at several of its addresses.
fn closed_services(world: &World) -> Vec<Attack> {
    let ends = |dest| Ends { from: (C3, 4444), dest };
    [
        everywhere(world, "UDP", |token| ends((BRIDGE, 7777)).frame(NOBODY, mac(C3), UDP, token)),
        everywhere(world, "UDP to the LAN's address", |token| {
            ends((HOST_LAN, 53)).frame(NOBODY, mac(C3), UDP, token)
        }),
        everywhere(world, "TCP", |token| ends((BRIDGE, 22)).syn(NOBODY, mac(C3), token)),
    ]
    .concat()
}

/// Packets with a spoofed source: a neighbour, an unassigned address, the gateway, a host outside.
fn spoofed(world: &World) -> Vec<Attack> {
    let sources = [C2, "10.87.1.99", GATEWAY, "203.0.113.5"];
    let to_host = |from| {
        let ends = Ends { from: (from, 4444), dest: (BRIDGE, 53) };
        everywhere(world, &format!("UDP from {from}"), move |token| ends.frame(NOBODY, mac(C3), UDP, token))
    };
    let ping = |from| {
        let ends = Ends { from: (from, 7), dest: (BRIDGE, 0) };
        everywhere(world, &format!("a ping from {from}"), move |token| {
            ends.frame(NOBODY, mac(from), ICMP, token)
        })
    };
    let neighbour = |from| {
        let ends = Ends { from: (from, 4444), dest: (C4, 80) };
        attack(format!("UDP to a neighbour from {from}"), "c3", |token| {
            ends.frame(world.next_hop("c3"), mac(C3), UDP, token)
        })
    };
    sources.map(to_host).into_iter().chain([ping(C2)]).flatten().chain(sources.map(neighbour)).collect()
}

#[test]
fn routed_ports_resist_intrusion_and_spoofing() {
    for mode in [Mode::ALL[0], Mode::ALL[1]] {
        nothing_gets_in_by_a_port(mode);
    }
}

#[test]
fn plain_ports_resist_intrusion_and_spoofing() {
    for mode in [Mode::ALL[2], Mode::ALL[3]] {
        nothing_gets_in_by_a_port(mode);
    }
}

fn nothing_gets_in_by_a_port(mode: Mode) {
    let world = mode.world();
    let attacks = [closed_services(&world), spoofed(&world)].concat();
    for rp_filter in [0, 1, 2] {
        world.rp_filter(rp_filter);
        world.holds(&format!("{mode:?}, rp_filter {rp_filter}"), &EARS, &attacks);
    }
    world.rp_filter(0);

    // Control: rules that match the bridge's name only, as in earlier versions.
    by_the_bridges_name(&world);
    let heard = world.strike(&EARS, &attacks);
    // A bridge treats two MACs differently: without STP it forwards :00 like any other, and it drops :01.
    let by_the_group = |attack: &&Attack| {
        let to_a_port =
            mode.bridging == "routed" || ![" to :00", " to :01"].iter().any(|to| attack.what.contains(to));
        attack.what.contains(" to :") && to_a_port
    };
    let lost: Vec<&str> = attacks
        .iter()
        .filter(by_the_group)
        .map(|attack| attack.what.as_str())
        .filter(|what| !heard.contains(*what))
        .collect();
    assert!(lost.is_empty(), "{mode:?}: without the rules these should have arrived: {lost:#?}");
}

/// Loads the rules with the bridge's name instead of the link group, and without the checks of packets from other links.
fn by_the_bridges_name(world: &World) {
    let rules = world.sh(
        "nft list table inet flatnet | sed -E 's/iifgroup (!= )?[0-9]+/iifname \\1\"flatnet-br0\"/' >/tmp/rules
         nft delete table inet flatnet; nft -f /tmp/rules; cat /tmp/rules",
    );
    world.without(&["may_others_bear_this", "who_may_ask_for_names"]);
    assert!(rules.contains("iifname \"flatnet-br0\"") && !rules.contains("iifgroup"), "{rules}");
}

#[test]
fn ipv6_advertisements_are_ignored_when_routed() {
    ipv6_is_not_believed(Mode::ROUTED);
}

#[test]
fn ipv6_advertisements_are_ignored_when_plain() {
    ipv6_is_not_believed(Mode::ALL[2]);
}

fn ipv6_is_not_believed(mode: Mode) {
    let world = mode.world();
    let port = world.port_of("c3");
    assert_eq!(world.sh(&format!("ip -6 -o addr show dev {port}")), "", "a port has no address of IPv6");
    let me = mac(C3);
    let frames = |frame: Vec<u8>| -> Vec<(&str, Vec<u8>)> {
        let all = group().flat_map(|to| [readdressed(&frame, to), tagged(&readdressed(&frame, to))]);
        all.chain([frame.clone()]).map(|frame| ("c3", frame)).collect()
    };
    let (advertised, asked) =
        (frames(frames::router_advertisement(me)), frames(frames::neighbour_solicitation(me)));
    let believed = || {
        world.wire(&[], &[advertised.clone(), asked.clone()].concat(), "");
        (
            world.sh("ip -6 route show default"),
            world.sh(&format!("ip -6 neigh show dev {port} | grep fe80::66 || true")),
        )
    };
    assert_eq!(believed(), (String::new(), String::new()), "{mode:?}");
    // With an IPv6 address on the port, only the rules protect it.
    world.sh(&format!(
        "echo 0 >/proc/sys/net/ipv6/conf/{port}/disable_ipv6; ip addr add fe80::1/64 dev {port} nodad; ip link set dev {port} arp on"
    ));
    assert_eq!(believed(), (String::new(), String::new()), "{mode:?}, with an address");

    world.without(&["at_arrival", "at_this_host"]);
    let (route, neighbour) = believed();
    assert!(
        route.contains(&port),
        "{mode:?}: without the rule the router should have been believed: {route}"
    );
    assert_ne!(neighbour, "", "{mode:?}: without the rule the neighbour should have been believed");
}

#[test]
fn arp_claims_from_a_port_are_not_learnt() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = mode.world();
        let port = world.port_of("c3");
        let claim = |address| arp(NOBODY, mac(C3), REQUEST, (mac(C3), address), (NOBODY, BRIDGE));
        let frames: Vec<(&str, Vec<u8>)> = group()
            .flat_map(|to| {
                ["10.87.1.99", C2, GATEWAY].map(|address| ("c3", readdressed(&claim(address), to)))
            })
            .flat_map(|(from, frame)| [(from, tagged(&frame)), (from, frame)])
            .collect();
        let learnt = || world.sh(&format!("ip neigh show dev {port} | grep -v NOARP || true"));
        for rp_filter in [0, 1, 2] {
            world.rp_filter(rp_filter);
            world.wire(&[], &frames, "");
            assert_eq!(learnt(), "", "{mode:?}, rp_filter {rp_filter}");
        }
        world.rp_filter(0);
        world.sh(&format!("ip link set dev {port} arp on"));
        let believed = (0..5).any(|_| {
            world.wire(&[], &frames, "");
            learnt().contains("10.87.1.99")
        });
        assert!(believed, "{mode:?}: with ARP it should have been believed");
    }
}
