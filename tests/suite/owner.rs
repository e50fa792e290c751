//! Two Flatnets in one network namespace, as in two WSL2 distributions: the second does not affect the first, and its
//! errors name the owner. Also a Flatnet that lost its owner mark.

use serde_json::json;

use crate::cni::{Call, host};
use crate::older_state::UP;
use crate::sandbox::Sandbox;
use crate::world::World;

/// The configuration of the second Flatnet: the same network, bridge and subnet, but separate state.
const SECOND: &str = "/etc/flatnet/second.yaml";
const YAML: &str = "paths: {state: /var/lib/second, run: /run/second, log: /var/log/second/flatnet.log}\n";
/// The two files with the owner mark of the first Flatnet.
const OWNERS: [&str; 2] = ["/var/lib/flatnet/flatnet/owner", "/run/flatnet/flatnet/owner"];

/// Makes a call to the second Flatnet.
fn second(call: Call) -> Call {
    call.conf("config", json!(SECOND))
}

/// ADD with port 8080 of this host published.
fn add(id: &str) -> Call {
    let port = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    Call::add(id).conf("runtimeConfig", port)
}

fn owner(sandbox: &Sandbox) -> String {
    let [in_state, in_run] = OWNERS.map(|path| sandbox.read(path));
    assert_eq!(in_state, in_run);
    in_state.trim().to_owned()
}

#[test]
fn second_flatnet_leaves_first_alone() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox.write(SECOND, YAML);
    sandbox.sh("WSL_DISTRO_NAME=Ubuntu-24.04 flatnet up").succeeds();
    let first = owner(&sandbox);
    assert!(first.starts_with("Ubuntu-24.04-"), "{first}");
    let result = add("c1").run(&sandbox).succeeds();
    let before = World::of(&sandbox);
    let refused = |command: &str| {
        let output = sandbox.sh(&format!("flatnet --config {SECOND} {command}"));
        assert!(output.stderr.contains(&first), "`{command}` does not name {first}: {output}");
        before.assert_is_back(&sandbox);
        output
    };
    for command in ["up", "plan", "plan down", "down", "down --force", "repair", "repair --dry-run"] {
        refused(command).complains("FLAT-E058");
    }
    let add_refused = |call: Call| {
        let said = second(call).run(&sandbox).fails_with(104);
        assert!(said.contains("FLAT-E058") && said.contains(&first), "{said}");
        before.assert_is_back(&sandbox);
    };
    add_refused(Call::add("c2"));
    // c1 belongs to the first Flatnet; the second one's runtime does not know it.
    add_refused(Call::add("c1"));
    add_refused(Call::gc(&[]));
    for id in ["c1", "c2"] {
        second(Call::del(id)).run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
    }
    sandbox.sh(&format!("flatnet --config {SECOND} gc")).succeeds();
    before.assert_is_back(&sandbox);
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
    // As the message advises, the second Flatnet gets other names.
    let yaml = format!("{YAML}network: lab\nbridge: lab-br0\nsubnet: 10.87.8.0/24\n");
    sandbox.write(SECOND, &yaml);
    second(Call::add("c2")).conf("name", json!("lab")).run(&sandbox).succeeds();
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
}

/// An element of a published port is identified by the port alone, and both Flatnets use the same addresses.
#[test]
fn stale_state_of_second_flatnet_does_not_harm_first() {
    let sandbox = host("");
    sandbox.write(SECOND, YAML);
    sandbox.add_netns("c9");
    second(add("c9")).run(&sandbox).succeeds();
    // WSL2 restarts, and the other distribution starts first.
    sandbox.sh("ip netns del c9; ip link del flatnet-br0; nft delete table inet flatnet").succeeds();
    sandbox.sh("ip route flush type unreachable proto 87; cp -a /var/lib/second /tmp/remembered").succeeds();
    sandbox.eventually("! ip -br link | grep '^fn'");
    sandbox.add_netns("c1");
    let result = add("c1").run(&sandbox).succeeds();
    assert_eq!(result["ips"][0]["address"], json!("10.87.1.2/24"));
    let before = World::of(&sandbox);
    let gone = || sandbox.sh("ls /var/lib/second/flatnet/receipts").prints_exactly("");
    for command in ["gc", "down --force", "repair"] {
        sandbox.sh("rm -r /var/lib/second; cp -a /tmp/remembered /var/lib/second").succeeds();
        sandbox.sh(&format!("flatnet --config {SECOND} {command} || true")).succeeds();
        before.assert_is_back(&sandbox);
        if command != "repair" {
            gone();
        }
    }
    sandbox.sh("rm -r /var/lib/second; cp -a /tmp/remembered /var/lib/second").succeeds();
    second(Call::del("c9")).run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
    gone();
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
}

