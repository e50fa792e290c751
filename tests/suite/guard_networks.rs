//! Two networks on one host: link groups separate their links, and a container cannot impersonate one of the other
//! network.

use serde_json::{Value, json};

use crate::cni::{Call, address};
use crate::frames::{Ends, Mac, mac, readdressed};
use crate::guard::{Attack, BRIDGE, C2, C3, Ear, GATEWAY, HOST_LAN, Mode, TCP, UDP, attack};
use crate::traffic::{NAMELESS, NFT_WITHOUT_FIB, SILENCE, World, probe};

const LAB: &str = "/etc/flatnet/lab.yaml";
const LAB_BRIDGE: &str = "10.87.8.1";
const L2: &str = "10.87.8.2";
const L3: &str = "10.87.8.3";
const EARS: [Ear; 6] = [("", UDP), ("", TCP), ("c2", UDP), ("c2", TCP), ("l3", UDP), ("l3", TCP)];

/// The containers l2 and l3 of another network, beside c2, c3 and c4; l3 publishes port 8088.
fn two_networks(mode: Mode) -> World {
    let world = mode.world_with(NAMELESS);
    let tools = if mode.fib { String::new() } else { format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n") };
    let yaml = format!(
        "network: lab\nbridge: lab-br0\nsubnet: 10.87.8.0/24\nbridging: {}\n{NAMELESS}{tools}",
        mode.bridging
    );
    world.sandbox.write(LAB, &yaml);
    let ports = json!([{"hostPort": 8088, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]);
    for (name, wanted, ports) in [("l2", L2, json!([])), ("l3", L3, ports)] {
        world.sandbox.add_netns(name);
        assert_eq!(address(&add(name, &ports).run(&world.sandbox).succeeds()), wanted);
    }
    world.rp_filter(0);
    world.sh("for file in /proc/sys/net/ipv4/conf/*/accept_local; do echo 1 >$file; done");
    world
}

fn add(name: &str, ports: &Value) -> Call {
    let call = Call::add(name).conf("name", json!("lab")).conf("config", json!(LAB));
    call.conf("runtimeConfig", json!({"portMappings": ports}))
}

/// Frames from `who` with each of `sources` as source address, to the container `victim` and to this host. Each is sent
/// to the next hop's MAC and to a link-local multicast MAC, which a bridge delivers on the incoming port.
fn as_others(who: &str, me: Mac, next_hop: Mac, sources: &[&str], victim: &str) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for &from in sources {
        for (to, name) in [(next_hop, "its next hop"), ([1, 0x80, 0xc2, 0, 0, 0x0e], "the group")] {
            for dest in [(victim, 9999), (BRIDGE, 53), (LAB_BRIDGE, 53), (HOST_LAN, 7777)] {
                // No kernel forwards packets in multicast frames to a container.
                if dest.0 == victim && name == "the group" {
                    continue;
                }
                for (protocol, number) in [("UDP", UDP), ("TCP", TCP)] {
                    let ends = Ends { from: (from, 5000), dest };
                    let what = format!("{protocol} of {who} as {from} to {} by {name}", dest.0);
                    attacks.push(attack(what, who, |token| {
                        readdressed(&ends.opening(to, me, number, token), to)
                    }));
                }
            }
        }
    }
    attacks
}

#[test]
fn spoofing_across_networks_is_blocked() {
    for mode in Mode::ALL {
        let world = two_networks(mode);
        for protocol in ["udp", "tcp"] {
            world.flow(protocol, (C3, 5000), (C2, 9999));
            world.flow(protocol, (L2, 5000), (L3, 9999));
        }
        let of_lab = [C3, "10.87.1.99", BRIDGE, GATEWAY, L3];
        let of_first = [L2, "10.87.8.99", LAB_BRIDGE, C2];
        let attacks = [
            as_others("l2", mac(L2), next_hop(&world, "l2", mode), &of_lab, C2),
            as_others("c3", mac(C3), world.next_hop("c3"), &of_first, L3),
        ]
        .concat();
        for rp_filter in [2, 1, 0] {
            world.rp_filter(rp_filter);
            world.holds(&format!("{mode:?}, rp_filter {rp_filter}"), &EARS, &attacks);
        }
        // Each of the two tables alone would drop these packets, so the control run empties both.
        for table in ["flatnet", "flatnet-lab"] {
            world.sh(&format!(
                "nft flush chain inet {table} at_arrival; nft flush chain inet {table} at_this_host
                 nft flush chain inet {table} at_forwarding"
            ));
        }
        let heard = world.strike(&EARS, &attacks);
        // With the rules empty, every attack must arrive.
        let lost: Vec<_> = attacks
            .iter()
            .filter(|attack| !heard.contains(&attack.what))
            .map(|attack| &attack.what)
            .collect();
        assert!(lost.is_empty(), "{mode:?}, control: {lost:#?}");
    }
}

fn next_hop(world: &World, name: &str, mode: Mode) -> Mac {
    if mode.bridging == "plain" { mac(LAB_BRIDGE) } else { world.next_hop(name) }
}

/// Neither network reaches the other, except by published ports. Each has a link group.
#[test]
fn networks_are_separated_by_link_groups() {
    for mode in Mode::ALL {
        let world = two_networks(mode);
        let group = |dev: &str| world.sh(&format!("ip -j link show dev {dev} | jq -r '.[0].group'"));
        let groups = ["flatnet-br0", "lab-br0", &world.port_of("c2"), &world.port_of("l2")].map(group);
        assert_eq!((&groups[0], &groups[1]), (&groups[2], &groups[3]), "{mode:?}");
        assert_ne!(groups[0], groups[1], "{mode:?}");
        world.serve(&[
            ("c2", "c2", "0.0.0.0", &[80]),
            ("l3", "l3", "0.0.0.0", &[80]),
            ("", "host", "0.0.0.0", &[53]),
        ]);
        world.ask(
            &format!("{mode:?}"),
            &[
                probe("within the first", "c3", "tcp", C2, 80, "c2 10.87.1.3"),
                probe("within the second", "l2", "tcp", L3, 80, "l3 10.87.8.2"),
                probe("the first's DNS", "c3", "udp", BRIDGE, 53, "host 10.87.1.3"),
                probe("the second's DNS", "l2", "udp", LAB_BRIDGE, 53, "host 10.87.8.2"),
                probe("the other's DNS", "c3", "udp", LAB_BRIDGE, 53, SILENCE),
                probe("the first to the second", "c3", "tcp", L3, 80, SILENCE),
                probe("the second to the first", "l2", "tcp", C2, 80, SILENCE),
                probe("the second to the first", "l2", "udp", C2, 80, SILENCE),
                probe("published by the second, from the first", "c3", "tcp", HOST_LAN, 8088, "l3 10.87.1.3"),
                probe(
                    "published by the second, from the second",
                    "l2",
                    "tcp",
                    HOST_LAN,
                    8088,
                    "l3 10.87.8.1",
                ),
            ],
        );
        // A DEL on one network does not affect the other.
        Call::del("l3")
            .conf("name", json!("lab"))
            .conf("config", json!(LAB))
            .run(&world.sandbox)
            .succeeds_silently();
        world.ask(
            &format!("{mode:?}, after a DEL"),
            &[
                probe("within the first", "c3", "tcp", C2, 80, "c2 10.87.1.3"),
                probe("the second's DNS", "l2", "udp", LAB_BRIDGE, 53, "host 10.87.8.2"),
            ],
        );
    }
}
