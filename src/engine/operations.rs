//! Counts of operations, in a file that a reboot takes with it. They need no guard: an operation that is not counted does no harm.

use std::time::Duration;

use super::{Engine, now};
use crate::state::dir::StateDir;
use crate::state::operations::Operations;

impl Engine {
    /// Counts one that took so long. It costs microseconds, and a failure is ignored.
    pub(super) fn count_operation(&self, name: &str, is_ok: bool, took: Duration) {
        let Ok(dirs) = self.lock_dirs() else { return };
        let _ = dirs.run().update(&self.operations_file(), |found| {
            let mut operations = Operations::parse(found.as_deref());
            operations.add(name, is_ok, took, now());
            operations.to_bytes()
        });
    }

    /// Those since this host started.
    #[must_use]
    pub fn operations(&self) -> Operations {
        let run = StateDir::open_to_look(&self.config.paths.run);
        Operations::parse(run.read(&self.operations_file()).ok().flatten().as_deref())
    }

    /// A network's name has no dot.
    fn operations_file(&self) -> String {
        format!("{}.operations.json", self.config.network)
    }
}
