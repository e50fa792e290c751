//! Reachability in every mode: containers routed or bridged plainly, `bridge-nf-call-iptables` 0 and 1, a kernel with
//! `fib` and one without. On the host a fake conmon holds every published port, as Podman's does.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NAMELESS, NFT_WITHOUT_FIB, Probe, REFUSED, SILENCE, World, probe};

#[test]
fn routed_with_fib() {
    both_ways_of_bridge_netfilter(&Mode { routed: true, fib: true });
}

#[test]
fn routed_without_fib() {
    both_ways_of_bridge_netfilter(&Mode { routed: true, fib: false });
}

#[test]
fn plain_with_fib() {
    both_ways_of_bridge_netfilter(&Mode { routed: false, fib: true });
}

#[test]
fn plain_without_fib() {
    both_ways_of_bridge_netfilter(&Mode { routed: false, fib: false });
}

struct Mode {
    routed: bool,
    fib: bool,
}

fn both_ways_of_bridge_netfilter(mode: &Mode) {
    let world = set_up(mode);
    let rules = world.sh("nft list table inet flatnet");
    assert_eq!(rules.contains("fib daddr type local"), mode.fib, "{rules}");
    for bridge_nf_call in [1, 0] {
        world.bridge_nf_call(bridge_nf_call);
        let mut probes = untouched();
        for proto in ["tcp", "udp"] {
            probes.extend(flat(proto));
            probes.extend(from_outside(proto));
            probes.extend(from_this_host(proto));
            probes.extend(hairpin(proto));
            probes.extend(container_to_host(proto));
        }
        let name =
            format!("routed {}, fib {}, bridge-nf-call-iptables {bridge_nf_call}", mode.routed, mode.fib);
        if mode.routed {
            probes.extend(nobody());
        }
        world.ask(&name, &probes);
        pings(&world);
    }
    loopback_from_the_wire(&world);
}

