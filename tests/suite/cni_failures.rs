//! Common failures, each caused for real: the message, and that nothing is left behind.

use serde_json::json;

use crate::cni::{CONFIG, Call, host, host_link};
use crate::sandbox::Sandbox;
use crate::world::World;

/// Puts a root-owned script at `/opt/fake/NAME`, which runs the real program unless `condition` holds.
pub(crate) fn fake(sandbox: &Sandbox, name: &str, condition: &str, then: &str) {
    let script = format!(
        "#!/bin/bash\nif {condition}; then {then}; fi\nfor dir in /usr/sbin /usr/bin /sbin /bin; do\n  [[ ! -x $dir/{name} ]] || exec $dir/{name} \"$@\"\ndone\n"
    );
    sandbox.write(&format!("/opt/fake/{name}"), &script);
    sandbox.sh(&format!("chmod 755 /opt/fake/{name}")).succeeds();
}

#[test]
fn call_without_root_is_rejected() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let before = World::of(&sandbox);
    for command in ["ADD", "DEL"] {
        let said = Call::new(command, "c1").through(nobody).run(&sandbox).fails_with(102);
        assert!(said.contains("root") && said.contains("rootless Podman"), "{said}");
    }
    before.assert_is_back(&sandbox);
    // Root's user ID without the right to change networks: in a container, or with rootless Podman.
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let without = "setpriv --bounding-set -net_admin,-sys_admin --inh-caps -net_admin,-sys_admin";
    let said = Call::add("c1").through(without).run(&sandbox).fails_with(102);
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    before.assert_is_back(&sandbox);
}

#[test]
fn foreign_bridge_of_same_name_is_rejected() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    // The first `up` stores the owner mark.
    sandbox.sh("flatnet up; flatnet down").succeeds();
    for (make, code, wanted) in [
        (
            "ip link add flatnet-br0 type bridge",
            104,
            "does not belong to Flatnet (bridge, no alias; expected alias flatnet/flatnet/",
        ),
        (
            "ip link add flatnet-br0 type bridge; ip link set flatnet-br0 alias docker",
            104,
            "(bridge, docker;",
        ),
        ("ip link add flatnet-br0 type veth peer name peer9", 104, "(veth, no alias;"),
        (
            "flatnet up; ip addr flush dev flatnet-br0; ip addr add 192.0.2.1/24 dev flatnet-br0; rm /var/lib/flatnet/flatnet/host.json",
            104,
            "has the address 192.0.2.1/24, not 10.87.1.1/32",
        ),
    ] {
        sandbox.sh(make).succeeds();
        let before = World::of(&sandbox);
        let said = Call::add("c1").run(&sandbox).fails_with(code);
        assert!(said.contains(wanted) && said.contains("ip "), "{make}: {said}");
        before.assert_is_back(&sandbox);
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
        sandbox.sh("ip link del flatnet-br0").succeeds();
    }
}

#[test]
fn failed_veth_creation_leaves_nothing() {
    let sandbox = host("limits: {command_seconds: 1}\n");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    // A foreign link with that name; the name is a hash, so this is an attack or a lost receipt.
    let link = host_link("c1", "eth0");
    sandbox.sh(&format!("ip link add {link} type bridge; ip link set {link} alias somebody")).succeeds();
    let before = World::of(&sandbox);
    let said = Call::add("c1").run(&sandbox).fails_with(104);
    assert!(said.contains(&link), "{said}");
    before.assert_is_back(&sandbox);
    Call::del("c1").run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
}

/// Ways in which a program can fail: what it does, and what the message says.
const WAYS: [(&str, &str); 4] = [
    ("echo broken >&2; exit 1", "exited with 1: broken"),
    ("exit 255", "exited with 255"),
    ("kill -SEGV $$", "was killed by signal 11"),
    ("exec sleep 100", "was killed after 1 s"),
];

#[test]
fn failing_ip_is_rolled_back() {
    fails_in_any_way(
        "",
        "ip",
        "[[ $(readlink /proc/self/ns/net) != $(readlink /proc/1/ns/net) || $* == *-batch* ]]",
    );
}

#[test]
fn failing_nft_is_rolled_back() {
    fails_in_any_way("", "nft", "[[ $* == *'-f -' ]]");
}

