//! The configuration is missing or invalid: nothing is changed, the error names the file and the problem, and attached
//! containers can still be detached.

use serde_json::json;

use crate::cni::{CONFIG, Call, host};
use crate::faults::add;
use crate::world::World;

/// Ways to break the file, and the error's message and code.
const WAYS: [(&str, &str, &str); 7] = [
    ("rm FILE", "there is no configuration at FILE", "FLAT-E011"),
    ("rm FILE; mkdir FILE", "FILE", "FLAT-E014"),
    ("echo 'brigde: x' >FILE", "FILE:1:1: unknown field `brigde`", "FLAT-E012"),
    ("head -c 100 /dev/zero >FILE", "FILE", "FLAT-E012"),
    ("printf '# all of this is well%1048576s\\n' >FILE", "FILE: the file exceeds 1 MiB", "FLAT-E012"),
    ("printf '\\377\\376' >FILE", "FILE is not valid UTF-8", "FLAT-E012"),
    ("echo 'mtu: 14' >FILE", "FILE:1: mtu: 14 is not between", "FLAT-E013"),
];

#[test]
fn only_del_works_without_configuration() {
    let sandbox = host("mtu: 1400\n");
    sandbox.sh(&format!("cp {CONFIG} /tmp/good.yaml; flatnet up")).succeeds();
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    let empty = World::of(&sandbox);
    for (way, says, code) in WAYS.map(|(way, says, code)| (way.replace("FILE", CONFIG), says, code)) {
        let says = says.replace("FILE", CONFIG);
        let result = add().run(&sandbox).succeeds();
        assert_eq!(result["ips"][0]["address"], json!("10.87.1.2/24"), "{way}");
        let attached = World::of(&sandbox);
        sandbox.sh(&way).succeeds();
        for call in [Call::add("c2"), Call::check("c1", &result), Call::gc(&[]), Call::status()] {
            let said = call.run(&sandbox).fails();
            assert!(said.contains(&says) && said.contains(code), "{way}: {call:?}: {said}");
        }
        for command in ["up", "repair", "gc", "down", "plan", "doctor"] {
            let output = sandbox.sh(&format!("flatnet {command}")).fails();
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(said.contains(&says) && (said.contains(code) || command == "doctor"), "{way}: {output}");
        }
        attached.assert_is_back(&sandbox);
        Call::del("c1").run(&sandbox).succeeds_silently();
        empty.assert_is_back(&sandbox);
        sandbox.sh(&format!("rm -rf {CONFIG}; cp /tmp/good.yaml {CONFIG}")).succeeds();
    }
}

#[test]
fn state_elsewhere_is_freed_once_config_is_back() {
    let sandbox = host("mtu: 1400\npaths: {state: /srv/flatnet}\n");
    sandbox.sh("flatnet up").succeeds();
    let empty = World::of(&sandbox);
    sandbox.add_netns("c1");
    add().run(&sandbox).succeeds();
    // The receipt's path is unknown, but the link and the elements have the container's mark.
    sandbox.sh(&format!("mv {CONFIG} /tmp/away.yaml")).succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    sandbox.sh("ip netns del c1; rm -r /var/lib/flatnet/flatnet").succeeds();
    empty.assert_is_back(&sandbox);
    sandbox.sh(&format!("mv /tmp/away.yaml {CONFIG}; flatnet gc")).prints("freed");
    sandbox.sh("ls /srv/flatnet/flatnet/receipts").prints_exactly("");
    sandbox.add_netns("c2");
    let result =
        Call::add("c2").conf("args", json!({"cni": {"ips": ["10.87.1.2"]}})).run(&sandbox).succeeds();
    assert_eq!(result["ips"][0]["address"], json!("10.87.1.2/24"), "it is free again");
}
