//! Containers reach their resolver where it is this host itself: WSL2 has its DNS server at an address of `lo`.

use serde_json::json;

use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NAMELESS, Probe, SILENCE, World, probe};

const RESOLVER: &str = "10.255.255.254";

#[test]
fn host_resolver_is_reachable_at_any_host_address() {
    let world = World::new(Sandbox::podman4(), NAMELESS);
    world.sh(&format!("ip addr add {RESOLVER}/32 dev lo; echo nameserver 192.0.2.1 >/etc/resolv.conf"));
    world.attach("c2", &json!([]));
    world.serve(&[(HOST, "host", "0.0.0.0", &[53, 54])]);
    let at = |address: &'static str, port: u16, wanted: &'static str| {
        ["udp", "tcp"]
            .map(|protocol| probe("a container to this host", "c2", protocol, address, port, wanted))
    };
    let own = "192.168.50.2";
    let ask = |when: &str, probes: Vec<[Probe; 2]>| {
        world.ask(when, &probes.into_iter().flatten().collect::<Vec<_>>());
    };
    ask("resolv.conf names another host", vec![at(RESOLVER, 53, SILENCE), at(own, 53, SILENCE)]);

    // The next ADD updates the ruleset.
    world.sh(&format!("echo nameserver {RESOLVER} >/etc/resolv.conf"));
    world.attach("c3", &json!([]));
    let resolver = at(RESOLVER, 53, "host 10.87.1.2");
    ask("resolv.conf names this host", vec![resolver, at(RESOLVER, 54, SILENCE), at(own, 53, SILENCE)]);
    world.sh("flatnet plan --dry-run --exit-code");

    // If resolv.conf names only loopback addresses, Podman gives containers the servers of systemd-resolved.
    world.sh(&format!(
        "echo nameserver 127.0.0.53 >/etc/resolv.conf; mkdir -p /run/systemd/resolve
        echo nameserver {RESOLVER} >/run/systemd/resolve/resolv.conf; flatnet plan --dry-run --exit-code"
    ));

    // A removed resolver is closed, also for existing flows.
    world.configure(&format!("dns: {{servers: [{own}]}}\n{NAMELESS}"));
    world.sh("rm /run/systemd/resolve/resolv.conf; flatnet up");
    let configured = at(own, 53, "host 10.87.1.2");
    ask("the configuration names this host", vec![at(RESOLVER, 53, SILENCE), configured]);
}
