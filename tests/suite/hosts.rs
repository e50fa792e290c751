//! Hosts as other people set them up: hardened by sysctl, and with programs beside Flatnet that manage links and rules.
//! Those are Debian 13's own, run for real.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NFT_WITHOUT_FIB, Probe, SILENCE, World, probe};

/// Settings that people harden hosts with, each for all links and for those that come.
const HARDENED: [&[&str]; 11] = [
    &["arp_ignore=1", "arp_announce=2", "arp_filter=1"],
    &["arp_ignore=2"],
    &["rp_filter=1"],
    &["rp_filter=2"],
    &["rp_filter=1", "arp_ignore=1", "log_martians=1", "accept_local=0", "accept_source_route=0"],
    &["send_redirects=0", "accept_redirects=0", "secure_redirects=0", "shared_media=0"],
    &["drop_unicast_in_l2_multicast=1", "arp_notify=1", "drop_gratuitous_arp=1"],
    &["proxy_arp=1", "route_localnet=1", "promote_secondaries=1"],
    &["/bridge/bridge-nf-call-iptables=1", "/bridge/bridge-nf-call-arptables=1", "rp_filter=1"],
    &["/ipv6/conf/all/disable_ipv6=1", "/ipv6/conf/default/disable_ipv6=1"],
    &["/ipv4/conf/default/forwarding=0", "/netfilter/nf_conntrack_tcp_loose=0"],
];

fn published() -> Value {
    json!(["tcp", "udp"].map(|proto| json!({"hostPort": 8080, "containerPort": 80, "protocol": proto})))
}

/// A host with c2, which publishes a port, and c3, which does not.
fn with_containers(builder: crate::sandbox::Builder, yaml: &str) -> World {
    let world = World::new(builder, yaml);
    world.sh("flatnet up");
    world.attach("c2", &published());
    world.attach("c3", &json!([]));
    serve(&world);
    world
}

fn serve(world: &World) {
    world.serve(&["c2", "c3", "stranger"].map(|name| (name, name, "0.0.0.0", &[80][..])));
}

/// From everywhere to everywhere, as on a host that nobody hardened.
fn everything() -> Vec<Probe> {
    let mut probes = Vec::new();
    for proto in ["tcp", "udp"] {
        probes.extend([
            probe("container to container", "c2", proto, "10.87.1.3", 80, "c3 10.87.1.2"),
            probe("host to container", HOST, proto, "10.87.1.2", 80, "c2 10.87.1.1"),
            probe("gateway to container", "gw", proto, "10.87.1.3", 80, "c3 192.168.50.1"),
            probe("container to LAN", "c3", proto, "192.168.50.66", 80, "stranger 192.168.50.2"),
            probe("published, from the LAN", "stranger", proto, "192.168.50.2", 8080, "c2 192.168.50.66"),
            probe("published, at 127.0.0.1", HOST, proto, "127.0.0.1", 8080, "c2 10.87.1.1"),
            probe("published, from a container", "c3", proto, "192.168.50.2", 8080, "c2 10.87.1.1"),
            probe("published, from itself", "c2", proto, "192.168.50.2", 8080, "c2 10.87.1.1"),
        ]);
    }
    probes
}

fn hardened_hosts(fib: bool) {
    let tools = if fib { String::new() } else { format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n") };
    let world = with_containers(Sandbox::podman4(), &tools);
    world.bridge_nf_call(0);
    world.sh("grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/bridge >/tmp/as-it-was");
    for settings in HARDENED {
        let name = settings.join(" ");
        // The containers too: a new namespace inherits from the machine's own, not from the sandbox.
        let set: String = settings
            .iter()
            .flat_map(|setting| match setting.strip_prefix('/') {
                Some(global) => vec![format!("sysctl -qw net/{global}")],
                None => ["all", "default"]
                    .iter()
                    .flat_map(|which| {
                        let set = format!("sysctl -qw net/ipv4/conf/{which}/{setting}");
                        [set.clone(), format!("ip netns exec c2 {set}"), format!("ip netns exec c3 {set}")]
                    })
                    .collect(),
            })
            .collect::<Vec<_>>()
            .join("\n");
        world.sh(&set);
        // Once for containers that were there, once for those that are attached on such a host.
        world.ask(&format!("{name}, fib {fib}"), &everything());
        for container in ["c2", "c3"] {
            let ports = if container == "c2" { published() } else { json!([]) };
            world.cni("DEL", container, &ports).succeeds();
            world.attach(container, &ports);
        }
        world.ask(&format!("{name}, fib {fib}, attached anew"), &everything());
        world.sh("flatnet plan --exit-code; flatnet repair --dry-run | grep '^Nothing to do'");
        world.sh("sed 's/:/ /' /tmp/as-it-was | while read -r file value; do [ ! -e $file ] || [ \"$(<$file)\" = \"$value\" ] || echo \"$value\" >$file; done");
    }
    // It can fail, and what is mended is.
    world.sh("sysctl -qw net.ipv4.conf.all.forwarding=0");
    world.ask("forwarding off", &[probe("container to container", "c2", "tcp", "10.87.1.3", 80, SILENCE)]);
    world.sh("flatnet repair");
    world.ask("repaired", &everything());
}

#[test]
fn hardened_hosts_with_fib() {
    hardened_hosts(true);
}

#[test]
fn hardened_hosts_without_fib() {
    hardened_hosts(false);
}
