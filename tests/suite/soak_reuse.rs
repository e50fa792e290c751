//! A reused address is reachable at once, without waiting for a stale neighbour entry.

use serde_json::{Value, json};

use crate::cni::host;
use crate::drive::{self, drive};
use crate::soak;
use crate::world::World;

/// The usual limit of the first ping on an idle machine. How many pings exceed it is reported as a figure.
const SOON: f64 = 50.0;
/// The limit that no ping may exceed: with a stale neighbour entry, a sender waits a second before it asks again.
const STALE: f64 = 900.0;

#[test]
fn first_ping_of_reused_address_is_answered_promptly() {
    let sandbox = host("");
    drive::install(&sandbox);
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let runs = soak::count(50);
    let answer = drive(&sandbox, "reuse", &json!({"runs": runs}));
    before.assert_is_back(&sandbox);
    let mut times: Vec<Option<f64>> = Vec::new();
    for from in ["host", "container"] {
        times.extend(answer[from].as_array().into_iter().flatten().map(Value::as_f64));
    }
    assert_eq!(times.len(), 2 * runs);
    let later_than = |limit: f64| times.iter().filter(|time| time.is_none_or(|time| time >= limit)).count();
    let figures = json!({
        "ms from the host": drive::numbers(&answer, "host"),
        "ms from a container": drive::numbers(&answer, "container"),
        "lost or later than 50 ms": later_than(SOON),
        "lost or later than 900 ms": later_than(STALE),
    });
    soak::report(runs, 0, &figures);
    assert_eq!(later_than(STALE), 0, "pings that were lost, or took {STALE} ms: {answer}");
}