#[test]
fn lost_owner_mark_is_restored_from_other_copy() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    let result = Call::add("c1").run(&sandbox).succeeds();
    let first = owner(&sandbox);
    for lost in [
        "rm -r /var/lib/flatnet/flatnet",
        // A reboot.
        "rm -r /run/flatnet/flatnet",
        "echo garbage >/var/lib/flatnet/flatnet/owner",
        "rm /var/lib/flatnet/flatnet/owner; mkdir /var/lib/flatnet/flatnet/owner",
        "echo somebody-0123456789ab >/run/flatnet/flatnet/owner",
    ] {
        sandbox.sh(lost).succeeds();
        Call::add("c2").run(&sandbox).succeeds();
        assert_eq!(owner(&sandbox), first, "after {lost}");
        Call::del("c2").run(&sandbox).succeeds_silently();
        sandbox.sh("flatnet repair").succeeds();
        Call::check("c1", &result).run(&sandbox).succeeds_silently();
    }
}

#[test]
fn lost_owner_mark_can_be_written_by_hand() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let result = Call::add("c1").run(&sandbox).succeeds();
    let first = owner(&sandbox);
    sandbox.sh("rm -r /var/lib/flatnet/flatnet /run/flatnet/flatnet").succeeds();
    let before = World::of(&sandbox).without_files();
    let refused = sandbox.sh("flatnet up").complains("FLAT-E058");
    before.assert_is_back_but_for_files(&sandbox);
    assert_ne!(owner(&sandbox), first);
    // The command that the message names.
    let remedy = refused.stderr.split('`').find(|part| part.starts_with("echo ")).unwrap();
    sandbox.sh(remedy).succeeds();
    sandbox.sh("flatnet repair").prints("was lost and is restored");
    assert_eq!(owner(&sandbox), first);
    before.assert_is_back_but_for_files(&sandbox);
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
}

#[test]
fn unmarked_bridge_of_0_1_0_is_adopted() {
    let sandbox = host("");
    sandbox.sh(UP).succeeds();
    sandbox.sh("ip link show flatnet-br0").prints("alias flatnet/flatnet\n");
    sandbox.sh("flatnet up").succeeds();
    let first = owner(&sandbox);
    sandbox.sh("ip link show flatnet-br0").prints(&format!("alias flatnet/flatnet/{first}\n"));
    sandbox.sh("nft list table inet flatnet").prints(&format!(" of {first}: generated"));
    sandbox.sh("flatnet up").prints("Nothing to do");
    sandbox.write(SECOND, YAML);
    sandbox.sh(&format!("flatnet --config {SECOND} up")).complains(&first);
}

/// After the bridge is deleted, the table still names the owner.
#[test]
fn table_without_bridge_still_names_its_owner() {
    let sandbox = host("");
    sandbox.add_netns("c2");
    sandbox.write(SECOND, YAML);
    sandbox.sh("flatnet up").succeeds();
    let first = owner(&sandbox);
    sandbox.sh("ip link del flatnet-br0").succeeds();
    let before = World::of(&sandbox);
    for command in ["up", "down", "repair"] {
        let output = sandbox.sh(&format!("flatnet --config {SECOND} {command}"));
        assert!(output.stderr.contains(&first), "{command}: {output}");
        before.assert_is_back(&sandbox);
    }
    let said = second(Call::add("c2")).run(&sandbox).fails_with(104);
    assert!(said.contains(&first), "{said}");
    before.assert_is_back(&sandbox);
}
