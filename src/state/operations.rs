//! How often ADD, DEL and other operations ended, and how long they took, since this host started.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Operations by their name in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Operations(BTreeMap<String, Operation>);

/// All runs of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operation {
    /// Those that succeeded.
    pub ok: Runs,
    /// Those that failed.
    pub failed: Runs,
    /// How long the last one took, in microseconds.
    pub last: u64,
    /// When it ended: milliseconds since 1970.
    pub at: i64,
}

/// Runs with one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runs {
    /// Their number.
    pub count: u64,
    /// The time that they took together, in microseconds.
    pub took: u64,
}

impl Operations {
    /// The operations in a file by [`Operations::to_bytes`]; none if it is missing or torn.
    #[must_use]
    pub fn parse(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The runs of the operation `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> Operation {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Counts one that ended at `at`.
    pub fn add(&mut self, name: &str, is_ok: bool, took: Duration, at: i64) {
        let operation = self.0.entry(name.to_owned()).or_default();
        let runs = if is_ok { &mut operation.ok } else { &mut operation.failed };
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        runs.count += 1;
        runs.took = runs.took.saturating_add(took);
        (operation.last, operation.at) = (took, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_outcome_and_survive_a_file() {
        let mut operations = Operations::parse(Some(b"{\"add\": torn"));
        assert_eq!(operations, Operations::parse(None));
        operations.add("add", true, Duration::from_micros(1500), 7);
        operations.add("add", true, Duration::from_micros(500), 8);
        operations.add("add", false, Duration::from_secs(1), 9);
        let read = Operations::parse(Some(&operations.to_bytes()));
        let wanted = Operation {
            ok: Runs { count: 2, took: 2000 },
            failed: Runs { count: 1, took: 1_000_000 },
            last: 1_000_000,
            at: 9,
        };
        assert_eq!((read.of("add"), read.of("del")), (wanted, Operation::default()));
    }
}
