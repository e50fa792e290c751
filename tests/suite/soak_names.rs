//! Names, from the first question after ADD to the first after DEL.

use serde_json::json;

use crate::cni::host;
use crate::drive::{self, drive};
use crate::soak;
use crate::world::World;

/// How many containers a driver attaches.
const BATCH: usize = 500;

#[test]
fn first_question_after_add_and_del_is_answered_right() {
    let sandbox = host("");
    drive::install(&sandbox);
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let runs = soak::count(50);
    let mut wrong: Vec<String> = Vec::new();
    for first in (0..runs).step_by(BATCH) {
        let answer =
            drive(&sandbox, "first_query", &json!({"first": first, "runs": BATCH.min(runs - first)}));
        wrong.extend(drive::texts(&answer, "wrong"));
    }
    before.assert_is_back(&sandbox);
    soak::report(runs, 0, &json!({"wrong answers": wrong.len()}));
    assert!(wrong.is_empty(), "{} of {runs}, such as {:?}", wrong.len(), &wrong[..wrong.len().min(3)]);
}
