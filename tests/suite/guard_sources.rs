//! Source addresses that are invalid on the incoming link: a container's from the LAN, another bridge or a tunnel, a
//! gateway's from another link. Such packets are dropped even if conntrack has a matching flow.

use serde_json::json;

use crate::frames::{Ends, Mac};
use crate::guard::{Attack, BRIDGE, C2, C3, Ear, GATEWAY, HOST_LAN, ICMP, Mode, TCP, UDP, attack};
use crate::traffic::World;

const EARS: [Ear; 9] = [
    ("", UDP),
    ("", TCP),
    ("", ICMP),
    ("c2", UDP),
    ("c2", TCP),
    ("c2", ICMP),
    ("c3", UDP),
    ("c3", TCP),
    ("c3", ICMP),
];

/// Links from which other hosts reach this host: the host, its link, and the MAC of this host's end.
fn ways(world: &World) -> Vec<(&'static str, &'static str, Mac)> {
    world.sh(
        "ip link add tun0 type vxlan id 7 local 192.168.50.2 remote 192.168.50.66 dstport 4789
         ip -n stranger link add tun0 type vxlan id 7 local 192.168.50.66 remote 192.168.50.2 dstport 4789
         ip addr add 172.30.0.1/24 dev tun0; ip link set tun0 up
         ip -n stranger addr add 172.30.0.2/24 dev tun0; ip -n stranger link set tun0 up
         ip netns add beside; ip link add other0 type bridge; ip addr add 172.29.0.1/24 dev other0; ip link set other0 up
         ip link add b0 master other0 type veth peer name eth0 netns beside; ip link set b0 up
         ip -n beside addr add 172.29.0.2/24 dev eth0; ip -n beside link set eth0 up
         for file in /proc/sys/net/ipv4/conf/*/accept_local; do echo 1 >$file; done
         ip netns exec beside ping -nqc1 -W2 172.29.0.1; ip netns exec stranger ping -nqc1 -W2 172.30.0.1",
    );
    world.rp_filter(0);
    [
        ("stranger", "eth0", "eth0"),
        ("stranger", "tun0", "tun0"),
        ("foreign", "eth0", "fo0"),
        ("beside", "eth0", "other0"),
    ]
    .map(|(who, link, ours)| (who, link, world.mac_of("", ours)))
    .to_vec()
}

/// Adds conntrack entries: between two containers, and between a container and this host.
fn flows(world: &World) {
    for protocol in ["udp", "tcp"] {
        world.flow(protocol, (C3, 5000), (C2, 9999));
        world.flow(protocol, (C3, 5000), (BRIDGE, 53));
        world.flow(protocol, (BRIDGE, 5001), (C2, 9999));
    }
    world.flow("icmp", (C3, 77), (C2, 0));
}

/// Packets with the source address of a container or of the bridge.
fn as_a_container(world: &World, ways: &[(&'static str, &'static str, Mac)]) -> Vec<Attack> {
    let flow = Ends { from: (C3, 5000), dest: (C2, 9999) };
    let said = [
        ("c3 to c2", flow),
        ("c2 to c3", flow.answer()),
        ("c3 to DNS", Ends { from: (C3, 5000), dest: (BRIDGE, 53) }),
        ("nobody to this host", Ends { from: ("10.87.1.99", 5000), dest: (HOST_LAN, 7777) }),
        ("the bridge to c2", Ends { from: (BRIDGE, 5001), dest: (C2, 9999) }),
        ("the bridge to this host", Ends { from: (BRIDGE, 5002), dest: (HOST_LAN, 7777) }),
    ];
    let mut attacks = Vec::new();
    for &(who, link, to) in ways {
        let source = world.mac_of(who, link);
        for (what, ends) in said {
            for (name, protocol) in [("UDP", UDP), ("TCP", TCP)] {
                let what = format!("{name} of {who} by {link}: {what}");
                attacks.push(attack(what, who, |token| ends.frame(to, source, protocol, token)).by(link));
            }
        }
        let ping = Ends { from: (C3, 77), dest: (C2, 0) };
        attacks.push(
            attack(format!("ping of {who} by {link}"), who, |token| ping.frame(to, source, ICMP, token))
                .by(link),
        );
    }
    attacks
}

#[test]
fn outside_host_cannot_spoof_a_container() {
    for mode in Mode::ALL {
        let world = mode.world();
        let ways = ways(&world);
        flows(&world);
        let attacks = as_a_container(&world, &ways);
        for rp_filter in [2, 1, 0] {
            world.rp_filter(rp_filter);
            world.holds(&format!("{mode:?}, rp_filter {rp_filter}"), &EARS, &attacks);
        }
        world.without(&["may_others_bear_this", "who_may_ask_for_names"]);
        world.lets_through(&format!("{mode:?}, control"), &EARS, &attacks);
    }
}

/// Packets with the gateway's source address, from links that do not lead to the gateway.
fn as_the_gateway(world: &World, ways: &[(&'static str, &'static str, Mac)]) -> Vec<Attack> {
    let elsewhere = ways.iter().filter(|(_, _, to)| *to != world.mac_of("", "eth0"));
    let to_c2 = Ends { from: (GATEWAY, 6000), dest: (C2, 9999) };
    let to_host = Ends { from: (GATEWAY, 6000), dest: (HOST_LAN, 7777) };
    let mut attacks = Vec::new();
    for (number, &(who, link, to)) in (50..).zip(elsewhere) {
        let source = world.mac_of(who, link);
        for (name, protocol) in [("UDP", UDP), ("TCP", TCP)] {
            for (where_to, ends) in [("c2", to_c2), ("this host", to_host)] {
                let what = format!("{name} of {who} by {link} to {where_to}");
                attacks.push(attack(what, who, |token| ends.opening(to, source, protocol, token)).by(link));
            }
        }
        let mut first = Vec::new();
        let fragments = attack(format!("fragments of {who} by {link}"), who, |token| {
            let [head, tail] = to_c2.fragments(to, [source, source], UDP, number, token);
            first = head;
            tail
        });
        attacks.push(fragments.after(who, first).by(link));
    }
    attacks
}

#[test]
fn ingress_gateway_is_accepted_only_by_its_link() {
    for mode in Mode::ALL {
        let world = mode.world();
        let ways = ways(&world);
        let attacks = as_the_gateway(&world, &ways);
        for rp_filter in [2, 1, 0] {
            world.rp_filter(rp_filter);
            world.holds(&format!("{mode:?}, rp_filter {rp_filter}"), &EARS, &attacks);
        }
        let honest = Ends { from: (GATEWAY, 6001), dest: (C2, 9999) };
        let (to, source) = (world.mac_of("", "eth0"), world.mac_of("gw", "eth0"));
        let by_its_own = [
            attack("UDP of the gateway", "gw", |token| honest.frame(to, source, UDP, token)),
            attack("TCP of the gateway", "gw", |token| honest.syn(to, source, token)),
        ];
        world.lets_through(&format!("{mode:?}, the gateway itself"), &EARS, &by_its_own);

        // Control: rules that check the address only, as in earlier versions.
        world.without(&["may_others_bear_this"]);
        world.sh("nft insert rule inet flatnet who_may_come_in ip saddr @gateway_addresses accept");
        world.lets_through(&format!("{mode:?}, control"), &EARS, &attacks);
    }
}

/// If the route to the gateway changes to another link, the next ADD or `up` updates the rules.
#[test]
fn moved_ingress_gateway_is_accepted_by_new_link() {
    let world = Mode::ROUTED.world();
    let listed = || world.sh("nft list set inet flatnet gateways");
    assert!(listed().contains("\"eth0\" . 192.168.50.1"), "{}", listed());
    world.sh("ip route add 192.168.50.1/32 dev fo0 src 172.31.0.1");
    world.attach("c5", &json!([]));
    assert!(listed().contains("\"fo0\" . 192.168.50.1") && !listed().contains("eth0"), "{}", listed());
    world.sh("ip route del 192.168.50.1/32 dev fo0; flatnet up");
    assert!(listed().contains("\"eth0\" . 192.168.50.1"), "{}", listed());
}
