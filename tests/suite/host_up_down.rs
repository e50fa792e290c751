//! `flatnet plan`, `up` and `down`: their effect on the host and on attached containers.

use crate::cni::{Call, host};
use crate::sandbox::Sandbox;
use crate::world::World;

fn kernel(sandbox: &Sandbox) -> World {
    World::of(sandbox).without_files()
}

#[test]
fn plan_script_matches_up_and_down() {
    let (pasted, run) = (host(""), host(""));
    let before = kernel(&pasted);
    // Both hosts get the same owner mark, which the first run would generate otherwise.
    let owner = "host-0123456789ab";
    for sandbox in [&pasted, &run] {
        let write =
            format!("mkdir -p /var/lib/flatnet/flatnet; echo {owner} >/var/lib/flatnet/flatnet/owner");
        sandbox.sh(&format!("umask 077; {write}")).succeeds();
    }
    let unchanged = World::of(&pasted);
    let script = pasted.sh("flatnet plan --dry-run --format sh").succeeds().stdout;
    unchanged.assert_is_back(&pasted);
    pasted.write("/tmp/up.sh", &script);
    pasted.sh("sh /tmp/up.sh").succeeds();
    run.sh("flatnet up").succeeds();
    kernel(&run).assert_is_back_but_for_files(&pasted);
    pasted.sh("flatnet plan --dry-run --exit-code").prints("Nothing to do: already in the desired state.");
    let script = run.sh("flatnet plan down --dry-run --format sh").succeeds().stdout;
    run.write("/tmp/down.sh", &script);
    run.sh("sh /tmp/down.sh").succeeds();
    before.assert_is_back_but_for_files(&run);
}

#[test]
fn a_dry_run_changes_nothing_and_needs_no_root() {
    let sandbox = host("");
    let before = World::of(&sandbox);
    for plan in ["plan", "plan down", "plan add web --netns /run/netns/x --id abc", "plan del web --id abc"] {
        let as_root = sandbox.sh(&format!("flatnet {plan} --dry-run --format sh")).succeeds();
        sandbox
            .sh(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups flatnet {plan} --dry-run"))
            .succeeds();
        assert!(as_root.stdout.starts_with("#!/bin/sh\n"), "{as_root}");
    }
    before.assert_is_back(&sandbox);
    sandbox.sh("ls /run/flatnet /var/lib/flatnet /var/log/flatnet").fails();
}

#[test]
fn up_is_idempotent_and_down_restores_host() {
    let sandbox = host("");
    sandbox
        .sh("sysctl -qw net.ipv4.ip_forward=0; nft add table inet bystander; nft add chain inet bystander x")
        .succeeds();
    let before = kernel(&sandbox);
    sandbox.sh("flatnet up").prints("ip_forward=1");
    let up = World::of(&sandbox);
    sandbox.sh("flatnet up").prints_exactly("Nothing to do: already in the desired state.");
    up.assert_is_back(&sandbox);
    sandbox.sh("flatnet down").prints("ip_forward=0");
    before.assert_is_back_but_for_files(&sandbox);
    sandbox.sh("flatnet down").prints_exactly("Nothing to do: already in the desired state.");
    before.assert_is_back_but_for_files(&sandbox);
}

#[test]
fn down_keeps_forwarding_that_others_need() {
    let sandbox = host("");
    sandbox.sh("sysctl -qw net.ipv4.ip_forward=1").succeeds();
    let before = kernel(&sandbox);
    sandbox.sh("flatnet up; flatnet down").succeeds();
    before.assert_is_back_but_for_files(&sandbox);
    sandbox.sh("sysctl -qw net.ipv4.ip_forward=0; flatnet up; ip link add podman0 type bridge").succeeds();
    sandbox.sh("flatnet down").prints("Note: net.ipv4.ip_forward stays 1: podman0 may need it");
    sandbox.sh("sysctl -n net.ipv4.ip_forward").prints_exactly("1");
    sandbox.sh("ip link del podman0").succeeds();
    before.assert_is_back_but_for_files(&sandbox);
}

#[test]
fn down_refuses_while_containers_are_attached_unless_forced() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let before = kernel(&sandbox);
    Call::add("c1").var("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web").run(&sandbox).succeeds();
    let attached = World::of(&sandbox);
    sandbox.sh("flatnet down").complains("1 container is attached: web").complains("--force");
    attached.assert_is_back(&sandbox);
    sandbox.sh("flatnet down --force").succeeds();
    before.assert_is_back_but_for_files(&sandbox);
    Call::del("c1").run(&sandbox).succeeds_silently();
}

#[test]
fn next_add_restores_flushed_ruleset() {
    let sandbox = host("");
    sandbox.sh("nft add table inet bystander").succeeds();
    for id in ["c1", "c2", "c3"] {
        sandbox.add_netns(id);
    }
    let ports =
        serde_json::json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    let first = Call::add("c1").conf("runtimeConfig", ports).run(&sandbox).succeeds();
    let second = Call::add("c2").run(&sandbox).succeeds();
    let third = Call::add("c3").run(&sandbox).succeeds();
    let attached = World::of(&sandbox);
    Call::del("c3").run(&sandbox).succeeds_silently();
    sandbox.sh("nft flush ruleset; nft add table inet bystander").succeeds();
    assert_eq!(third, Call::add("c3").run(&sandbox).succeeds());
    for (id, result) in [("c1", &first), ("c2", &second), ("c3", &third)] {
        Call::check(id, result).run(&sandbox).succeeds_silently();
    }
    attached.without_files().assert_is_back_but_for_files(&sandbox);
}

#[test]
fn next_add_restores_deleted_bridge() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    Call::add("c1").run(&sandbox).succeeds();
    sandbox.sh("ip link del flatnet-br0").succeeds();
    let result = Call::add("c2").run(&sandbox).succeeds();
    Call::check("c2", &result).run(&sandbox).succeeds_silently();
    sandbox.sh("ip netns exec c2 ping -c 1 -W 2 10.87.1.1").succeeds();
}
