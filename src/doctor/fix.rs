//! What `doctor --fix` does: the doctor's own mends, which touch nothing that is somebody else's.

use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::model::command::Command;
use crate::setup::install::{Content, Item, install};

use super::Entry;
use super::finding::Fix;

/// Something that `--fix` does.
#[derive(Debug)]
pub struct Treatment {
    /// Of which check.
    pub id: &'static str,
    fix: Fix,
}

/// What the doctor may mend itself of what was found.
#[must_use]
pub fn plan_fix(entries: &[Entry]) -> Vec<Treatment> {
    let treatment = |entry: &Entry| Some(Treatment { id: entry.check.id, fix: entry.finding.fix.clone()? });
    entries.iter().filter_map(treatment).collect()
}

impl Treatment {
    /// What it does, line by line.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        match &self.fix {
            Fix::Run(commands) => commands.iter().map(ToString::to_string).collect(),
            Fix::Install(Item { path, content: Content::File(_) }) => {
                vec![format!("write {}", path.display())]
            }
            Fix::Install(Item { path, content: Content::Link(target) }) => {
                vec![format!("link {} to {}", path.display(), target.display())]
            }
        }
    }

    /// Does it.
    pub fn carry_out(&self, executor: &mut dyn Executor) -> Result<()> {
        match &self.fix {
            Fix::Run(commands) => commands
                .iter()
                .try_for_each(|command: &Command| executor.run(command, &[])?.checked(command).map(drop)),
            Fix::Install(item) => install(std::slice::from_ref(item), true).map(drop),
        }
    }
}
