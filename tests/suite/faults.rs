//! Each step of ADD and DEL fails once: nothing is left behind. `kill_steps` kills at the same points.
//!
//! Requires the feature `faults`; `src/kernel/execute/fault.rs` explains `fail@N` and the other faults.

use crate::cni::{Answer, Call, host};
use crate::sandbox::Sandbox;
use crate::world::World;

pub(crate) const YAML: &str = "mtu: 1400\n";
/// More steps than ADD or DEL have. A test that counts to this number never saw the call succeed.
const TOO_MANY: usize = 60;

/// A host with Flatnet up and one namespace, and its world.
pub(crate) fn ready() -> (Sandbox, World) {
    let sandbox = host(YAML);
    sandbox.sh("flatnet up && nft add table inet bystander").succeeds();
    sandbox.add_netns("c1");
    let world = World::of(&sandbox);
    (sandbox, world)
}

/// ADD with a published port, so that it has every kind of step.
pub(crate) fn add() -> Call {
    let port =
        serde_json::json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    Call::add("c1").conf("runtimeConfig", port)
}

pub(crate) fn with_fault(call: Call, fault: &str, sandbox: &Sandbox) -> Answer {
    call.var("FLATNET_FAULT", fault).run(sandbox)
}

/// Calls `each` with 1, 2, .. until it returns that no fault occurred. Returns the number of faults.
pub(crate) fn count_steps(mut each: impl FnMut(usize) -> bool) -> usize {
    (1..TOO_MANY).take_while(|&step| each(step)).count()
}

fn had_fault(answer: &Answer) -> bool {
    answer.stderr.contains("a fault was asked for")
}

#[test]
fn add_that_fails_at_any_step_leaves_nothing() {
    let (sandbox, before) = ready();
    let mut failed = 0;
    let steps = count_steps(|step| {
        let answer = with_fault(add(), &format!("fail@{step}"), &sandbox);
        let faulted = had_fault(&answer);
        if answer.status == Some(0) {
            // No fault, or one that ADD repairs: if nft rejects an element, ADD loads the ruleset again.
            Call::del("c1").run(&sandbox).succeeds_silently();
        } else {
            let said = answer.fails();
            assert!(
                said.contains("everything was rolled back") && said.contains("exited with 1"),
                "step {step}: {said}"
            );
            failed += 1;
        }
        before.assert_is_back(&sandbox);
        faulted
    });
    assert!(steps >= 10 && failed >= 9, "of {steps} faults {failed} made ADD fail");
}

#[test]
fn failed_first_add_leaves_host_fresh_or_set_up() {
    let sandbox = host(YAML);
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up && flatnet down").succeeds();
    let fresh = World::of(&sandbox).without_files();
    sandbox.sh("flatnet up").succeeds();
    let up = World::of(&sandbox).without_files();
    sandbox.sh("flatnet down").succeeds();
    let steps = count_steps(|step| {
        let answer = with_fault(add(), &format!("fail@{step}"), &sandbox);
        let faulted = had_fault(&answer);
        if answer.status == Some(0) {
            Call::del("c1").run(&sandbox).succeeds_silently();
        } else {
            answer.fails();
        }
        let is_up = sandbox.sh("ip link show flatnet-br0").status == Some(0);
        // A container does not fail for want of names: a resolver that could not be started is started by the next run.
        sandbox.sh("! ip link show flatnet-br0 || pgrep -f 'flatnet d[n]s' || flatnet up").succeeds();
        (if is_up { &up } else { &fresh }).assert_is_back_but_for_files(&sandbox);
        sandbox.sh("flatnet down").succeeds();
        faulted
    });
    assert!(steps >= 17, "only {steps} steps had a fault");
}

#[test]
fn del_that_fails_at_any_step_is_finished_by_the_next() {
    let (sandbox, before) = ready();
    let steps = count_steps(|step| {
        add().run(&sandbox).succeeds();
        let answer = with_fault(Call::del("c1"), &format!("fail@{step}"), &sandbox);
        let faulted = had_fault(&answer);
        answer.succeeds_silently();
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
        faulted
    });
    assert!(steps >= 2, "only {steps} steps had a fault");
}
