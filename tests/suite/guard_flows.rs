//! Conntrack entries do not outlive Flatnet's changes: packets of existing flows reach the current holder of the port
//! or address, and no container if there is no holder.
//!
//! The control run uses a `conntrack` that does nothing: then the old flow continues.

use serde_json::{Value, json};

use crate::frames::Ends;
use crate::guard::{BRIDGE, C2, HOST_LAN, Mode, STRANGER, TCP, attack};
use crate::sandbox::Sandbox;
use crate::traffic::{HOST, SILENCE, World, cni_script};

/// The path of a `conntrack` that does nothing.
pub(crate) const FORGETS_NOTHING: &str = "/usr/local/sbin/conntrack-forgets-nothing";

fn udp(host: u16, address: &str) -> Value {
    json!([{"hostPort": host, "containerPort": 80, "protocol": "udp", "hostIP": address}])
}

/// The configuration with [`FORGETS_NOTHING`] as `conntrack`.
pub(crate) fn forgets_nothing(yaml: &str) -> String {
    let conntrack = format!("conntrack: {FORGETS_NOTHING}");
    if yaml.contains("tools: {") {
        yaml.replace("tools: {", &format!("tools: {{{conntrack}, "))
    } else {
        format!("{yaml}tools: {{{conntrack}}}\n")
    }
}

/// A world without containers. In the control run, without `forgets`, its `conntrack` does nothing.
fn world(mode: Mode, forgets: bool) -> World {
    let sandbox = Sandbox::podman4();
    let yaml = mode.yaml("");
    let yaml = if forgets { yaml } else { forgets_nothing(&yaml) };
    let world = World::new(sandbox, &yaml);
    world.sandbox.write(FORGETS_NOTHING, "#!/bin/sh\nexec cat >/dev/null\n");
    world.sh(&format!("chmod 755 {FORGETS_NOTHING}; flatnet up"));
    world.sh("for name in c2 c3 c4 c5; do ip netns add $name; ip -n $name link set lo up; done");
    let any = "0.0.0.0";
    // The servers listen before their containers have an address.
    world.serve(&[
        ("c2", "c2", any, &[80]),
        ("c3", "c3", any, &[80]),
        ("c4", "c4", any, &[80]),
        ("c5", "c5", any, &[80]),
    ]);
    world
}

/// The answers that clients get before and after a script. The clients continue to send in between.
pub(crate) fn talk(
    world: &World,
    clients: &[(&str, &str, u16, &str, u16)],
    script: &str,
) -> [Vec<String>; 2] {
    let answers = world.traffic("talk", &json!({"clients": clients, "run": script}));
    serde_json::from_value(answers).unwrap_or_else(|error| panic!("{error}"))
}

/// Clients of port 5353: the stranger in the LAN, the gateway, and this host by its addresses and by 127.0.0.1.
const CLIENTS: [(&str, &str, u16, &str, u16); 5] = [
    ("stranger", STRANGER, 40000, HOST_LAN, 5353),
    ("gw", "192.168.50.1", 40001, BRIDGE, 5353),
    (HOST, "0.0.0.0", 40002, HOST_LAN, 5353),
    (HOST, "0.0.0.0", 40003, BRIDGE, 5353),
    (HOST, "127.0.0.1", 40004, "127.0.0.1", 5353),
];

/// The name of the answering server, for each client.
fn names(answers: &[String]) -> Vec<&str> {
    answers.iter().map(|answer| answer.split(' ').next().unwrap_or_default()).collect()
}

/// Changes while clients continue to send: name, script, and the servers that the clients reach before and after.
fn changes() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let call = |verb, name, ports: &Value| cni_script(verb, name, ports);
    let (published, none) = (udp(5353, ""), json!([]));
    let replaced = [call("DEL", "c2", &published), call("ADD", "c3", &published)].join("\n");
    let moved =
        [call("DEL", "c3", &published), call("ADD", "c3", &udp(5354, "")), call("ADD", "c4", &published)]
            .join("\n");
    vec![
        ("published while clients send already", call("ADD", "c2", &published), SILENCE, "c2"),
        ("replaced by another container", replaced, "c2", "c3"),
        ("moved to another port, and taken over", moved, "c3", "c4"),
        ("published no more", call("DEL", "c4", &published), "c4", SILENCE),
        (
            "published by another again",
            call("ADD", "c5", &none) + "\n" + &call("ADD", "c2", &published),
            SILENCE,
            "c2",
        ),
    ]
}

