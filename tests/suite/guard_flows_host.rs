//! Access that the configuration no longer allows also ends for existing flows: from a former ingress gateway, to a
//! service of this host, and to the outside.

use serde_json::json;

use crate::guard::{BRIDGE, C2, GATEWAY, HOST_LAN, Mode};
use crate::guard_flows::{FORGETS_NOTHING, forgets_nothing, talk};
use crate::traffic::{HOST, SILENCE, World};

/// With `open`, the gateway and the stranger may open connections to containers, and containers may use this host's UDP
/// and TCP port 5000. Otherwise only the gateway may, and only TCP port 5001.
fn yaml(mode: Mode, open: bool, forgets: bool) -> String {
    let (gateways, ports) = if open {
        ("[192.168.50.1, 192.168.50.66]", "[{protocol: udp, port: 5000}, {protocol: tcp, port: 5000}]")
    } else {
        ("[192.168.50.1]", "[{protocol: tcp, port: 5001}]")
    };
    let yaml = mode.yaml(&format!("ingress_gateways: {gateways}\nhost_ports: {ports}\n"));
    if forgets { yaml } else { forgets_nothing(&yaml) }
}

const CLIENTS: [(&str, &str, u16, &str, u16); 4] = [
    ("gw", GATEWAY, 40000, C2, 80),
    ("stranger", "192.168.50.66", 40001, C2, 80),
    ("c3", "10.87.1.3", 40002, BRIDGE, 5000),
    ("c3", "10.87.1.3", 40003, HOST_LAN, 5000),
];

fn world(mode: Mode, forgets: bool) -> World {
    let world = mode.world();
    world.sandbox.write(FORGETS_NOTHING, "#!/bin/sh\nexec cat >/dev/null\n");
    world.sandbox.write(crate::cni::CONFIG, &yaml(mode, true, forgets));
    world.sh(&format!("chmod 755 {FORGETS_NOTHING}; flatnet up"));
    world.serve(&[("c2", "c2", "0.0.0.0", &[80]), (HOST, "host", "0.0.0.0", &[5000])]);
    world
}

#[test]
fn flows_of_revoked_sources_end() {
    for (mode, forgets) in Mode::ALL.map(|mode| (mode, true)).into_iter().chain([(Mode::ROUTED, false)]) {
        let world = world(mode, forgets);
        world.sandbox.write("/tmp/closed.yaml", &yaml(mode, false, forgets));
        // TCP connections that are open during the change.
        let (tcp, connection) = ("ip netns exec", "exec 3<>/dev/tcp");
        world.sh(&format!(
            "hold() {{ {tcp} $1 bash -c \"{connection}/$2/$3; head -c 12 <&3; until [ -e /tmp/closed ]; do sleep 0.1; done
                echo again >&3; timeout 2 head -n 1 <&3\" >/tmp/held-$1 2>&1 & }}
             hold gw {C2} 80; hold stranger {C2} 80; hold c3 {BRIDGE} 5000
             for name in gw stranger c3; do until [ -s /tmp/held-$name ]; do sleep 0.05; done; done"
        ));
        let [before, after] =
            talk(&world, &CLIENTS, "cp /tmp/closed.yaml /etc/flatnet/flatnet.yaml; flatnet up");
        assert_eq!(
            before,
            ["c2 192.168.50.1", "c2 192.168.50.66", "host 10.87.1.3", "host 10.87.1.3"],
            "{mode:?}"
        );
        // The rules alone close a service of this host. For a former ingress gateway, conntrack entries must go.
        let stranger = if forgets { SILENCE } else { "c2 192.168.50.66" };
        assert_eq!(after, ["c2 192.168.50.1", stranger, SILENCE, SILENCE], "{mode:?}, {forgets}");
        if forgets {
            world.sh("flatnet plan --dry-run --exit-code");
        }
        let held = world.sh("touch /tmp/closed; sleep 2.5; grep -c again /tmp/held-gw /tmp/held-stranger /tmp/held-c3 || true");
        let still = u8::from(!forgets);
        assert_eq!(held, format!("/tmp/held-gw:1\n/tmp/held-stranger:{still}\n/tmp/held-c3:0\n"), "{mode:?}");
    }
}

/// With `egress: none`, existing flows that a container opened end. Flows that others opened to it continue.
#[test]
fn egress_none_ends_flows_opened_by_containers() {
    const CLIENTS: [(&str, &str, u16, &str, u16); 3] = [
        ("c2", C2, 40000, "192.168.50.66", 80),
        ("gw", GATEWAY, 40001, C2, 80),
        ("stranger", "192.168.50.66", 40002, HOST_LAN, 8080),
    ];
    for mode in Mode::ALL {
        let world = mode.world();
        world.cni("DEL", "c2", &json!([])).succeeds();
        world.attach("c2", &json!([{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]));
        world.serve(&[("c2", "c2", "0.0.0.0", &[80]), ("stranger", "stranger", "0.0.0.0", &[80])]);
        let egress = |egress| {
            world.sandbox.write(
                "/tmp/next.yaml",
                &mode.yaml(&format!("ingress_gateways: [192.168.50.1]\negress: {egress}\n")),
            );
            talk(&world, &CLIENTS, "cp /tmp/next.yaml /etc/flatnet/flatnet.yaml; flatnet up")
        };
        let open = ["stranger 192.168.50.2", "c2 192.168.50.1", "c2 192.168.50.66"];
        assert_eq!(egress("masquerade"), [open, open], "{mode:?}, control");
        assert_eq!(egress("none"), [open, [SILENCE, open[1], open[2]]], "{mode:?}");
    }
}

/// Deleting the flows is a step of the plan.
#[test]
fn plan_lists_flows_to_end() {
    let world = world(Mode::ROUTED, true);
    world.sandbox.write(crate::cni::CONFIG, &yaml(Mode::ROUTED, false, true));
    let plan = world.sandbox.sh("flatnet plan --dry-run");
    plan.prints("conntrack -D --orig-src 192.168.50.66 --orig-dst 10.87.1.0 --mask-dst 255.255.255.0");
    // Without the program, the rules apply to new flows, and a warning is printed.
    let missing = world.sandbox.sh("sed -i 's|^tools: {|tools: {conntrack: /usr/sbin/no-such-conntrack, |' /etc/flatnet/flatnet.yaml; flatnet up");
    missing.succeeds();
    let rules = world.sh("nft list set inet flatnet host_ports");
    assert!(rules.contains("5001") && !rules.contains("5000"), "{rules}");
}
