//! Upgrade from Flatnet 0.1.0 with running containers and traffic.
//!
//! `captured/flatnet-0.1.0` has 0.1.0's commands (`plan --format sh`) and state on a host of [`World`], for an isolated
//! and for a plain network with the containers c2, which publishes 8080, and c3. These commands set up the host and the
//! links here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flatnet::state::receipt;
use serde_json::{Value, json};

use crate::frames::{BROADCAST, Ends, NOBODY, REPLY, arp, icmp_error, mac};
use crate::guard::{Attack, BRIDGE, C2, C3, C4, Ear, GATEWAY, HOST_LAN, ICMP, STRANGER, TCP, UDP, attack};
use crate::sandbox::Sandbox;
use crate::traffic::{HOST, World, cni_script};

const STATE: &str = "/var/lib/flatnet/flatnet";

struct Captured {
    bridging: &'static str,
    up: &'static str,
    host: &'static str,
    leases: &'static str,
    receipts: [(&'static str, &'static str); 2],
}

macro_rules! captured {
    ($bridging:literal) => {
        Captured {
            bridging: $bridging,
            up: include_str!(concat!("../captured/flatnet-0.1.0/", $bridging, "/up.sh")),
            host: include_str!(concat!("../captured/flatnet-0.1.0/", $bridging, "/host.json")),
            leases: include_str!(concat!("../captured/flatnet-0.1.0/", $bridging, "/leases.json")),
            receipts: [
                ("c2", include_str!(concat!("../captured/flatnet-0.1.0/", $bridging, "/c2.json"))),
                ("c3", include_str!(concat!("../captured/flatnet-0.1.0/", $bridging, "/c3.json"))),
            ],
        }
    };
}

const ISOLATED: Captured = captured!("isolated");
const PLAIN: Captured = captured!("plain");

