//! `flatnet up` replaces the ruleset without breaking connections, and keeps foreign tables.

use serde_json::json;

use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NAMELESS, World};

fn world() -> World {
    let world = World::new(Sandbox::podman4(), NAMELESS);
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]);
    world.attach("c2", &ports);
    world.attach("c3", &json!([]));
    world.bridge_nf_call(0);
    world.serve(&[
        ("c2", "c2", "0.0.0.0", &[80]),
        ("inet", "inet", "0.0.0.0", &[80]),
        (HOST, "host", "0.0.0.0", &[53]),
    ]);
    world
}

#[test]
fn open_connections_survive() {
    let world = world();
    let before = world.table_handle();
    world.configure(&format!("host_ports: [{{protocol: tcp, port: 6000}}]\n{NAMELESS}"));
    let connections = [
        ("c2", "198.51.100.9", 80),
        ("gw", "10.87.1.2", 80),
        ("stranger", "192.168.50.2", 8080),
        (HOST, "127.0.0.1", 8080),
        (HOST, "10.87.1.2", 80),
        ("c3", "10.87.1.2", 80),
        ("c3", "192.168.50.2", 8080),
        ("c2", "10.87.1.1", 53),
    ];
    let seen = world.hold(&connections, "flatnet up");
    let wanted = [
        "inet 192.168.50.2",
        "c2 192.168.50.1",
        "c2 192.168.50.66",
        "c2 10.87.1.1",
        "c2 10.87.1.1",
        "c2 10.87.1.3",
        "c2 10.87.1.1",
        "host 10.87.1.2",
    ];
    assert_eq!(seen, wanted);
    assert!(world.sh("nft list set inet flatnet host_ports").contains("tcp . 6000"));
    assert_ne!(world.table_handle(), before, "the ruleset was not replaced: this test proves nothing");
}

/// Flatnet replaces and makes its tables, adds and deletes elements, and takes everything down: foreign tables stay.
#[test]
fn foreign_tables_are_left_alone() {
    let world = world();
    world.sh(
        "nft -f - <<'END'
table inet other {
    set bindings { typeof ether saddr . ip saddr; elements = { 02:00:00:00:00:01 . 10.87.1.2 comment \"not ours\" }; }
    chain at_arrival { type filter hook prerouting priority 5; policy accept; ip daddr 192.0.2.1 counter drop comment \"not ours\"; }
}
table ip flatnet {
    chain c { counter comment \"the same name, another family\"; }
}
END
         iptables -t nat -A POSTROUTING -s 172.31.0.0/24 -d 203.0.113.0/24 -j MASQUERADE -m comment --comment 'not ours'",
    );
    let foreign = || world.sh("nft list table inet other; nft list table ip flatnet; nft list table ip nat");
    let before = foreign();
    for script in ["flatnet up", "nft delete table inet flatnet; flatnet up", "flatnet down --force"] {
        world.sh(script);
        assert_eq!(foreign(), before, "{script}");
        world.configure(&format!("host_ports: [{{protocol: tcp, port: 6000}}]\n{NAMELESS}"));
    }
    assert_eq!(
        world.sh("nft list tables").lines().filter(|line| !before.contains(&format!("{line} {{"))).count(),
        0
    );
    world.attach("c4", &json!([]));
    world.cni("DEL", "c4", &json!([])).succeeds();
    assert_eq!(foreign(), before);
}
