//! Every verb in every version of the specification, with the exact result of each.

use serde_json::{Value, json};

use crate::cni::{Call, VERSIONS, host, host_link};
use crate::sandbox::Sandbox;
use crate::world::World;

const YAML: &str = "dns: {servers: [192.0.2.7], search: [flat.example]}\nmtu: 1400\n";
const BRIDGE_MAC: &str = "02:f1:0a:57:01:01";

/// The result of ADD in `version` for the first container.
fn expected(version: &str, netns: &str) -> Value {
    // Podman 4 appends servers of its own, and resolvers read three.
    let dns =
        json!({"nameservers": vec!["10.87.1.1"; 3], "search": ["direct.flatnet.internal", "flat.example"]});
    let routes = json!([{"dst": "0.0.0.0/0", "gw": "10.87.1.1"}, {"dst": "10.87.0.0/16", "gw": "10.87.1.1"}]);
    if version < "0.3.0" {
        let ip4 = json!({"ip": "10.87.1.2/24", "gateway": "10.87.1.1", "routes": routes});
        return json!({"cniVersion": version, "ip4": ip4, "dns": dns});
    }
    let mut interfaces = json!([
        {"name": "flatnet-br0", "mac": BRIDGE_MAC},
        {"name": host_link("c1", "eth0"), "mac": "02:f1:0a:57:01:02"},
        {"name": "eth0", "mac": "02:f1:0a:57:01:02", "sandbox": netns},
    ]);
    if version >= "1.1.0" {
        interfaces.as_array_mut().unwrap().iter_mut().for_each(|interface| interface["mtu"] = json!(1400));
    }
    let mut ip = json!({"address": "10.87.1.2/24", "gateway": "10.87.1.1", "interface": 2});
    if version < "1.0.0" {
        ip["version"] = json!("4");
    }
    json!({"cniVersion": version, "interfaces": interfaces, "ips": [ip], "routes": routes, "dns": dns})
}

/// Asserts that the container's interface matches the result.
fn assert_attached(sandbox: &Sandbox) {
    sandbox.sh("ip -n c1 -br addr show eth0").prints("10.87.1.2/24");
    sandbox.sh("ip -n c1 route show default").prints("default via 10.87.1.1 dev eth0");
    sandbox.sh("ip -n c1 link show eth0").prints("mtu 1400").prints("02:f1:0a:57:01:02");
    sandbox.sh("ip link show flatnet-br0").prints(BRIDGE_MAC);
    sandbox.sh("ip netns exec c1 ping -c 1 -W 2 10.87.1.1").succeeds();
}

