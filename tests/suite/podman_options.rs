//! Options of `podman network create` and of `--network flatnet:..`: values equal to the configuration are accepted, others
//! are rejected by name, with a remedy.

use crate::cni::CONFIG;
use crate::podman::{Flavour, IMAGE, Lab};

/// An option that differs from the configuration, the name in the message, and the remedy in it.
const REFUSED: [(&str, &str, &str); 12] = [
    ("--internal", "--internal", "egress: none` and `ingress_gateways: []"),
    ("--ipv6", "--ipv6", "`ipv6: auto`"),
    ("--subnet 10.99.0.0/24", "--subnet", "subnet: 10.99.0.0/24"),
    ("--subnet 10.87.1.0/24 --gateway 10.87.1.9", "--gateway", "bridge_address: 10.87.1.9"),
    ("--subnet 10.87.1.0/24 --ip-range 10.87.1.128/25", "--ip-range", "allocate:"),
    ("--route 10.5.0.0/16,10.87.1.5", "--route", "this host"),
    ("--ipam-driver none", "--ipam-driver", "`allocate`"),
    ("--ipam-driver host-local", "--ipam-driver", "`allocate`"),
    ("-o mtu=1400", "-o mtu=1400", "`mtu: 1400`"),
    ("-o isolate=true", "-o isolate=true", "config schema"),
    ("--dns 10.87.1.9", "--dns", "dns: {servers:"),
    ("--interface-name other0", "--interface-name", "bridge: other0"),
];

#[test]
fn options_contradicting_config_are_rejected_by_name() {
    let lab = Lab::start(Flavour::Netavark);
    lab.sh("podman network rm flatnet").succeeds();
    for (options, named, instead) in REFUSED {
        let create = format!("podman network create -d flatnet {options} flatnet");
        let said = lab.sh(&create).fails().stderr;
        let is_right = ["FLAT-E002", &format!("{named} is not supported"), instead];
        assert!(is_right.iter().all(|part| said.contains(part)), "{options}: {said}");
        lab.sh("podman network exists flatnet").fails();
    }
    let same =
        "--subnet 10.87.1.0/24 --gateway 10.87.1.1 --interface-name flatnet-br0 --label a=b --disable-dns";
    lab.sh(&format!("podman network create -d flatnet {same} flatnet")).succeeds();
    let run = format!("podman run --rm --network flatnet:metric=5 {IMAGE} true");
    let said = lab.sh(&run).fails().stderr;
    assert!(said.contains("metric"), "{said}");
}

#[test]
fn internal_option_is_accepted_if_config_matches() {
    let lab = Lab::start(Flavour::Netavark);
    let yaml = lab.sh(&format!("cat {CONFIG}")).succeeds().stdout;
    let keep = |line: &&str| !line.starts_with("egress:") && !line.starts_with("ingress_gateways:");
    let rest: Vec<&str> = yaml.lines().filter(keep).collect();
    lab.sandbox.write(CONFIG, &(rest.join("\n") + "\negress: none\ningress_gateways: []\n"));
    lab.sh("podman network rm flatnet; podman network create -d flatnet --internal flatnet; flatnet up")
        .succeeds();
    let reaches = "wget -T 2 -qO- http://192.168.88.66/";
    lab.sh(&format!("podman run --rm --network flatnet {IMAGE} {reaches}")).fails();
}
