//! State of another version of Flatnet with a running container: it is read, or set aside and reported.
//!
//! `captured/flatnet-first` is the state that the first version wrote for a container `c1`, named `web`, with a
//! published port: no checksums, fewer fields, other routes. Its commands set up the host and the container here:
//! `up.sh` is the output of `flatnet plan --format sh` of 0.1.0, where containers are isolated ports of a bridge.

use std::fmt::Write as _;

use flatnet::state::receipt;
use serde_json::{Value, json};

use crate::cni::{Call, address, host, host_link};
use crate::sandbox::Sandbox;
use crate::world::World;

const RECEIPT: &str = include_str!("../captured/flatnet-first/receipt.json");
const LEASES: &str = include_str!("../captured/flatnet-first/leases.json");
const HOST: &str = include_str!("../captured/flatnet-first/host.json");
pub(crate) const UP: &str = include_str!("../captured/flatnet-first/up.sh");
const STATE: &str = "/var/lib/flatnet/flatnet";

/// Returns a host with a running container that the first version attached, and the kernel's state after this version's
/// `up` without that container.
fn host_of_the_first_version() -> (Sandbox, World) {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = kernel(&sandbox);
    // The owner mark stays, so that both worlds have the same owner; `owner::` tests a host without a mark.
    sandbox.sh("flatnet down; find /var/lib/flatnet /run/flatnet -type f ! -name owner -delete").succeeds();
    sandbox.sh(UP).succeeds();
    let (receipt, _) = receipt::parse(RECEIPT.as_bytes()).unwrap();
    let mut script = String::new();
    for command in receipt.commands {
        let _ = writeln!(script, "{command}");
    }
    sandbox.sh(&script).succeeds();
    // Boot ID and namespace are this machine's, not the captured ones.
    let boot = json!(sandbox.read("/proc/sys/kernel/random/boot_id").trim());
    let netns = sandbox.sh(r#"stat -Lc '{"dev":%d,"ino":%i}' /run/netns/c1"#).succeeds().stdout;
    let changes = [("boot_id", boot), ("netns_id", serde_json::from_str(&netns).unwrap())];
    write_receipt(&sandbox, |first| {
        for (key, value) in changes.clone() {
            first[key] = value;
        }
    });
    let mut host: Value = serde_json::from_str(HOST).unwrap();
    host["boot_id"] = changes[0].1.clone();
    write(&sandbox, "host.json", &host.to_string());
    write(&sandbox, "leases.json", LEASES);
    (sandbox, before)
}

/// The settings of a bridge without ports have no effect, so those that 0.1.0 made are kept.
fn kernel(sandbox: &Sandbox) -> World {
    World::of(sandbox).without_files().without_settings_of("flatnet-br0")
}

/// Asserts that this host and the container reach each other.
fn is_reached(sandbox: &Sandbox) {
    sandbox.sh("ping -c 1 -W 2 10.87.1.2; ip netns exec c1 ping -c 1 -W 2 10.87.1.1").succeeds();
}

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    sandbox.write(&format!("{STATE}/{name}"), text);
    sandbox.sh(&format!("chmod 600 {STATE}/{name}")).succeeds();
}

/// Writes the existing receipt with a change, or the captured one if there is none.
fn write_receipt(sandbox: &Sandbox, change: impl FnOnce(&mut Value)) {
    let path = "receipts/c1@eth0.json";
    let there = sandbox.sh(&format!("cat {STATE}/{path} 2>/dev/null || true")).succeeds().stdout;
    let text = if there.is_empty() { RECEIPT } else { &there };
    let (first, events) = text.split_once('\n').unwrap();
    let mut receipt: Value = serde_json::from_str(first).unwrap();
    change(&mut receipt);
    write(sandbox, path, &format!("{receipt}\n{events}"));
}

/// Runs CHECK with the result of ADD that the runtime kept.
fn check(sandbox: &Sandbox) -> crate::cni::Answer {
    let result = json!({
        "cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c1"}],
        "ips": [{"address": "10.87.1.2/24", "gateway": "10.87.1.1", "interface": 0}],
    });
    Call::check("c1", &result).run(sandbox)
}

/// Asserts that DEL leaves only a released lease, and that the next container of that name gets its address.
fn goes_without_a_trace(sandbox: &Sandbox, before: &World) {
    Call::del("c1").run(sandbox).succeeds_silently();
    sandbox.sh("flatnet up").succeeds();
    before.assert_comes_back(|| kernel(sandbox));
    sandbox.sh(&format!("ls {STATE}/receipts | grep -v bad-")).fails();
    let again = Call::add("c1").var("CNI_ARGS", "K8S_POD_NAME=web").run(sandbox).succeeds();
    assert_eq!(address(&again), "10.87.1.2");
}

