//! Tests with two lengths: a short count in the suite, and a long one under `ops/soak`, which sets the environment
//! variables read here.
//!
//! ```ignore
//! let runs = soak::count(200);
//! let mut random = Random::new(soak::seed());
//! ..
//! soak::report(runs, left_behind, &json!({"milliseconds": times, "killed": killed}));
//! assert_eq!(left_behind, 0);
//! ```
//!
//! `ops/lib/soak/rows.py` has the tests of each row and its long count.

#![allow(clippy::panic, clippy::expect_used, dead_code, reason = "a panic is a failed test; a vocabulary")]

use std::io::Write as _;

use serde_json::{Value, json};

/// The number of runs: `short` in the suite, `FLATNET_SOAK_COUNT` in a soak. A row's name says what is counted.
pub(crate) fn count(short: usize) -> usize {
    variable("FLATNET_SOAK_COUNT").map_or(short, |text| text.parse().expect("FLATNET_SOAK_COUNT is a number"))
}

/// The seed of random choices: always the same in the suite, another one in each round of a soak.
pub(crate) fn seed() -> u64 {
    variable("FLATNET_SOAK_SEED").map_or(1, |text| text.parse().expect("FLATNET_SOAK_SEED is a number"))
}

/// Reports a round to `ops/soak`; does nothing in the suite. Call it before the assertion that nothing is left behind,
/// so that a failed round is in the table too.
///
/// The table adds up the whole numbers in `figures`, and shows median and worst of its lists of numbers.
pub(crate) fn report(runs: usize, left_behind: usize, figures: &Value) {
    let Some(path) = variable("FLATNET_SOAK_REPORT") else { return };
    let line = json!({"runs": runs, "left_behind": left_behind, "figures": figures});
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("FLATNET_SOAK_REPORT={path}: {error}"));
    // A single write, so that parallel tests do not mix their lines.
    file.write_all(format!("{line}\n").as_bytes()).expect("the report can be written");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
