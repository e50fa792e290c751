//! Containers with IPv6: who reaches whom, published ports, other namespaces, both families at once.
//!
//! The small internet of `traffic` has IPv6 here: the LAN is `2001:db8:50::/64` with the router `gw`, whose advertisement gives this
//! host its default route, and `inet` is `2001:db8:99::9`.

use serde_json::{Value, json};

use crate::ipv6_frames::advertisement;
use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NAMELESS, NFT_WITHOUT_FIB, REFUSED, SILENCE, World, probe};
use crate::world;

/// The bridge's address and those of the containers.
pub(crate) const BRIDGE6: &str = "fd0a:57f1:a7e0:1::1";
pub(crate) const C2_6: &str = "fd0a:57f1:a7e0:1::2";
pub(crate) const C3_6: &str = "fd0a:57f1:a7e0:1::3";
pub(crate) const C4_6: &str = "fd0a:57f1:a7e0:1::4";
/// This host, the stranger and the host on the internet.
pub(crate) const HOST_LAN6: &str = "2001:db8:50::2";
pub(crate) const STRANGER6: &str = "2001:db8:50::66";
pub(crate) const INET6: &str = "2001:db8:99::9";

const NETWORK: &str = r"
ip addr add 2001:db8:50::2/64 dev eth0 nodad
ip -n gw addr add 2001:db8:50::1/64 dev eth0 nodad; ip -n gw addr add fe80::1/64 dev eth0 nodad
ip -n gw addr add 2001:db8:99::1/64 dev wan nodad; ip netns exec gw sysctl -qw net.ipv6.conf.all.forwarding=1
ip -n inet addr add 2001:db8:99::9/64 dev eth0 nodad; ip -n inet route add default via 2001:db8:99::1
ip -n stranger addr add 2001:db8:50::66/64 dev eth0 nodad; ip -n stranger route add default via 2001:db8:50::1
for name in gw stranger; do ip -n $name route add fd0a:57f1:a7e0:1::/64 via 2001:db8:50::2; done
";

/// The lines of the configuration without `fib`, which is how WSL2's kernels are.
pub(crate) fn without_fib() -> String {
    format!("{NAMELESS}ipv6: auto\ntools: {{nft: {NFT_WITHOUT_FIB}}}\n")
}

pub(crate) fn with_fib() -> String {
    format!("{NAMELESS}ipv6: auto\n")
}

/// A host that has its IPv6 default route from a router's advertisement.
pub(crate) fn world6(yaml: &str) -> World {
    world_of(World::new(Sandbox::podman4(), yaml))
}

fn world_of(world: World) -> World {
    world.sh(NETWORK);
    advertise(&world, None);
    world.sandbox.eventually("ip -6 route show default | grep 'via fe80::1 dev eth0 proto ra'").succeeds();
    world
}

/// The router `gw` says that it is one, and which addresses hosts may make themselves.
pub(crate) fn advertise(world: &World, prefix: Option<&str>) {
    world.wire(&[], &[("gw", advertisement(world.mac_of("gw", "eth0"), prefix, 1800))], "");
}

fn published() -> Value {
    json!([
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8080, "containerPort": 80, "protocol": "udp"},
        {"hostPort": 8081, "containerPort": 80, "protocol": "tcp", "hostIP": "::"},
        {"hostPort": 8082, "containerPort": 80, "protocol": "tcp", "hostIP": "0.0.0.0"},
        {"hostPort": 8083, "containerPort": 80, "protocol": "tcp", "hostIP": HOST_LAN6},
    ])
}

#[test]
fn everybody_reaches_who_is_reached_by_ipv4_with_fib() {
    everybody_reaches_who_is_reached_by_ipv4(&with_fib());
}

#[test]
fn everybody_reaches_who_is_reached_by_ipv4_without_fib() {
    everybody_reaches_who_is_reached_by_ipv4(&without_fib());
}

