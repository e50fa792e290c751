//! ADD and DEL, repeated: whether anything grows or gets slower.

use serde_json::{Value, json};

use crate::cni::host;
use crate::drive::{self, drive};
use crate::soak;
use crate::world::World;

/// As many as there are addresses in the range, and as many again: from then on the file of leases is full.
const BATCH: usize = 250;

#[test]
fn repeated_add_and_del_leak_nothing() {
    let sandbox = host("subnet: 10.87.1.0/25\n");
    drive::install(&sandbox);
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let runs = soak::count(300);
    let (mut times, mut looks): (Vec<f64>, Vec<Value>) = (Vec::new(), Vec::new());
    for first in (0..runs).step_by(BATCH) {
        let answer = drive(&sandbox, "cycle", &json!({"first": first, "runs": BATCH.min(runs - first)}));
        times.extend(drive::numbers(&answer, "times"));
        looks.push(answer);
    }
    before.assert_is_back(&sandbox);
    let (Some(start), Some(end)) = (looks.first(), looks.last()) else { return };
    let grown =
        |what: &str| end[what].as_i64().unwrap_or_default() - start[what].as_i64().unwrap_or_default();
    let tenth = (runs / 10).max(1);
    let figures = json!({
        "ms per cycle, first tenth": &times[..tenth],
        "ms per cycle, last tenth": &times[runs - tenth..],
        "state KiB": [end["state"].as_f64().unwrap_or_default() / 1024.0],
        "state bytes grew by": grown("state"),
        "open files grew by": grown("files"),
        "open files of the machine grew by": grown("system files"),
        "slab KiB grew by": grown("slab"),
        "unreclaimable slab KiB grew by": grown("unreclaimable slab"),
    });
    soak::report(runs, 0, &figures);
    for what in ["state", "files"] {
        assert_eq!(grown(what), 0, "{what} grew: {start} to {end}");
    }
}