#[test]
fn ongoing_clients_reach_newly_published_container() {
    for mode in Mode::ALL {
        let world = world(mode, true);
        for (what, script, before, after) in changes() {
            let [first, last] = talk(&world, &CLIENTS, &script);
            assert_eq!(told(&first), [before; 5], "{mode:?}, before it is {what}");
            assert_eq!(told(&last), [after; 5], "{mode:?}, after it was {what}");
        }
    }
}

/// Like [`names`]. An error that this host sends because no server listens counts as silence.
fn told(answers: &[String]) -> Vec<&str> {
    names(answers).into_iter().map(|name| if name == "connection" { SILENCE } else { name }).collect()
}

#[test]
fn ongoing_clients_go_astray_without_conntrack() {
    let world = world(Mode::ROUTED, false);
    let mut differs = 0;
    for (_, script, _, after) in changes() {
        let [_, last] = talk(&world, &CLIENTS, &script);
        differs += usize::from(told(&last) != [after; 5]);
    }
    assert!(
        differs >= 3,
        "only {differs} changes needed anything to be forgotten: the other test proves little"
    );
}

/// The port is published at one address of this host, or at 127.0.0.1.
#[test]
fn clients_reach_container_published_at_their_address() {
    for mode in [Mode::ROUTED, Mode::ALL[1]] {
        let world = world(mode, true);
        for (address, client) in [(HOST_LAN, CLIENTS[0]), ("127.0.0.1", CLIENTS[4])] {
            let ports = udp(5353, address);
            let published = cni_script("ADD", "c2", &ports);
            let [first, last] = talk(&world, &[client], &published);
            assert_eq!((told(&first), told(&last)), (vec![SILENCE], vec!["c2"]), "{mode:?}, {address}");
            let replaced = [cni_script("DEL", "c2", &ports), cni_script("ADD", "c3", &ports)].join("\n");
            let [_, last] = talk(&world, &[client], &replaced);
            assert_eq!(told(&last), ["c3"], "{mode:?}, {address}");
            world.cni("DEL", "c3", &ports).succeeds();
        }
    }
}

/// A connection to a container's published port does not continue to the next container with the same address, which
/// publishes no port.
#[test]
fn reused_address_inherits_no_connections() {
    for (mode, forgets) in [(Mode::ROUTED, true), (Mode::ALL[2], true), (Mode::ROUTED, false)] {
        let world = world(mode, forgets);
        let ports = json!([
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""},
            {"hostPort": 5353, "containerPort": 80, "protocol": "udp", "hostIP": ""},
        ]);
        assert_eq!(world.attach("c2", &ports), C2);
        world.sh("sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1");
        // c3 does not know the connection, so its kernel would reset it, which would end the flow.
        world.sh("ip netns exec c3 nft -f - <<<'table ip quiet { chain out { type filter hook output priority 0; tcp flags rst drop; }; }'");
        let seen = world.hold(
            &[("stranger", HOST_LAN, 8080)],
            // While the connection is open, save its source port.
            "conntrack -L -p tcp --dport 8080 2>/dev/null | grep -o 'src=192.168.50.66 dst=192.168.50.2 sport=[0-9]*' | cut -d= -f4 >/tmp/sport",
        );
        assert_eq!(seen, ["c2 192.168.50.66"]);
        let sport: u16 = world.sh("cat /tmp/sport").trim().parse().unwrap_or_else(|error| panic!("{error}"));
        // Sets the entry back to established, as for a connection in use.
        world.sh(&format!(
            "conntrack -U -p tcp --orig-src {STRANGER} --sport {sport} --state ESTABLISHED -t 600 || true"
        ));
        world.cni("DEL", "c2", &ports).succeeds();
        let other = json!({"cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet", "runtimeConfig": {"ips": [C2]}});
        let add = "CNI_COMMAND=ADD CNI_CONTAINERID=c3-id CNI_NETNS=/run/netns/c3 CNI_IFNAME=eth0 CNI_PATH=/usr/local/bin flatnet";
        world.sandbox.sh_with_stdin(add, &other.to_string()).prints(C2);
        let ends = Ends { from: (STRANGER, sport), dest: (HOST_LAN, 8080) };
        let (to, source) = (world.mac_of("", "eth0"), world.mac_of("stranger", "eth0"));
        let data =
            attack("data of the old connection", "stranger", |token| ends.frame(to, source, TCP, token));
        let heard = world.strike(&[("c3", TCP)], &[data]);
        assert_eq!(heard.is_empty(), forgets, "{mode:?}, conntrack forgets: {forgets}");
    }
}
