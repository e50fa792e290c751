//! Exhausted resources: addresses of the range, ports of the bridge. The count is exact, the error is clear, and
//! nothing of the rejected container stays.

use serde_json::json;

use crate::cni::{Call, host, host_link};
use crate::soak;
use crate::world::World;

#[test]
fn exhausted_range_names_holders_and_leaves_no_link() {
    let sandbox = host("subnet: 10.87.1.0/29\n");
    sandbox.sh("flatnet up").succeeds();
    // Eight addresses, less network, broadcast and bridge address.
    for number in 1..=5 {
        let id = format!("c{number}");
        sandbox.add_netns(&id);
        let name = format!("IgnoreUnknown=1;K8S_POD_NAME=name{number}");
        Call::add(&id).var("CNI_ARGS", &name).run(&sandbox).succeeds();
    }
    sandbox.add_netns("c6");
    Call::status().run(&sandbox).fails_with(50);
    let before = World::of(&sandbox);
    let said = Call::add("c6").run(&sandbox).fails_with(100);
    for wanted in
        ["all 5 addresses", "10.87.1.2 name1 c1 (eth0)", "10.87.1.6 name5 c5 (eth0)", "flatnet gc", "widen"]
    {
        assert!(said.contains(wanted), "lacks {wanted}: {said}");
    }
    before.assert_is_back(&sandbox);
    let said = Call::status().run(&sandbox).fails_with(50);
    assert!(said.contains("all 5 addresses"), "{said}");
    // The next ADD that needs an address takes that of a container that died without a DEL.
    sandbox.sh("ip netns del c3").succeeds();
    sandbox.eventually(&format!("! ip link show {}", host_link("c3", "eth0")));
    Call::status().run(&sandbox).succeeds_silently();
    let result = Call::add("c6").run(&sandbox).succeeds();
    assert_eq!(result["ips"][0]["address"], json!("10.87.1.4/29"));
    soak::report(1, 0, &json!({}));
}

#[test]
fn full_bridge_is_reported_and_leaves_nothing() {
    let sandbox = host("bridging: plain\n");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox
        .sh("flatnet up; for i in $(seq 1022); do echo link add name p$i master flatnet-br0 type ifb; done | ip -batch -")
        .succeeds();
    Call::add("c1").run(&sandbox).succeeds();
    let before = World::of(&sandbox);
    let said = Call::add("c2").run(&sandbox).fails();
    assert!(said.contains("1023 ports"), "{said}");
    before.assert_is_back(&sandbox);
    // The next container gets the port that became free.
    Call::del("c1").run(&sandbox).succeeds_silently();
    Call::add("c2").run(&sandbox).succeeds();
    soak::report(1, 0, &json!({}));
}
