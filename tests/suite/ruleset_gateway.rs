//! Containers reach the HTTP gateway on this host. The gateway's rule opens no other service.

use serde_json::json;

use crate::sandbox::Sandbox;
use crate::traffic::{HOST, SILENCE, World, probe};

#[test]
fn local_gateway_ports_are_open_to_containers() {
    let world = World::new(Sandbox::podman4(), "");
    world.attach("c2", &json!([]));
    world.serve(&[(HOST, "host", "0.0.0.0", &[80, 81, 443, 8443])]);
    let ask = |when: &str, open: &[u16]| {
        let probes: Vec<_> = [80, 81, 443, 8443]
            .iter()
            .flat_map(|port| {
                ["192.168.50.2", "10.87.1.1"].map(|address| {
                    let wanted = if open.contains(port) { "host 10.87.1.2" } else { SILENCE };
                    probe("a container to this host", "c2", "tcp", address, *port, wanted)
                })
            })
            // The gateway does not use UDP.
            .chain([probe("the same over UDP", "c2", "udp", "192.168.50.2", 80, SILENCE)])
            .collect();
        world.ask(when, &probes);
    };
    ask("no gateway is installed", &[]);

    // A gateway on Windows opens no port of this host.
    world.sh("flatnet gateway install --platform windows; flatnet up");
    ask("the gateway is Windows'", &[]);

    // The next ADD updates the ruleset.
    world.sh("flatnet gateway install --platform linux --force");
    world.attach("c3", &json!([]));
    ask("the gateway is here", &[80]);
    world.sh("flatnet plan --dry-run --exit-code");

    // The gateway in the same folder belongs to another network.
    world.sh(r#"sed -i 's/"network": "flatnet"/"network": "lab"/' /var/lib/flatnet-gateway/conf/installed.json; flatnet up"#);
    ask("the gateway is another network's", &[]);
    world.sh("flatnet gateway install --platform linux --force");

    world.configure("gateway: {tls: {certificate: a.pem, key: a.key, listen: 8443}, listen: 81}\n");
    world.sh("flatnet up");
    ask("the gateway has other ports", &[81, 8443]);

    world.sh("rm -r /var/lib/flatnet-gateway; flatnet up");
    ask("the gateway was removed", &[]);
}