fn set_up(mode: &Mode) -> World {
    let bridging = if mode.routed { "routed" } else { "plain" };
    let tools = if mode.fib { String::new() } else { format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n") };
    let yaml =
        format!("bridging: {bridging}\nhost_ports: [{{protocol: tcp, port: 5000}}]\n{NAMELESS}{tools}");
    let world = World::new(Sandbox::podman4(), &yaml);
    let ports: Vec<Value> = ["tcp", "udp"]
        .into_iter()
        .flat_map(|proto| [("", 8080), ("127.0.0.1", 8081), ("192.168.50.2", 8082)].map(|(ip, port)| (proto, ip, port)))
        .map(|(proto, ip, port)| json!({"hostPort": port, "containerPort": 80, "protocol": proto, "hostIP": ip}))
        .collect();
    assert_eq!(world.attach("c2", &json!(ports)), "10.87.1.2");
    assert_eq!(world.attach("c3", &json!([])), "10.87.1.3");
    assert_eq!(world.attach("c4", &json!([])), "10.87.1.4");
    let any = "0.0.0.0";
    world.serve(&[
        ("c2", "c2", any, &[80, 8080]),
        ("c3", "c3", any, &[80, 8080]),
        ("c4", "c4", any, &[80, 8080]),
        ("gw", "gw", any, &[80, 8080]),
        ("inet", "inet", any, &[80, 8080]),
        ("stranger", "stranger", any, &[80, 8080]),
        ("foreign", "foreign", any, &[80, 8080]),
        (HOST, "host", any, &[22, 53, 5000, 7777]),
        (HOST, "conmon", any, &[8080]),
        (HOST, "conmon", "127.0.0.1", &[8081]),
        (HOST, "conmon", "192.168.50.2", &[8082]),
    ]);
    world
}

/// Traffic that does not concern Flatnet.
fn untouched() -> Vec<Probe> {
    let mut probes = Vec::new();
    for proto in ["tcp", "udp"] {
        probes.extend([
            probe("foreign forwarding", "stranger", proto, "172.31.0.2", 80, "foreign 192.168.50.66"),
            probe(
                "foreign forwarding of a published number",
                "foreign",
                proto,
                "192.168.50.66",
                8080,
                "stranger 172.31.0.2",
            ),
            probe(
                "foreign to a service of this host",
                "foreign",
                proto,
                "172.31.0.1",
                7777,
                "host 172.31.0.2",
            ),
            probe(
                "published number elsewhere, from this host",
                HOST,
                proto,
                "198.51.100.9",
                8080,
                "inet 192.168.50.2",
            ),
        ]);
    }
    probes
}

/// Flat addresses: only traffic that leaves Flatnet is translated, and only the gateway and this host may connect.
fn flat(proto: &'static str) -> Vec<Probe> {
    vec![
        probe("container to container", "c3", proto, "10.87.1.2", 80, "c2 10.87.1.3"),
        probe("container to container, published number", "c3", proto, "10.87.1.4", 8080, "c4 10.87.1.3"),
        probe("container to internet", "c2", proto, "198.51.100.9", 80, "inet 192.168.50.2"),
        probe(
            "container to published number elsewhere",
            "c3",
            proto,
            "198.51.100.9",
            8080,
            "inet 192.168.50.2",
        ),
        probe("container to gateway", "c2", proto, "192.168.50.1", 80, "gw 192.168.50.2"),
        probe("container to LAN", "c2", proto, "192.168.50.66", 8080, "stranger 192.168.50.2"),
        probe(
            "container to what else this host forwards for",
            "c2",
            proto,
            "172.31.0.2",
            80,
            "foreign 172.31.0.1",
        ),
        probe("container to another host's container", "c2", proto, "10.87.2.5", 80, "stranger 10.87.1.2"),
        probe("another host's container to container", "stranger", proto, "10.87.1.2", 80, SILENCE)
            .source("10.87.2.5"),
        probe("gateway to container", "gw", proto, "10.87.1.2", 80, "c2 192.168.50.1"),
        probe("this host to container", HOST, proto, "10.87.1.2", 80, "c2 10.87.1.1"),
        probe("LAN to container", "stranger", proto, "10.87.1.2", 80, SILENCE),
        probe("foreign network to container", "foreign", proto, "10.87.1.2", 80, SILENCE),
    ]
}

/// Packets to an unassigned address are rejected at once, for every sender, and never forwarded.
fn nobody() -> Vec<Probe> {
    // The error is sent for UDP too, but programs do not see it: an unreachable host is a soft error.
    let refused = |from| probe("an unassigned address", from, "tcp", "10.87.1.99", 80, "no route to host");
    ["c2", "gw", HOST].map(refused).into()
}

fn from_outside(proto: &'static str) -> Vec<Probe> {
    vec![
        probe("published, from LAN", "stranger", proto, "192.168.50.2", 8080, "c2 192.168.50.66"),
        probe("published, from gateway", "gw", proto, "192.168.50.2", 8080, "c2 192.168.50.1"),
        probe("published, from internet", "inet", proto, "192.168.50.2", 8080, "c2 198.51.100.9"),
        probe("published, from a foreign network", "foreign", proto, "192.168.50.2", 8080, "c2 172.31.0.2"),
        probe(
            "published, at this host's other address",
            "foreign",
            proto,
            "172.31.0.1",
            8080,
            "c2 172.31.0.2",
        ),
        probe("published, at the bridge's address", "gw", proto, "10.87.1.1", 8080, "c2 192.168.50.1"),
        probe("published at LAN address", "stranger", proto, "192.168.50.2", 8082, "c2 192.168.50.66"),
        probe("published at LAN address, at another", "foreign", proto, "172.31.0.1", 8082, REFUSED),
        probe("published at 127.0.0.1, from LAN", "stranger", proto, "192.168.50.2", 8081, REFUSED),
    ]
}

fn from_this_host(proto: &'static str) -> Vec<Probe> {
    vec![
        probe("published, by LAN address", HOST, proto, "192.168.50.2", 8080, "c2 192.168.50.2"),
        probe("published, by bridge address", HOST, proto, "10.87.1.1", 8080, "c2 10.87.1.1"),
        probe("published, by 127.0.0.1", HOST, proto, "127.0.0.1", 8080, "c2 10.87.1.1"),
        probe("published, by 127.0.0.2", HOST, proto, "127.0.0.2", 8080, "c2 10.87.1.1"),
        probe("published at 127.0.0.1", HOST, proto, "127.0.0.1", 8081, "c2 10.87.1.1"),
        probe("published at 127.0.0.1, at another", HOST, proto, "192.168.50.2", 8081, REFUSED),
        probe("published at LAN address", HOST, proto, "192.168.50.2", 8082, "c2 192.168.50.2"),
        probe("published at LAN address, at 127.0.0.1", HOST, proto, "127.0.0.1", 8082, REFUSED),
    ]
}

/// A container that uses a published port, even its own, appears with the bridge's address. This is the only
/// translation between Flatnet addresses.
fn hairpin(proto: &'static str) -> Vec<Probe> {
    let c2 = "c2 10.87.1.1";
    vec![
        probe("hairpin by bridge address", "c3", proto, "10.87.1.1", 8080, c2),
        probe("hairpin by LAN address", "c3", proto, "192.168.50.2", 8080, c2),
        probe("hairpin at LAN address", "c3", proto, "192.168.50.2", 8082, c2),
        probe("hairpin to what is published at 127.0.0.1", "c3", proto, "10.87.1.1", 8081, SILENCE),
        probe("self-hairpin by bridge address", "c2", proto, "10.87.1.1", 8080, c2),
        probe("self-hairpin by LAN address", "c2", proto, "192.168.50.2", 8080, c2),
    ]
}

/// DNS at the bridge's address, and the port that the configuration opens (TCP 5000).
fn container_to_host(proto: &'static str) -> Vec<Probe> {
    let opened = if proto == "tcp" { "host 10.87.1.2" } else { SILENCE };
    vec![
        probe("DNS", "c2", proto, "10.87.1.1", 53, "host 10.87.1.2"),
        probe("DNS at LAN address", "c2", proto, "192.168.50.2", 53, SILENCE),
        probe("a service", "c2", proto, "10.87.1.1", 22, SILENCE),
        probe("a service at LAN address", "c2", proto, "192.168.50.2", 22, SILENCE),
        probe("a service on a high port", "c2", proto, "10.87.1.1", 7777, SILENCE),
        probe("an opened port", "c2", proto, "10.87.1.1", 5000, opened),
        probe("an opened port at LAN address", "c2", proto, "192.168.50.2", 5000, opened),
    ]
}

fn pings(world: &World) {
    let ping = |from: &str, to: &str| format!("ip netns exec {from} ping -nqc1 -W1 {to}");
    for (from, to) in [
        ("c2", "10.87.1.1"),
        ("c2", "192.168.50.2"),
        ("c2", "10.87.1.3"),
        ("gw", "10.87.1.2"),
        ("c2", "198.51.100.9"),
    ] {
        world.sandbox.sh(&ping(from, to)).succeeds();
    }
    world.sandbox.sh(&ping("stranger", "10.87.1.2")).exits_with(1);
}

/// `route_localnet` lets a link accept packets to 127.0.0.1, so a rule must drop them. Ports published at 127.0.0.1
/// must not be reachable over the LAN either. Both neighbours lose their own 127.0.0.1, so that they can send such
/// packets.
fn loopback_from_the_wire(world: &World) {
    for (name, host) in [("stranger", "192.168.50.2"), ("c3", "10.87.1.1")] {
        world.sh(&format!(
            "ip netns exec {name} bash -euc 'ip addr del 127.0.0.1/8 dev lo; sysctl -qw net.ipv4.conf.all.route_localnet=1
             ip route del local 127.0.0.0/8 table local 2>/dev/null || true; ip route add 127.0.0.1/32 via {host}'"
        ));
    }
    let mut probes = Vec::new();
    for proto in ["tcp", "udp"] {
        // Port 5000 is open to containers at any address of this host, but not for a service that listens at 127.0.0.1.
        for port in [5000, 7777, 8080, 8081] {
            probes.push(
                probe("127.0.0.1 from LAN", "stranger", proto, "127.0.0.1", port, SILENCE)
                    .source("192.168.50.66"),
            );
            probes.push(
                probe("127.0.0.1 from container", "c3", proto, "127.0.0.1", port, SILENCE)
                    .source("10.87.1.3"),
            );
        }
    }
    let before = world.counted("loopback is never valid on a link");
    world.ask("127.0.0.1 over a wire", &probes);
    assert!(
        world.counted("loopback is never valid on a link") >= before + 8,
        "the packets never came to the rule"
    );
}