#[test]
fn host_is_set_up_again_if_nft_refuses_once() {
    let sandbox = host("tools: {nft: /opt/fake/nft}\n");
    sandbox.add_netns("c1");
    fake(&sandbox, "nft", "false", "true");
    sandbox.sh("flatnet up").succeeds();
    fake(&sandbox, "nft", "[[ $* == *'-f -' && ! -e /tmp/failed ]]", ": >/tmp/failed; exit 1");
    let result = Call::add("c1").run(&sandbox).succeeds();
    sandbox.sh("test -e /tmp/failed").succeeds();
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
}

/// Only `bridging: plain` adds entries to the bridge's FDB.
#[test]
fn failing_bridge_program_is_rolled_back() {
    fails_in_any_way("bridging: plain\n", "bridge", "[[ $* == *fdb* ]]");
}

/// If the program `name` fails under `condition`, ADD fails and nothing changes.
fn fails_in_any_way(yaml: &str, name: &str, condition: &str) {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let tools = format!("limits: {{command_seconds: 1}}\ntools: {{{name}: /opt/fake/{name}}}\n");
    sandbox.write(CONFIG, &format!("{yaml}{tools}"));
    fake(&sandbox, name, "false", "true");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    for (then, wanted) in WAYS {
        fake(&sandbox, name, condition, then);
        let said = Call::add("c1").run(&sandbox).fails();
        assert!(said.contains(wanted), "{then}: {said}");
        // Steps that the broken program could not undo are recorded, and undone once it works again.
        fake(&sandbox, name, "false", "true");
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
        let result = Call::add("c1").run(&sandbox).succeeds();
        assert_eq!(result["ips"][0]["address"], json!("10.87.1.2/24"));
        Call::check("c1", &result).run(&sandbox).succeeds_silently();
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn unreadable_ruleset_is_not_treated_as_empty() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.write(CONFIG, "tools: {nft: /opt/fake/nft}\n");
    fake(&sandbox, "nft", "false", "true");
    sandbox.sh("flatnet up").succeeds();
    Call::add("c1").run(&sandbox).succeeds();
    let before = World::of(&sandbox);
    for (then, said) in [("exit 1", "exited with 1"), ("kill -SEGV $$", "was killed by signal 11")] {
        fake(&sandbox, "nft", "[[ $* == *'list table '* ]]", then);
        sandbox.sh("flatnet up").complains(said);
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn del_without_receipt_is_deferred_if_it_cannot_look() {
    let sandbox = host("tools: {ip: /opt/fake/ip, nft: /opt/fake/nft}\n");
    sandbox.add_netns("c1");
    for tool in ["ip", "nft"] {
        fake(&sandbox, tool, "false", "true");
    }
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    for (tool, look) in [("ip", "addr show"), ("nft", "list table")] {
        Call::add("c1").run(&sandbox).succeeds();
        sandbox.sh("rm /var/lib/flatnet/flatnet/receipts/*").succeeds();
        fake(&sandbox, tool, &format!("[[ $* == *'{look}'* ]]"), "exit 1");
        let answer = Call::del("c1").run(&sandbox);
        assert!(answer.stderr.contains("`flatnet repair` will try again"), "{}", answer.stderr);
        answer.succeeds_silently();
        sandbox.sh("flatnet repair").complains("exited with 1");
        fake(&sandbox, tool, "false", "true");
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn rollback_of_add_leaves_nothing_without_del() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.write(CONFIG, "tools: {ip: /opt/fake/ip}\n");
    fake(&sandbox, "ip", "false", "true");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    // Fail in the container's namespace, after the link and the elements were added.
    fake(&sandbox, "ip", "[[ $* == *'-n c1'*-batch* ]]", "echo broken >&2; exit 1");
    let said = Call::add("c1").run(&sandbox).fails_with(106);
    assert!(
        said.contains("everything was rolled back")
            && said.contains("broken")
            && said.contains("-n c1 -batch"),
        "{said}"
    );
    before.assert_is_back(&sandbox);
}

/// Otherwise the container would stay attached although the runtime got no result.
#[test]
fn add_is_undone_if_its_answer_is_lost() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let no_reader = "mkfifo /tmp/p; exec 3<>/tmp/p >/tmp/p 3>&-";
    for (lost, wanted) in [
        ("exec >/dev/full", "everything was rolled back"),
        ("exec >&-", "everything was rolled back"),
        (no_reader, "nothing was done"),
    ] {
        let add = crate::traffic::cni_script("ADD", "c1", &json!([]));
        let output = sandbox.sh(&format!("rm -f /tmp/p; {lost}; {add}"));
        assert_eq!(output.status, Some(1), "{lost}: {output}");
        assert!(output.stderr.contains(wanted) && output.stderr.contains("FLAT-E087"), "{lost}: {output}");
        before.assert_is_back(&sandbox);
    }
}

/// Without `CONFIG_IP_MULTIPLE_TABLES`, `ip rule show` fails with this message.
#[test]
fn kernel_without_policy_routing_works() {
    let port = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    for (condition, wanted) in [("false", 1), ("[[ $* == 'rule show' ]]", 0)] {
        let sandbox = host("tools: {ip: /opt/fake/ip}\n");
        fake(&sandbox, "ip", condition, "echo 'RTNETLINK answers: Operation not supported' >&2; exit 1");
        sandbox.add_netns("c1");
        Call::add("c1").conf("runtimeConfig", json!({"portMappings": port})).run(&sandbox).succeeds();
        let rules = sandbox.sh("ip -n c1 rule show").succeeds().stdout;
        assert_eq!(rules.matches("from 10.87.1.2 lookup 173474050").count(), wanted, "{condition}: {rules}");
        sandbox.sh("flatnet plan --dry-run --exit-code").succeeds();
    }
}

#[test]
fn missing_tool_error_names_its_package() {
    missing_tools_are_named("", &[("ip", "iproute2"), ("nft", "nftables")]);
    // Only `bridging: plain` needs `bridge`.
    missing_tools_are_named("bridging: plain\n", &[("bridge", "iproute2")]);
}

fn missing_tools_are_named(yaml: &str, tools: &[(&str, &str)]) {
    let sandbox = host(yaml);
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    for (tool, package) in tools {
        sandbox.write(CONFIG, &format!("{yaml}tools: {{{tool}: /nowhere/{tool}}}\n"));
        let said = Call::status().run(&sandbox).fails_with(50);
        assert!(
            said.contains(&format!("the program /nowhere/{tool} is missing")) && said.contains(package),
            "{said}"
        );
        let said = Call::add("c1").run(&sandbox).fails_with(105);
        assert!(said.contains(&format!("/nowhere/{tool} is missing")) && said.contains(package), "{said}");
        Call::del("c1").run(&sandbox).succeeds_silently();
        sandbox.write(CONFIG, yaml);
        Call::del("c1").run(&sandbox).succeeds_silently();
        sandbox.sh("flatnet up").succeeds();
        before.assert_is_back(&sandbox);
    }
    // From now on the leases record the holders, so a later ADD need not search for them.
    Call::add("c1").run(&sandbox).succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    // A program that never ran leaves nothing to undo.
    for (tool, _) in tools {
        let path = sandbox.sh(&format!("readlink -f $(command -v {tool})")).succeeds().stdout;
        sandbox.sh(&format!("mv {} /root/{tool}", path.trim())).succeeds();
        let said = Call::add("c1").run(&sandbox).fails_with(105);
        assert!(said.contains("everything was rolled back") && !said.contains("by hand"), "{tool}: {said}");
        sandbox.sh(&format!("mv /root/{tool} {}", path.trim())).succeeds();
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn tool_writable_by_others_is_not_run() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    sandbox.sh("cp /bin/true /opt/nft; chmod 777 /opt/nft").succeeds();
    sandbox.write(CONFIG, "tools: {nft: /opt/nft}\n");
    let said = Call::add("c1").run(&sandbox).fails_with(105);
    assert!(said.contains("/opt/nft") && said.contains("is writable by others"), "{said}");
    sandbox.write(CONFIG, "");
    Call::del("c1").run(&sandbox).succeeds_silently();
    sandbox.sh("flatnet up").succeeds();
    before.assert_is_back(&sandbox);
}
