//! SIGKILL at random moments, as by the OOM killer or a runtime's timeout, followed at once by the runtime's DEL.

use serde_json::json;

use crate::cni::host;
use crate::drive::{self, drive};
use crate::soak;
use crate::world::World;

/// The complete state is checked after this many kills; after each kill, only what is cheap to check.
const BATCH: usize = 100;

#[test]
fn kill_at_random_moment_then_del_leaves_nothing() {
    let sandbox = host("");
    drive::install(&sandbox);
    sandbox.sh("flatnet up && nft add table inet bystander").succeeds();
    let before = World::of(&sandbox);
    let runs = soak::count(200);
    let (mut adds, mut dels, mut times, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for first in (0..runs).step_by(BATCH) {
        let plan =
            json!({"seed": soak::seed() + first as u64, "first": first, "runs": BATCH.min(runs - first)});
        let answer = drive(&sandbox, "kill", &plan);
        adds += answer["killed"]["ADD"].as_u64().unwrap_or_default();
        dels += answer["killed"]["DEL"].as_u64().unwrap_or_default();
        times.extend(drive::numbers(&answer, "times"));
        wrong.extend(drive::texts(&answer, "wrong"));
        if wrong.is_empty() {
            before.assert_is_back(&sandbox);
        }
    }
    let figures =
        json!({"ADDs killed before their end": adds, "DELs killed": dels, "ms for the DEL after": times});
    soak::report(runs, wrong.len(), &figures);
    assert!(wrong.is_empty(), "{} of {runs} left something behind:\n{}", wrong.len(), wrong.join("\n"));
    // The moment is random within slightly more than the duration of an earlier call. Most kills therefore hit a
    // running call, unless the machine was busier during the earlier one.
    let killed = usize::try_from(adds + dels).unwrap_or_default();
    assert!(killed * 10 >= runs, "only {killed} of {runs} were killed before they ended");
}
