//! An address that was just another container's is reached at once: nobody has to wait until a neighbour entry is stale.

use serde_json::{Value, json};

use crate::cni::host;
use crate::drive::{self, drive};
use crate::soak;
use crate::world::World;

/// What the first ping may take.
const MILLISECONDS: f64 = 50.0;

#[test]
fn the_first_ping_of_a_reused_address_is_answered_at_once() {
    let sandbox = host("");
    drive::install(&sandbox);
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let runs = soak::count(50);
    let answer = drive(&sandbox, "reuse", &json!({"runs": runs}));
    before.assert_is_back(&sandbox);
    let is_late = |time: &Value| time.as_f64().is_none_or(|time| time >= MILLISECONDS);
    let mut late = 0;
    for from in ["host", "container"] {
        let times = answer[from].as_array().cloned().unwrap_or_default();
        assert_eq!(times.len(), runs);
        late += times.iter().filter(|time| is_late(time)).count();
    }
    let figures = json!({
        "ms from the host": drive::numbers(&answer, "host"),
        "ms from a container": drive::numbers(&answer, "container"),
        "lost or too late": late,
    });
    soak::report(runs, 0, &figures);
    assert_eq!(late, 0, "pings that were lost, or took {MILLISECONDS} ms: {answer}");
}