fn everybody_reaches_who_is_reached_by_ipv4(yaml: &str) {
    let world = world6(yaml);
    world.attach("c2", &published());
    world.attach("c3", &json!([]));
    world.serve(&[
        ("c2", "c2", C2_6, &[80]),
        ("c2", "c2", "10.87.1.2", &[80]),
        ("inet", "inet", INET6, &[80]),
        (HOST, "host", "::", &[9000]),
    ]);
    let mut probes = vec![
        probe("a container", "c3", "tcp", C2_6, 80, &format!("c2 {C3_6}")),
        probe("a container, UDP", "c3", "udp", C2_6, 80, &format!("c2 {C3_6}")),
        probe("this host", HOST, "tcp", C2_6, 80, &format!("c2 {BRIDGE6}")),
        probe("the internet, translated", "c3", "tcp", INET6, 80, &format!("inet {HOST_LAN6}")),
        probe("the internet, UDP", "c3", "udp", INET6, 80, &format!("inet {HOST_LAN6}")),
        probe("a stranger", "stranger", "tcp", C2_6, 80, SILENCE),
        probe("a service of this host", "c3", "tcp", BRIDGE6, 9000, SILENCE),
        probe("the same at its address in the LAN", "c3", "tcp", HOST_LAN6, 9000, SILENCE),
        probe("nobody's address", "c3", "tcp", "fd0a:57f1:a7e0:1::63", 80, "network is unreachable"),
        probe(
            "nobody's address, from this host",
            HOST,
            "tcp",
            "fd0a:57f1:a7e0:1::63",
            80,
            "no route to host",
        ),
        probe("by 127.0.0.1", HOST, "tcp", "127.0.0.1", 8080, "c2 10.87.1.1"),
        probe("by ::1", HOST, "tcp", "::1", 8080, REFUSED),
        probe("by ::1, UDP", HOST, "udp", "::1", 8080, "operation not permitted"),
        probe("at 0.0.0.0 only", "stranger", "tcp", HOST_LAN6, 8082, REFUSED),
        probe("at 0.0.0.0", "stranger", "tcp", "192.168.50.2", 8082, "c2 192.168.50.66"),
        probe("at [::] only", "stranger", "tcp", "192.168.50.2", 8081, REFUSED),
        probe("at this address", "stranger", "tcp", HOST_LAN6, 8083, &format!("c2 {STRANGER6}")),
        probe("at another address", "c3", "tcp", BRIDGE6, 8083, SILENCE),
    ];
    for (from, seen) in [("stranger", STRANGER6), ("c3", BRIDGE6), ("c2", BRIDGE6), (HOST, HOST_LAN6)] {
        for (proto, port) in [("tcp", 8080), ("udp", 8080), ("tcp", 8081)] {
            probes.push(probe("a published port", from, proto, HOST_LAN6, port, &format!("c2 {seen}")));
        }
    }
    // nft without `-c` is also one without `reject`.
    if yaml.contains(NFT_WITHOUT_FIB) {
        probes.retain(|probe| !probe.is_to("::1"));
    }
    world.ask(yaml, &probes);
    for (from, to) in [("c2", C3_6), ("c2", BRIDGE6), ("c3", INET6)] {
        world.sh(&format!("ip netns exec {from} ping -nqc1 -W2 {to}; ping -nqc1 -W2 {C2_6}"));
    }
    world.sandbox.sh(&format!("ip netns exec stranger ping -nqc1 -W1 {C2_6}")).fails();
    // Nothing was looked for: no neighbour on any side.
    let neighbours = "for name in c2 c3; do ip -n $name -6 neigh; done; ip -6 neigh | grep -e ' dev fn' -e ' dev flatnet' || true";
    assert_eq!(world.sh(neighbours), "");
    let links = "ip -n c2 -6 -br addr show dev eth0; ip -6 -br addr show dev flatnet-br0";
    let shown: Vec<String> = world.sh(links).split_whitespace().map(str::to_owned).collect();
    assert!(shown.contains(&format!("{C2_6}/128")) && shown.contains(&format!("{BRIDGE6}/128")), "{shown:?}");
    assert!(!shown.iter().any(|word| word.starts_with("fe80")), "no link-local address: {shown:?}");
    world.sh("flatnet repair --dry-run | grep '^Nothing to do'");
}

/// A prefix that is routed to this host: nothing is translated.
#[test]
fn given_prefix_is_not_translated() {
    let world = world6(&format!("{NAMELESS}ipv6: 2001:db8:87::/48\n"));
    world.sh("ip -n gw route add 2001:db8:87:1::/64 via 2001:db8:50::2");
    assert_eq!(world.attach("c2", &published()), "10.87.1.2");
    world.serve(&[("inet", "inet", INET6, &[80]), ("c2", "c2", "2001:db8:87:1::2", &[80])]);
    world.ask(
        "a prefix",
        &[
            probe("the internet", "c2", "tcp", INET6, 80, "inet 2001:db8:87:1::2"),
            probe("from the internet", "inet", "tcp", "2001:db8:87:1::2", 80, SILENCE),
            probe("a published port", "inet", "tcp", HOST_LAN6, 8080, &format!("c2 {INET6}")),
        ],
    );
    world.sh(&format!("ip netns exec c2 ping -nqc1 -W2 {INET6}"));
}

