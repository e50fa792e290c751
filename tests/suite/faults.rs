//! A fault at every step of ADD and of DEL, one after the other: nothing is left behind.
//!
//! Needs the feature `faults`; what `fail@N` and `kill@N` do is told in `src/execute/fault.rs`.

use crate::cni::{Answer, Call, host};
use crate::sandbox::Sandbox;
use crate::world::World;

const YAML: &str = "mtu: 1400\n";
/// More steps than ADD or DEL have: a test that gets here never saw one succeed.
const TOO_MANY: usize = 60;

fn ready() -> (Sandbox, World) {
    let sandbox = host(YAML);
    sandbox.sh("flatnet up && nft add table inet bystander").succeeds();
    sandbox.add_netns("c1");
    let world = World::of(&sandbox);
    (sandbox, world)
}

/// ADD with a published port, so that every kind of step is among its own.
fn add() -> Call {
    let port =
        serde_json::json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    Call::add("c1").conf("runtimeConfig", port)
}

fn with_fault(call: Call, action: &str, step: usize, sandbox: &Sandbox) -> Answer {
    call.var("FLATNET_FAULT", &format!("{action}@{step}")).run(sandbox)
}

/// Calls `each` with 1, 2, .. until it answers that no fault came to pass; how many did.
fn count_steps(mut each: impl FnMut(usize) -> bool) -> usize {
    (1..TOO_MANY).take_while(|&step| each(step)).count()
}

fn had_fault(answer: &Answer) -> bool {
    answer.stderr.contains("a fault was asked for")
}

fn was_killed(answer: &Answer) -> bool {
    // 128 and SIGKILL, as the shell has it, or no status at all.
    answer.status.is_none() || answer.status == Some(137)
}

#[test]
fn add_that_fails_at_any_step_leaves_nothing() {
    let (sandbox, before) = ready();
    let mut failed = 0;
    let steps = count_steps(|step| {
        let answer = with_fault(add(), "fail", step, &sandbox);
        let faulted = had_fault(&answer);
        if answer.status == Some(0) {
            // No fault, or one that is mended: a ruleset that refuses an element is made again.
            Call::del("c1").run(&sandbox).succeeds_silently();
        } else {
            let said = answer.fails();
            assert!(
                said.contains("all was taken back") && said.contains("exited with 1"),
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
fn add_on_a_fresh_host_that_fails_at_any_step_leaves_the_host_as_it_was_or_set_up() {
    let sandbox = host(YAML);
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up && flatnet down").succeeds();
    let fresh = World::of(&sandbox).without_files();
    sandbox.sh("flatnet up").succeeds();
    let up = World::of(&sandbox).without_files();
    sandbox.sh("flatnet down").succeeds();
    let steps = count_steps(|step| {
        let answer = with_fault(add(), "fail", step, &sandbox);
        let faulted = had_fault(&answer);
        if answer.status == Some(0) {
            Call::del("c1").run(&sandbox).succeeds_silently();
        } else {
            answer.fails();
        }
        let is_up = sandbox.sh("ip link show flatnet-br0").status == Some(0);
        (if is_up { &up } else { &fresh }).assert_is_back_but_for_files(&sandbox);
        sandbox.sh("flatnet down").succeeds();
        faulted
    });
    assert!(steps >= 17, "only {steps} steps had a fault");
}

#[test]
fn add_that_is_killed_at_any_step_is_undone_by_del() {
    let (sandbox, before) = ready();
    let steps = count_steps(|step| {
        let killed = was_killed(&with_fault(add(), "kill", step, &sandbox));
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
        killed
    });
    assert!(steps >= 10, "only {steps} steps were killed");
}

#[test]
fn add_that_is_killed_at_any_step_is_healed_by_add() {
    let (sandbox, before) = ready();
    let steps = count_steps(|step| {
        let killed = was_killed(&with_fault(add(), "kill", step, &sandbox));
        let result = add().run(&sandbox).succeeds();
        Call::check("c1", &result).run(&sandbox).succeeds_silently();
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
        killed
    });
    assert!(steps >= 10, "only {steps} steps were killed");
}

#[test]
fn add_that_is_killed_at_any_step_with_its_namespace_is_collected() {
    let (sandbox, _) = ready();
    sandbox.sh("ip netns del c1").succeeds();
    let before = World::of(&sandbox);
    let steps = count_steps(|step| {
        sandbox.add_netns("c1");
        let killed = was_killed(&with_fault(add(), "kill", step, &sandbox));
        sandbox.sh("ip netns del c1").succeeds();
        // The kernel takes a moment to take the pair of links away.
        sandbox.eventually("! ip -br link | grep '^fn'");
        sandbox.sh("flatnet gc").succeeds();
        before.assert_is_back(&sandbox);
        killed
    });
    assert!(steps >= 10, "only {steps} steps were killed");
}

#[test]
fn del_that_fails_or_is_killed_at_any_step_is_finished_by_the_next() {
    let (sandbox, before) = ready();
    for action in ["fail", "kill"] {
        let steps = count_steps(|step| {
            add().run(&sandbox).succeeds();
            let answer = with_fault(Call::del("c1"), action, step, &sandbox);
            assert!(answer.status == Some(0) || was_killed(&answer), "{action}@{step}: DEL failed");
            let faulted = had_fault(&answer);
            Call::del("c1").run(&sandbox).succeeds_silently();
            before.assert_is_back(&sandbox);
            faulted
        });
        assert!(steps >= 2, "only {steps} steps had {action}");
    }
}
