//! Published ports over time: addresses that this host gets later, containers that clash, SCTP.

use serde_json::{Value, json};

use crate::frames::{parse_mac, sctp_in, sctp_init};
use crate::sandbox::Sandbox;
use crate::traffic::{NAMELESS, NFT_WITHOUT_FIB, SILENCE, World, probe};

fn port(protocol: &str, host: u16, container: u16) -> Value {
    json!({"hostPort": host, "containerPort": container, "protocol": protocol, "hostIP": ""})
}

/// One container, `c2`, with TCP 8080 published.
fn world(yaml: &str) -> World {
    let world = World::new(Sandbox::podman4(), yaml);
    world.attach("c2", &json!([port("tcp", 8080, 80)]));
    world.serve(&[("c2", "c2", "0.0.0.0", &[80])]);
    world
}

fn from_lan(to: &str, want: &str) -> crate::traffic::Probe {
    probe("published, from LAN", "stranger", "tcp", to, 8080, want)
}

const SERVED: &str = "c2 192.168.50.66";

#[test]
fn new_host_address_works_at_once_with_fib() {
    let world = world("");
    world.sh("ip addr add 192.168.50.3/24 dev eth0");
    world.ask("with fib", &[from_lan("192.168.50.3", SERVED)]);
    world.sh("ip addr del 192.168.50.3/24 dev eth0; ip -n stranger neigh flush all");
    world.sh("ip -n stranger route add 192.168.50.3/32 via 192.168.50.2");
    world.ask("gone again", &[from_lan("192.168.50.3", "no route to host")]);
}

/// Without `fib`, a new address works after the next `flatnet up` or ADD, and a removed address is no longer used.
#[test]
fn new_host_address_works_after_up_or_add_without_fib() {
    let world = world(&format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n"));
    let listed = |address: &str| world.sh("nft list set inet flatnet host_addresses").contains(address);
    world.sh("ip addr add 192.168.50.3/24 dev eth0");
    world.ask("before anything", &[from_lan("192.168.50.3", "connection refused")]);
    world.sh("flatnet up");
    world.ask("after up", &[from_lan("192.168.50.3", SERVED)]);

    world.sh("ip addr del 192.168.50.3/24 dev eth0; ip addr add 192.168.50.4/24 dev eth0");
    assert!(listed("192.168.50.3") && !listed("192.168.50.4"));
    world.attach("c3", &json!([]));
    world.ask("after ADD", &[from_lan("192.168.50.4", SERVED), from_lan("192.168.50.2", SERVED)]);
    assert!(!listed("192.168.50.3"), "an address that went is forgotten");

    let before = world.table_handle();
    world.attach("c4", &json!([]));
    assert_eq!(world.table_handle(), before, "with nothing new ADD leaves the ruleset alone");
}

/// The second container's ADD fails, and its DEL removes nothing of the first one.
#[test]
fn port_clash_leaves_first_container_alone() {
    let world = world("");
    let clashing = json!([port("tcp", 8080, 99), port("udp", 9999, 99)]);
    // A port that is published at every address is also in use at this one.
    let at_address =
        json!([{"hostPort": 8080, "containerPort": 99, "protocol": "tcp", "hostIP": "192.168.50.2"}]);
    world.sh("ip netns add c3");
    for ports in [&clashing, &at_address] {
        let refused = world.cni("ADD", "c3", ports).fails();
        assert!(refused.stdout.contains("is already published by c2 c2-id (eth0)"), "{refused}");
        world.ask("after the ADD that failed", &[from_lan("192.168.50.2", SERVED)]);
        world.cni("DEL", "c3", ports).succeeds();
        world.ask("after its DEL", &[from_lan("192.168.50.2", SERVED)]);
    }
    let elements = world.sh("nft list map inet flatnet published_anywhere");
    assert!(!elements.contains("9999") && !elements.contains("c3-id"), "{elements}");
    assert!(elements.contains("c2-id"), "{elements}");

    world.cni("DEL", "c2", &json!([port("tcp", 8080, 80)])).succeeds();
    assert_eq!(world.attach("c3", &clashing), "10.87.1.3", "the port is free again");
    world.ask("no listener in c3", &[from_lan("192.168.50.2", "connection refused")]);
}

/// The plugin is not called if a container's namespace is deleted with its runtime. The port must become free all the
/// same.
#[test]
fn port_of_dead_container_is_free() {
    let world = World::new(Sandbox::podman4(), "");
    world.attach("c2", &json!([port("tcp", 8080, 80)]));
    // The kernel removes the link only when no process is in the namespace any more.
    let process = world.sandbox.spawn("ip netns exec c2 sleep 0.5");
    world.sandbox.eventually("[ -n \"$(ip netns pids c2)\" ]");
    world.sh("ip netns del c2; ip -o link | grep -q ': fn'");
    world.attach("c3", &json!([port("tcp", 8080, 80)]));
    drop(process);
    world.serve(&[("c3", "c3", "0.0.0.0", &[80])]);
    world.ask("its successor", &[from_lan("192.168.50.2", "c3 192.168.50.66")]);
}

/// The kernels here have no SCTP sockets, so a first packet is sent raw. Its checksum must be correct after
/// translation.
#[test]
fn sctp_is_published() {
    let world = World::new(Sandbox::podman4(), "");
    world.attach("c2", &json!([port("sctp", 8080, 80)]));
    let elements = world.sh("nft list map inet flatnet published_anywhere");
    assert!(elements.contains("sctp . 8080") && elements.contains("10.87.1.2 . 80"), "{elements}");
    world.sh("ip netns exec stranger ping -nqc1 -W2 192.168.50.2; ping -nqc1 -W2 10.87.1.2");
    let host = parse_mac(&world.sh("cat /sys/class/net/eth0/address"));
    let stranger = parse_mac(&world.sh("ip -n stranger -j link show eth0 | jq -r '.[0].address'"));
    let init = |port| sctp_init(host, stranger, "192.168.50.66", "192.168.50.2", (40000, port));
    let heard = world.wire(&["c2"], &[("stranger", init(8080)), ("stranger", init(8081))], "").remove(0);
    let arrived: Vec<_> = heard.iter().filter_map(|frame| sctp_in(frame)).collect();
    assert_eq!(arrived, [(80, true)]);
}

/// With egress `none` a container reaches only Flatnet, its host and clients that connected to it.
#[test]
fn egress_none_lets_nothing_out() {
    let world = world(&format!("egress: none\n{NAMELESS}"));
    world.serve(&[
        ("inet", "inet", "0.0.0.0", &[80]),
        ("gw", "gw", "0.0.0.0", &[80]),
        ("stranger", "stranger", "0.0.0.0", &[80]),
        ("", "host", "0.0.0.0", &[53]),
    ]);
    world.attach("c3", &json!([]));
    let mut probes = vec![from_lan("192.168.50.2", SERVED)];
    for proto in ["tcp", "udp"] {
        probes.extend([
            probe("internet", "c2", proto, "198.51.100.9", 80, SILENCE),
            probe("the gateway, unasked", "c2", proto, "192.168.50.1", 80, SILENCE),
            probe("the gateway asks", "gw", proto, "10.87.1.2", 80, "c2 192.168.50.1"),
            probe("another container", "c3", proto, "10.87.1.2", 80, "c2 10.87.1.3"),
            probe("another host's container", "c2", proto, "10.87.2.5", 80, "stranger 10.87.1.2"),
            probe("DNS", "c2", proto, "10.87.1.1", 53, "host 10.87.1.2"),
        ]);
    }
    world.ask("egress none", &probes);
}