/// All that is made is removed, whatever the runtime leaves of the namespace.
#[test]
fn del_and_down_leave_nothing() {
    let world = World::new(Sandbox::podman4(), &with_fib());
    world.sh(NETWORK);
    let before = world::World::of(&world.sandbox).without_files();
    world.sh("flatnet up");
    let up = world::World::of(&world.sandbox).without_files();
    world.sh("ip netns add c2");
    let with_netns = world::World::of(&world.sandbox).without_files();
    world.attach("c2", &published());
    world.cni("DEL", "c2", &published()).succeeds();
    with_netns.assert_is_back_but_for_files(&world.sandbox);
    world.attach("c2", &published());
    world.sh("ip netns del c2");
    world.cni("DEL", "c2", &published()).succeeds();
    up.assert_is_back_but_for_files(&world.sandbox);
    world.sh("flatnet down");
    before.assert_is_back_but_for_files(&world.sandbox);
}

/// In a namespace without IPv6 a container has IPv4, as ever.
#[test]
fn namespace_without_ipv6_has_ipv4() {
    let world = world6(&with_fib());
    for (name, setting) in [("c2", "all"), ("c3", "default")] {
        world.sh(&format!(
            "ip netns add {name}; ip netns exec {name} sysctl -qw net.ipv6.conf.{setting}.disable_ipv6=1; ip -n {name} link set lo up"
        ));
        world.attach(name, &json!([]));
        assert_eq!(world.sh(&format!("ip -n {name} -6 addr show dev eth0")), "");
    }
    world.sh("ip netns exec c2 ping -nqc1 -W2 10.87.1.3; ip netns exec c2 ping -nqc1 -W2 198.51.100.9");
    let port = json!([{"hostPort": 8084, "containerPort": 80, "protocol": "tcp", "hostIP": "::"}]);
    world.cni("DEL", "c2", &json!([])).succeeds();
    let refused = world.cni("ADD", "c2", &port).fails();
    assert!(refused.stdout.contains("containers have no IPv6 here"), "{refused}");
    // One that switches it off later keeps IPv4, and is complete.
    world.attach("c4", &json!([]));
    world.sh(&format!("ip netns exec c4 ping -nqc1 -W2 {BRIDGE6}; ip netns exec c4 sysctl -qw net.ipv6.conf.all.disable_ipv6=1"));
    world.sh("flatnet repair --dry-run | grep '^Nothing to do'; ip netns exec c4 ping -nqc1 -W2 10.87.1.3");
}

/// `--ip6` asks for the container's IPv4 address too; an address that belongs to none is refused.
#[test]
fn ipv6_address_is_requested_with_its_ipv4_address() {
    let world = world6(&with_fib());
    world.sh("ip netns add c2");
    let add = |ips: &Value| {
        let conf = json!({"cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet", "runtimeConfig": {"ips": ips}});
        world.sandbox.sh(&format!(
            "CNI_COMMAND=ADD CNI_CONTAINERID=c2-id CNI_NETNS=/run/netns/c2 CNI_IFNAME=eth0 CNI_PATH=/ flatnet <<<'{conf}'"
        ))
    };
    for (ips, why) in [
        (json!(["fd0a:57f1:a7e0:1::9", "10.87.1.8"]), "do not belong together"),
        (json!(["2001:db8::9"]), "is not the IPv6 address of an address of 10.87.0.0/16"),
    ] {
        let refused = add(&ips).fails();
        assert!(refused.stdout.contains(why), "{refused}");
    }
    let made = add(&json!(["fd0a:57f1:a7e0:1::9"])).succeeds();
    let result: Value = serde_json::from_str(&made.stdout).unwrap_or_default();
    let ip = |address, gateway| json!({"address": address, "gateway": gateway, "interface": 2});
    assert_eq!(
        result["ips"],
        json!([ip("10.87.1.9/24", "10.87.1.1"), ip("fd0a:57f1:a7e0:1::9/128", BRIDGE6)]),
        "{made}"
    );
    world.sh("flatnet ps | grep fd0a:57f1:a7e0:1::9; flatnet inspect 10.87.1.9 | grep fd0a:57f1:a7e0:1::9");
}