/// A host on which 0.1.0 is up and has attached c2 and c3. This version has not run there.
fn host_of_0_1_0(captured: &Captured) -> World {
    let world = World::new(Sandbox::podman4(), &format!("bridging: {}\n", captured.bridging));
    // Otherwise 0.1.0 loses packets from containers to published ports.
    world.bridge_nf_call(0);
    world.sh(captured.up);
    let mut changes =
        BTreeMap::from([("boot_id", json!(world.sandbox.read("/proc/sys/kernel/random/boot_id").trim()))]);
    for (name, text) in captured.receipts {
        world.sandbox.add_netns(name);
        let (receipt, _) = receipt::parse(text.as_bytes()).unwrap();
        let script = receipt.commands.iter().fold(String::new(), |mut script, command| {
            let _ = writeln!(script, "{command}");
            script
        });
        world.sh(&script);
        let netns = world.sh(&format!(r#"stat -Lc '{{"dev":%d,"ino":%i}}' /run/netns/{name}"#));
        changes.insert("netns_id", serde_json::from_str(&netns).unwrap());
        let (first, events) = text.split_once('\n').unwrap();
        write(
            &world,
            &format!("receipts/{name}-id@eth0.json"),
            &format!("{}\n{events}", of_this_machine(first, &changes)),
        );
    }
    write(&world, "leases.json", captured.leases);
    changes.remove("netns_id");
    write(&world, "host.json", &of_this_machine(captured.host, &changes));
    world.sh("ip netns add c4; ip -n c4 link set lo up; ip netns exec c2 ping -nqc1 -W2 10.87.1.1; ip netns exec c3 ping -nqc1 -W2 10.87.1.1");
    let any = "0.0.0.0";
    world.serve(&[
        ("c2", "c2", any, &[80]),
        ("c3", "c3", any, &[80]),
        ("c4", "c4", any, &[80]),
        ("gw", "gw", any, &[80]),
        ("inet", "inet", any, &[80]),
        (HOST, "host", any, &[53]),
    ]);
    world
}

/// Replaces boot ID and namespace with this machine's, and so removes the checksum.
fn of_this_machine(text: &str, changes: &BTreeMap<&str, Value>) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for (key, change) in changes {
        value[*key] = change.clone();
    }
    value.as_object_mut().unwrap().remove("sha256");
    value.to_string()
}

fn write(world: &World, name: &str, text: &str) {
    world.sandbox.write(&format!("{STATE}/{name}"), text);
    world.sh(&format!("chmod 600 {STATE}/{name}; chmod 700 /var/lib/flatnet {STATE} {STATE}/receipts"));
}

/// Flows of old containers: to and from this host, between them, from Windows, published, to the world, hairpin.
const OLD: [(&str, &str, u16, &str); 9] = [
    (HOST, C2, 80, "c2 10.87.1.1"),
    ("c2", BRIDGE, 53, "host 10.87.1.2"),
    ("c3", C2, 80, "c2 10.87.1.3"),
    ("gw", C2, 80, "c2 192.168.50.1"),
    ("c2", "198.51.100.9", 80, "inet 192.168.50.2"),
    ("c3", GATEWAY, 80, "gw 192.168.50.2"),
    ("stranger", HOST_LAN, 8080, "c2 192.168.50.66"),
    (HOST, "127.0.0.1", 8080, "c2 10.87.1.1"),
    ("c3", HOST_LAN, 8080, "c2 10.87.1.1"),
];

/// Flows between a new container and old ones.
const NEW: [(&str, &str, u16, &str); 4] = [
    ("c4", C2, 80, "c2 10.87.1.4"),
    ("c3", C4, 80, "c4 10.87.1.3"),
    ("c4", "198.51.100.9", 80, "inet 192.168.50.2"),
    (HOST, C4, 80, "c4 10.87.1.1"),
];

/// How many answers may be missing. There is a request every 10 ms.
const MAY_BE_LOST: u64 = 5;

/// Runs a script while the flows are in use: no connection is lost, and at most a few packets.
fn keeps(world: &World, what: &str, flows: &[(&str, &str, u16, &str)], script: &str) {
    let plan: Vec<_> = flows.iter().map(|(from, to, port, _)| (from, to, port)).collect();
    let kept = world.traffic("keep", &json!({"flows": plan, "run": script}));
    for (number, (from, to, port, who)) in flows.iter().enumerate() {
        let kept = &kept[number];
        let flow = format!("{what}: from {from:?} to {to}:{port}: {kept}");
        assert_eq!(kept["tcp"], "whole", "{flow}");
        assert_eq!(kept["who"], *who, "{flow}");
        assert!(kept["asked"].as_u64().unwrap_or_default() >= 20, "{flow}");
        assert!(kept["lost"].as_u64().is_some_and(|lost| lost <= MAY_BE_LOST), "{flow}");
    }
}

/// Spoofed packets of c3 with an address of c2 or the LAN, which 0.1.0 blocks.
fn attacks(world: &World, round: u32) -> (Vec<Ear>, Vec<Attack>) {
    let bridge = mac(BRIDGE);
    let name = |what: &str| format!("{what}, {round}");
    let to = |dest, port| Ends { from: (C2, 5000), dest: (dest, port) };
    let own = Ends { from: (C3, 5000), dest: (BRIDGE, 22) };
    let about = Ends { from: (C2, 1), dest: (STRANGER, 2) };
    let ears = vec![("", UDP), ("", TCP), ("", ICMP), ("c4", UDP), ("stranger", UDP)];
    let attacks = vec![
        attack(name("c2's address"), "c3", |token| to(BRIDGE, 53).frame(bridge, mac(C3), UDP, token)),
        attack(name("c2's MAC and address"), "c3", |token| to(BRIDGE, 53).frame(bridge, mac(C2), UDP, token)),
        attack(name("c2's address to a new one"), "c3", |token| {
            to(C4, 9000).frame(bridge, mac(C3), UDP, token)
        }),
        attack(name("c2's address to the LAN"), "c3", |token| {
            to(STRANGER, 9000).frame(bridge, mac(C3), UDP, token)
        }),
        attack(name("a closed service"), "c3", |token| own.syn(bridge, mac(C3), token)),
        attack(name("an error about nothing"), "c3", |token| {
            icmp_error(bridge, mac(C3), (C3, BRIDGE), (3, 4, 552), &about.packet(UDP, token))
        }),
        attack(name("c2's address from the LAN"), "stranger", |token| {
            to(HOST_LAN, 53).frame(world.mac_of("", "eth0"), world.mac_of("stranger", "eth0"), UDP, token)
        }),
    ];
    (ears, attacks)
}

/// Asserts that the guard of the bridge's ports works until they are changed over.
fn is_guarded(world: &World, when: &str, round: u32) {
    world.rp_filter(0);
    let (ears, attacks) = attacks(world, round);
    world.holds(when, &ears, &attacks);
    let lie = arp(BROADCAST, mac(C3), REPLY, (mac(C3), C2), (BROADCAST, C2));
    let asked = arp(mac(BRIDGE), mac(C3), 1, (mac(C3), C2), (NOBODY, BRIDGE));
    world.wire(&[], &[("c3", lie), ("c3", asked)], "");
    // With a plain bridge, containers accept spoofed replies, including the sender.
    world.sh("for name in c2 c3 c4; do ip -n $name neigh flush all; done");
    let known = world.sh("ip neigh show | grep -v FAILED || true");
    assert!(!known.contains("10.87.1.2 dev flatnet-br0 lladdr 02:f1:0a:57:01:03"), "{when}: {known}");
}

fn add() -> String {
    cni_script("ADD", "c4", &json!([])) + " >/dev/null"
}

#[test]
fn upgrade_from_isolated_ports_loses_nothing() {
    let world = host_of_0_1_0(&ISOLATED);
    keeps(&world, "the first ADD of this version", &OLD, &add());
    world.sh("flatnet ps | grep -c running | grep -x 3");
    // Before a repair, old containers stay as they are, and all containers reach one another.
    assert_eq!(world.sh("ip -o link show master flatnet-br0 | wc -l").trim(), "2");
    assert!(world.sh("ip -o addr show dev flatnet-br0").contains("10.87.1.1/24"));
    is_guarded(&world, "before the repair", 1);
    let shown = world.sh("flatnet repair --dry-run");
    for step in [
        "nomaster",
        "route append 10.87.1.2/32 dev fn8dab3a27e629 proto 87 src 10.87.1.1",
        "address 02:f1:0a:57:01:02",
        "arp off",
        "delete table arp flatnet",
        "addr del 10.87.1.1/24",
    ] {
        assert!(shown.contains(step), "the dry run does not show `{step}`:\n{shown}");
    }
    assert_eq!(
        world.sh("ip -o link show master flatnet-br0 | wc -l").trim(),
        "2",
        "a dry run changes nothing"
    );

    keeps(&world, "repair", &[&OLD[..], &NEW[..]].concat(), "flatnet repair");
    assert_eq!(world.sh("ip -o link show master flatnet-br0"), "");
    let addresses = world.sh("ip -o -4 addr show dev flatnet-br0");
    assert!(addresses.contains("10.87.1.1/32") && addresses.lines().count() == 1, "{addresses}");
    assert_eq!(world.sh("nft list tables"), "table inet flatnet\n");
    assert_eq!(world.sh("ip -n c2 neigh; ip -n c3 neigh"), "", "no ARP requests any more");
    world.sh("flatnet plan --dry-run --exit-code; flatnet repair | grep -v '^#'");
    let again = world.sh("flatnet repair --dry-run --format json | jq -c .commands");
    assert_eq!(again.trim(), "[]", "a second repair has nothing to do");
    keeps(&world, "after the repair", &[&OLD[..], &NEW[..]].concat(), "flatnet up");
    is_guarded(&world, "after the repair", 2);
    goes_without_a_trace(&world);
}

#[test]
fn upgrade_from_plain_ports_loses_nothing() {
    let world = host_of_0_1_0(&PLAIN);
    keeps(&world, "the first ADD of this version", &OLD, &add());
    is_guarded(&world, "before the repair", 1);
    keeps(&world, "repair", &[&OLD[..], &NEW[..]].concat(), "flatnet repair");
    world.sh("flatnet plan --dry-run --exit-code");
    assert_eq!(
        world.sh("ip -o link show master flatnet-br0 | wc -l").trim(),
        "3",
        "plain ports stay in the bridge"
    );
    is_guarded(&world, "after the repair", 2);
    goes_without_a_trace(&world);
}

/// DEL of an old receipt removes everything that 0.1.0 made for the container; other containers stay.
#[test]
fn old_container_can_be_removed_without_repair() {
    for captured in [ISOLATED, PLAIN] {
        let world = host_of_0_1_0(&captured);
        // c2's DEL is the first run of this version.
        world.cni("DEL", "c2", &json!([])).succeeds();
        let left = world.sh(
            "nft list ruleset; bridge fdb show; ip -br link; ip route; ls /var/lib/flatnet/flatnet/receipts",
        );
        let traces = ["c2-id", "10.87.1.2", "fn8dab3a27e629", "02:f1:0a:57:01:02"]
            .iter()
            .filter(|trace| left.contains(**trace))
            .count();
        assert_eq!(traces, 0, "{}: {left}", captured.bridging);
        // Before c3's DEL, this version has made its tables.
        world.sh(&add());
        keeps(
            &world,
            captured.bridging,
            &[("c3", GATEWAY, 80, "gw 192.168.50.2"), (HOST, C3, 80, "c3 10.87.1.1")],
            "true",
        );
        goes_without_a_trace(&world);
    }
}

/// A restarted container is attached in the new way. When the last old one restarts, the old setup is removed.
#[test]
fn restarted_old_container_is_changed_over() {
    let world = host_of_0_1_0(&ISOLATED);
    for name in ["c2", "c3"] {
        world.cni("DEL", name, &json!([])).succeeds();
        world.attach(name, &json!([]));
    }
    world.sh("flatnet up");
    assert_eq!(world.sh("ip -o link show master flatnet-br0"), "");
    assert_eq!(world.sh("nft list tables"), "table inet flatnet\n");
    keeps(&world, "both restarted", &OLD[..6], "true");
}

fn goes_without_a_trace(world: &World) {
    for name in ["c2", "c3", "c4"] {
        world.cni("DEL", name, &json!([])).succeeds();
    }
    let left = world.sh("nft list ruleset | grep -e -id -e '10\\.87\\.1\\.[234]' || true; ip -br link | grep '^fn' || true; ip route | grep '10\\.87\\.1\\.[234]' || true; bridge fdb show | grep 02:f1:0a:57:01:0[234] || true; ls /var/lib/flatnet/flatnet/receipts");
    assert_eq!(left, "");
    world.sh("flatnet down");
    assert_eq!(
        world.sh(
            "nft list tables; ip -br link | grep -E '^(fn|flatnet)' || true; ip route | grep 10.87.1 || true"
        ),
        ""
    );
}