#[test]
fn first_version_receipt_is_understood() {
    let (sandbox, before) = host_of_the_first_version();
    is_reached(&sandbox);
    sandbox.sh("flatnet ps").prints("web   c1  10.87.1.2").prints(&host_link("c1", "eth0")).prints("running");
    sandbox.sh("flatnet inspect web").prints("by flatnet 0.1.0").prints("undo: ip link del dev fn");
    sandbox.sh("flatnet up").succeeds();
    is_reached(&sandbox);
    sandbox.sh("flatnet up").prints("Nothing to do");
    // The first version set one route where there are two now. CHECK reports the missing one, and repair adds it
    // without a restart.
    let said = check(&sandbox).fails_with(107);
    assert!(
        said.contains(
            "container web c1 (eth0) differs from its desired state; missing: ip -n c1 route append 10.87.0.0"
        ),
        "{said}"
    );
    sandbox.add_netns("c2");
    assert_eq!(address(&Call::add("c2").run(&sandbox).succeeds()), "10.87.1.3");
    let both = "ip netns exec c1 ping -c 1 -W 2 10.87.1.3; ip netns exec c2 ping -c 1 -W 2 10.87.1.2";
    sandbox.sh(both).succeeds();
    let link = host_link("c1", "eth0");
    sandbox.sh(&format!("bridge link show dev {link}")).prints("master flatnet-br0");
    sandbox.sh("flatnet repair").prints("route append").prints("is now attached in the configured way");
    check(&sandbox).succeeds_silently();
    is_reached(&sandbox);
    sandbox.sh(both).succeeds();
    sandbox.sh(&format!("bridge link show dev {link}")).prints_exactly("");
    sandbox.sh("nft list table arp flatnet").fails();
    sandbox.sh("flatnet repair").prints("Nothing to do");
    Call::del("c2").run(&sandbox).succeeds_silently();
    sandbox.sh("ip netns del c2").succeeds();
    goes_without_a_trace(&sandbox, &before);
}

#[test]
fn first_version_receipt_is_undone_by_del_and_gc() {
    let (sandbox, before) = host_of_the_first_version();
    goes_without_a_trace(&sandbox, &before);
    let (sandbox, before) = host_of_the_first_version();
    sandbox.sh("ip netns del c1").succeeds();
    sandbox.eventually("! ip -br link | grep '^fn'");
    sandbox.sh("flatnet gc").prints("freed web c1 (eth0), 10.87.1.2");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    before.assert_comes_back(|| kernel(&sandbox));
}

/// A later version may write steps, fields and events that this version does not know.
#[test]
fn later_version_receipt_is_understood_where_needed() {
    let (sandbox, before) = host_of_the_first_version();
    write_receipt(&sandbox, |receipt| {
        receipt["version"] = json!(2);
        receipt["flatnet"] = json!("7.0.0");
        receipt["steps"] =
            json!([{"op": "warp", "factor": 9, "undo": {"op": {"op": "unwarp"}}, "why": "speed"}]);
        receipt["mood"] = json!({"good": true});
    });
    sandbox
        .sh(&format!("echo '{{\"at\":1,\"outcome\":\"warped\",\"by\":[]}}' >>{STATE}/receipts/c1@eth0.json"))
        .succeeds();
    sandbox.sh("flatnet ps").prints("10.87.1.2").prints("running");
    sandbox.sh("flatnet inspect web").prints("by flatnet 7.0.0").prints("ip link del dev fn");
    sandbox.sh("flatnet repair").prints("route append");
    check(&sandbox).succeeds_silently();
    goes_without_a_trace(&sandbox, &before);
}

#[test]
fn unusable_receipt_is_set_aside_and_rebuilt() {
    for missing in ["netns_id", "address", "host_link", "undo"] {
        let (sandbox, before) = host_of_the_first_version();
        write_receipt(&sandbox, |receipt| drop(receipt.as_object_mut().unwrap().remove(missing)));
        let repaired = sandbox.sh("flatnet repair").succeeds();
        let named = format!("{STATE}/receipts/c1@eth0.json is unusable and was renamed to");
        assert!(repaired.stderr.contains(&named) && repaired.stderr.contains(missing), "{repaired}");
        sandbox.sh("flatnet ps").prints("10.87.1.2").prints("running");
        check(&sandbox).succeeds_silently();
        goes_without_a_trace(&sandbox, &before);
    }
    // DEL of an unusable receipt, without a repair before it.
    let (sandbox, before) = host_of_the_first_version();
    write_receipt(&sandbox, |receipt| *receipt = json!({"version": 0, "id": "c1"}));
    goes_without_a_trace(&sandbox, &before);
}
