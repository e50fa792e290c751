//! SIGKILL at each step of ADD and DEL: either Flatnet alone after the step, or Flatnet and its children during the
//! step's command. The namespace is kept or deleted, then a DEL, an ADD or `flatnet repair` follows.
//!
//! Requires the feature `faults`: `src/kernel/execute/fault.rs` sends the signal.

use serde_json::json;

use crate::cni::{Answer, Call, host};
use crate::faults::{YAML, add, count_steps, ready, with_fault};
use crate::sandbox::Sandbox;
use crate::soak;
use crate::world::World;

/// The call that is killed.
#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Add,
    Del,
}

/// The namespace after the kill.
#[derive(Clone, Copy, PartialEq)]
enum Netns {
    Kept,
    Gone,
}

/// The next call.
#[derive(Clone, Copy)]
enum Then {
    Del,
    Add,
    Repair,
}

/// One test for each combination, so that they run in parallel.
macro_rules! nothing_stays_after {
    ($($name:ident: $verb:ident, $netns:ident, $then:ident;)*) => {
        $(#[test]
        fn $name() {
            at_every_step(Verb::$verb, Netns::$netns, Then::$then);
        })*
    };
}

nothing_stays_after! {
    del_after_killed_add_leaves_nothing: Add, Kept, Del;
    add_after_killed_add_leaves_nothing: Add, Kept, Add;
    repair_after_killed_add_leaves_nothing: Add, Kept, Repair;
    del_after_killed_add_without_namespace_leaves_nothing: Add, Gone, Del;
    add_after_killed_add_without_namespace_leaves_nothing: Add, Gone, Add;
    repair_after_killed_add_without_namespace_leaves_nothing: Add, Gone, Repair;
    del_after_killed_del_leaves_nothing: Del, Kept, Del;
    add_after_killed_del_leaves_nothing: Del, Kept, Add;
    repair_after_killed_del_leaves_nothing: Del, Kept, Repair;
    del_after_killed_del_without_namespace_leaves_nothing: Del, Gone, Del;
    add_after_killed_del_without_namespace_leaves_nothing: Del, Gone, Add;
    repair_after_killed_del_without_namespace_leaves_nothing: Del, Gone, Repair;
}

fn at_every_step(verb: Verb, netns: Netns, then: Then) {
    let (sandbox, before) = ready();
    let mut kills = 0;
    for fault in [alone, tree] {
        let steps = count_steps(|step| {
            if verb == Verb::Del {
                add().run(&sandbox).succeeds();
            }
            let call = if verb == Verb::Add { add() } else { Call::del("c1") };
            let killed = was_killed(&with_fault(call, &fault(step), &sandbox));
            if netns == Netns::Gone {
                sandbox.sh("ip netns del c1").succeeds();
            }
            come_next(then, netns, &sandbox);
            before.assert_is_back(&sandbox);
            killed
        });
        assert!(steps >= if verb == Verb::Add { 10 } else { 2 }, "only {steps} steps were killed");
        kills += steps;
    }
    soak::report(kills, 0, &json!({}));
}

/// Makes the next call. Leaves the namespace `c1`, without an attachment.
fn come_next(then: Then, netns: Netns, sandbox: &Sandbox) {
    match (then, netns) {
        (Then::Del, _) => Call::del("c1").run(sandbox).succeeds_silently(),
        (Then::Repair, Netns::Gone) => {
            // The kernel removes the veth pair with a delay.
            sandbox.eventually("! ip -br link | grep '^fn'");
            repair(sandbox);
        }
        (Then::Repair, Netns::Kept) => {
            // The container may be running, so a DEL follows.
            repair(sandbox);
            Call::del("c1").run(sandbox).succeeds_silently();
        }
        (Then::Add, _) => {}
    }
    if netns == Netns::Gone {
        sandbox.add_netns("c1");
    }
    if matches!(then, Then::Add) {
        add_check_del(sandbox);
    }
}

/// Repairs, and asserts that a second repair has nothing to do.
fn repair(sandbox: &Sandbox) {
    sandbox
        .sh("flatnet repair >&2; flatnet repair --dry-run --format json | jq -c .commands")
        .prints_exactly("[]");
}

fn add_check_del(sandbox: &Sandbox) {
    let result = add().run(sandbox).succeeds();
    Call::check("c1", &result).run(sandbox).succeeds_silently();
    Call::del("c1").run(sandbox).succeeds_silently();
}

/// The first ADD also sets up the host. After a kill at any step, DEL and `flatnet down` restore the host.
#[test]
fn killed_first_add_leaves_host_fresh_or_set_up() {
    let sandbox = host(YAML);
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up && flatnet down").succeeds();
    let fresh = World::of(&sandbox).without_files();
    sandbox.sh("flatnet up").succeeds();
    let up = World::of(&sandbox);
    sandbox.sh("flatnet down").succeeds();
    let mut kills = 0;
    for fault in [alone, tree] {
        let steps = count_steps(|step| {
            let killed = was_killed(&with_fault(add(), &fault(step), &sandbox));
            Call::del("c1").run(&sandbox).succeeds_silently();
            sandbox.sh("flatnet down").succeeds();
            fresh.assert_is_back_but_for_files(&sandbox);
            let _ = with_fault(add(), &fault(step), &sandbox);
            add_check_del(&sandbox);
            up.assert_is_back(&sandbox);
            sandbox.sh("flatnet down").succeeds();
            killed
        });
        assert!(steps >= 17, "only {steps} steps were killed");
        kills += 2 * steps;
    }
    soak::report(kills, 0, &json!({}));
}

fn alone(step: usize) -> String {
    format!("kill@{step}")
}

/// Kills during the step's command. The delay differs for each step and for each round of a soak.
fn tree(step: usize) -> String {
    let after = (soak::seed() * 7919 + u64::try_from(step).unwrap_or_default() * 1237) % 6000;
    format!("kill-tree@{step}+{after}")
}

fn was_killed(answer: &Answer) -> bool {
    // A shell reports SIGKILL as status 137 (128 + 9); otherwise there is no status.
    answer.status.is_none() || answer.status == Some(137)
}