#[test]
fn add_and_del_in_every_version() {
    let sandbox = host(YAML);
    let netns = sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    for version in VERSIONS {
        let result = Call::add("c1").version(version).run(&sandbox).succeeds();
        assert_eq!(result, expected(version, &netns), "{version}");
        assert_attached(&sandbox);
        Call::del("c1").version(version).conf("prevResult", result).run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn a_missing_version_is_0_1_0() {
    let sandbox = host(YAML);
    let netns = sandbox.add_netns("c1");
    let result = Call::add("c1").version("").run(&sandbox).succeeds();
    assert_eq!(result, expected("0.1.0", &netns));
}

#[test]
fn unknown_version_is_rejected_with_supported_list() {
    let sandbox = host(YAML);
    sandbox.add_netns("c1");
    let before = World::of(&sandbox);
    for version in ["0.5.0", "1.2.0", "2.0.0", "1.0", "one", "1.0.0\"; x"] {
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let said = Call::new(command, "c1").version(version).run(&sandbox).fails_with(1);
            assert!(said.contains("0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"), "{said}");
        }
    }
    before.assert_is_back(&sandbox);
}

#[test]
fn non_string_version_fails_to_decode() {
    let sandbox = host(YAML);
    for version in [json!(1), json!(["1.0.0"]), json!({}), json!(true)] {
        Call::add("c1").conf("cniVersion", version).run(&sandbox).fails_with(6);
    }
}

#[test]
fn version_works_without_config_and_with_any_input() {
    let sandbox = Sandbox::podman4().start();
    let before = World::of(&sandbox);
    let dummy =
        |call: Call| call.var("CNI_CONTAINERID", "").netns("dummy").ifname("dummy").var("CNI_PATH", "dummy");
    for version in VERSIONS {
        let stdin = json!({"cniVersion": version}).to_string();
        let answer = dummy(Call::new("VERSION", "").stdin(&stdin)).run(&sandbox).succeeds();
        assert_eq!(answer, json!({"cniVersion": version, "supportedVersions": VERSIONS}));
    }
    for stdin in ["", "{}", "[]", "\"x\"", "no JSON", r#"{"cniVersion": 7}"#] {
        let answer = dummy(Call::new("VERSION", "").stdin(stdin)).run(&sandbox).succeeds();
        assert_eq!(answer, json!({"cniVersion": "0.1.0", "supportedVersions": VERSIONS}), "{stdin:?}");
    }
    before.assert_is_back(&sandbox);
    sandbox.sh("ls /run/flatnet /var/lib/flatnet").fails();
}

#[test]
fn verb_newer_than_version_is_rejected() {
    let sandbox = host(YAML);
    sandbox.add_netns("c1");
    let before = World::of(&sandbox);
    for version in VERSIONS {
        if version < "0.4.0" {
            let said = Call::new("CHECK", "c1").version(version).run(&sandbox).fails_with(1);
            assert!(said.contains("CHECK requires CNI 0.4.0") && said.contains(version), "{said}");
        }
        if version < "1.1.0" {
            let said = Call::gc(&[]).version(version).run(&sandbox).fails_with(1);
            assert!(said.contains("GC requires CNI 1.1.0"), "{said}");
            let said = Call::status().version(version).run(&sandbox).fails_with(1);
            assert!(said.contains("STATUS requires CNI 1.1.0"), "{said}");
        }
    }
    before.assert_is_back(&sandbox);
}

#[test]
fn error_has_version_of_input() {
    let sandbox = host(YAML);
    for version in VERSIONS {
        let answer = Call::add("c1").version(version).without("CNI_NETNS").run(&sandbox);
        answer.fails();
        assert_eq!(answer.json["cniVersion"], json!(version));
    }
}

/// The result of an earlier plugin in the list, in the format of `version`.
fn previous(version: &str) -> Value {
    let mut ips = json!([
        {"address": "192.0.2.9/24", "gateway": "192.0.2.1", "interface": 1},
        {"address": "2001:db8::9/64", "interface": 1},
    ]);
    if version < "1.0.0" {
        ips[0]["version"] = json!("4");
        ips[1]["version"] = json!("6");
    }
    json!({
        "cniVersion": version,
        "interfaces": [{"name": "br9", "mac": "02:00:00:00:00:01"}, {"name": "net9", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/c1"}],
        "ips": ips,
        "routes": [{"dst": "198.51.100.0/24", "gw": "192.0.2.1"}],
        "dns": {"nameservers": ["192.0.2.53"], "options": ["ndots:1"]},
    })
}

#[test]
fn prev_result_is_extended_with_own_result() {
    let sandbox = host(YAML);
    let netns = sandbox.add_netns("c1");
    for version in VERSIONS.into_iter().filter(|version| *version >= "0.3.0") {
        let before = previous(version);
        let result =
            Call::add("c1").version(version).conf("prevResult", before.clone()).run(&sandbox).succeeds();
        let ours = expected(version, &netns);
        let joined =
            |key: &str| [before[key].as_array().unwrap().as_slice(), ours[key].as_array().unwrap()].concat();
        let mut ips = joined("ips");
        ips[2]["interface"] = json!(4);
        let mut dns = ours["dns"].clone();
        dns["options"] = json!(["ndots:1"]);
        let wanted = json!({
            "cniVersion": version, "interfaces": joined("interfaces"), "ips": ips, "routes": joined("routes"), "dns": dns,
        });
        assert_eq!(result, wanted, "{version}");
        if version >= "0.4.0" {
            Call::check("c1", &result).run(&sandbox).succeeds_silently();
        }
        Call::del("c1").version(version).conf("prevResult", result).run(&sandbox).succeeds_silently();
    }
}

#[test]
fn malformed_prev_result_is_rejected() {
    let sandbox = host(YAML);
    sandbox.add_netns("c1");
    let before = World::of(&sandbox);
    for bad in [json!(1), json!([]), json!({"ips": 3}), json!({"interfaces": [1]}), json!({"routes": {}})] {
        let said = Call::add("c1").conf("prevResult", bad).run(&sandbox).fails_with(6);
        assert!(said.contains("prevResult"), "{said}");
    }
    before.assert_is_back(&sandbox);
}
