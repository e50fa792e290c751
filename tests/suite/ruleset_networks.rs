//! Two networks on one host: containers of one network do not reach the other, and this host reaches both.

use serde_json::json;

use crate::cni::{Call, address};
use crate::sandbox::Sandbox;
use crate::traffic::{HOST, SILENCE, World, probe};

const LAB: &str = "/etc/flatnet/lab.yaml";

#[test]
fn containers_of_other_network_are_kept_out() {
    let world = World::new(Sandbox::podman4(), "");
    world.attach("c2", &json!([]));
    world.attach("c3", &json!([]));
    world.sandbox.write(LAB, "network: lab\nbridge: lab-br0\nsubnet: 10.87.8.0/24\n");
    world.sandbox.add_netns("l2");
    let lab = Call::add("l2").conf("name", json!("lab")).conf("config", json!(LAB));
    assert_eq!(address(&lab.run(&world.sandbox).succeeds()), "10.87.8.2");
    world.serve(&[("c2", "c2", "0.0.0.0", &[80]), ("l2", "l2", "0.0.0.0", &[80])]);
    world.ask(
        "two networks",
        &[
            probe("within the first", "c3", "tcp", "10.87.1.2", 80, "c2 10.87.1.3"),
            probe("from the first to the second", "c3", "tcp", "10.87.8.2", 80, SILENCE),
            probe("from the second to the first", "l2", "tcp", "10.87.1.2", 80, SILENCE),
            probe("from this host to the first", HOST, "tcp", "10.87.1.2", 80, "c2 10.87.1.1"),
            probe("from this host to the second", HOST, "tcp", "10.87.8.2", 80, "l2 10.87.8.1"),
        ],
    );
    // The rules keep them apart: without those of the second network, the first one reaches it.
    world.sh("nft delete table inet flatnet-lab");
    world.ask(
        "without the second one's rules",
        &[probe("from the first", "c3", "tcp", "10.87.8.2", 80, "l2 10.87.1.3")],
    );
}

/// The container replies from each address by that address's network. On the other network, the reply would have a
/// source address that is not allowed there.
#[test]
fn container_in_two_networks_answers_in_both() {
    let world = World::new(Sandbox::podman4(), "");
    world.sandbox.write(
        LAB,
        "network: lab\nbridge: lab-br0\nsubnet: 10.87.8.0/24\ningress_gateways: [192.168.50.1]\n",
    );
    world.sh("ip -n gw route add 10.87.8.0/24 via 192.168.50.2");
    let in_lab = |id: &str, dev: &str, command: &str| {
        let call = Call::new(command, id).var("CNI_IFNAME", dev);
        call.conf("name", json!("lab")).conf("config", json!(LAB)).run(&world.sandbox)
    };
    world.attach("c3", &json!([]));
    world.sandbox.add_netns("l2");
    in_lab("l2", "eth0", "ADD").succeeds();
    world.attach("c2", &json!([]));
    assert_eq!(address(&in_lab("c2", "eth1", "ADD").succeeds()), "10.87.8.3");
    world.serve(&[("c2", "c2", "0.0.0.0", &[80])]);
    let asked = [
        probe("within the first", "c3", "tcp", "10.87.1.3", 80, "c2 10.87.1.2"),
        probe("within the second", "l2", "tcp", "10.87.8.3", 80, "c2 10.87.8.2"),
        probe("from the gateway to the first", "gw", "tcp", "10.87.1.3", 80, "c2 192.168.50.1"),
        probe("from the gateway to the second", "gw", "tcp", "10.87.8.3", 80, "c2 192.168.50.1"),
    ];
    world.ask("both networks", &asked);
    // Without the second network's rule the reply leaves by the first one and is dropped.
    world.sh("ip -n c2 rule del from 10.87.8.3");
    world.ask("without its rule", &[probe("to the second", "gw", "tcp", "10.87.8.3", 80, SILENCE)]);
    in_lab("c2", "eth1", "DEL").succeeds();
    world.ask("the first goes on", &asked[..1]);
}
