//! Many calls at once for one attachment, and locks that others hold. `storm` is about many attachments.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cni::{CONFIG, Call, host, host_link};
use crate::cni_failures::fake;
use crate::sandbox::Sandbox;
use crate::world::World;

/// Makes all calls at once and returns their answers, none of which may be an error.
#[track_caller]
fn all_at_once(sandbox: &Sandbox, calls: &[Call]) -> Vec<Value> {
    let mut script = "rm -rf /tmp/answers; mkdir /tmp/answers\n".to_owned();
    for (number, call) in calls.iter().enumerate() {
        let _ = writeln!(
            script,
            "{{ {} >/tmp/answers/{number} 2>&1 || echo failed >>/tmp/failed; }} &",
            call.script()
        );
    }
    script.push_str("wait\ncat /tmp/answers/* >&2\n[[ ! -e /tmp/failed ]]\n");
    sandbox.sh(&script).succeeds();
    let read = |number| sandbox.read(&format!("/tmp/answers/{number}"));
    (0..calls.len()).map(read).map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)).collect()
}

#[test]
fn concurrent_adds_make_one_attachment() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let once = Call::add("c1").run(&sandbox).succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    let calls: Vec<Call> = (0..10).map(|_| Call::add("c1")).collect();
    for result in all_at_once(&sandbox, &calls) {
        assert_eq!(result, once);
    }
    sandbox.sh("ip -br link show type veth | wc -l").prints_exactly("1");
    sandbox.sh("ip -br link show master flatnet-br0").prints_exactly("");
    Call::check("c1", &once).run(&sandbox).succeeds_silently();
    let calls: Vec<Call> = (0..10).map(|_| Call::del("c1")).collect();
    all_at_once(&sandbox, &calls);
    before.assert_is_back(&sandbox);
}

#[test]
fn concurrent_adds_and_dels_leave_nothing_after_del() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let calls: Vec<Call> =
        (0..12).map(|number| if number % 2 == 0 { Call::add("c1") } else { Call::del("c1") }).collect();
    all_at_once(&sandbox, &calls);
    Call::del("c1").run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
}

#[test]
fn up_during_del_does_not_add_elements_again() {
    let sandbox = host("tools: {ip: /opt/fake/ip}\n");
    sandbox.add_netns("c1");
    fake(&sandbox, "ip", "false", "true");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    Call::add("c1").run(&sandbox).succeeds();
    fake(&sandbox, "ip", "[[ $* == *-batch* || $* == *del* ]]", "sleep 2");
    let mut del = sandbox.spawn(&Call::del("c1").script());
    sandbox.eventually("! nft list ruleset | grep 'comment \"c1\"'");
    sandbox.sh(&format!("ip link show {}", host_link("c1", "eth0"))).succeeds();
    sandbox.sh("flatnet up").succeeds();
    assert!(del.wait().is_ok_and(|status| status.success()));
    before.assert_is_back(&sandbox);
}

#[test]
fn held_lock_fails_add_and_defers_del() {
    let sandbox = host("limits: {lock_seconds: 1}\n");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let first = Call::add("c1").run(&sandbox).succeeds();
    let attached = World::of(&sandbox);
    let mut holder =
        sandbox.spawn("exec 9<>/run/flatnet/flatnet.lock; flock 9; echo $$ >/tmp/holder; exec sleep 100");
    sandbox.eventually("! flock -n /run/flatnet/flatnet.lock true");
    let said = Call::add("c2").run(&sandbox).fails_with(11);
    assert!(said.contains("/run/flatnet/flatnet.lock") && said.contains("1 s"), "{said}");
    Call::del("c1").conf("prevResult", first).run(&sandbox).succeeds_silently();
    Call::del("c2").run(&sandbox).succeeds_silently();
    sandbox.sh("ls -A /run/flatnet/flatnet").prints("c1@eth0.undo");
    sandbox.sh("kill $(cat /tmp/holder)").succeeds();
    let _ = holder.wait();
    assert_ne!(attached, World::of(&sandbox), "the DEL is recorded");
    // The next call undoes postponed attachments, even if GC's list has them: the runtime no longer knows them.
    Call::gc(&[]).run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
    sandbox.write(CONFIG, "");
    Call::add("c2").run(&sandbox).succeeds();
}
