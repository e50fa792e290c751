//! `doctor --fix`: fixes that touch only what belongs to Flatnet.

use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::model::command::Command;
use crate::setup::install::{Content, Item, install};

use super::Entry;
use super::finding::FixAction;

/// One fix.
#[derive(Debug)]
pub struct Fix {
    /// The ID of the check.
    pub id: &'static str,
    action: FixAction,
}

/// The fixes for these findings.
#[must_use]
pub fn plan_fixes(entries: &[Entry]) -> Vec<Fix> {
    let fix = |entry: &Entry| Some(Fix { id: entry.check.id, action: entry.finding.fix.clone()? });
    entries.iter().filter_map(fix).collect()
}

impl Fix {
    /// The commands or file operations, one per line.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        match &self.action {
            FixAction::Run(commands) => commands.iter().map(ToString::to_string).collect(),
            FixAction::Install(Item { path, content: Content::File(_) }) => {
                vec![format!("write {}", path.display())]
            }
            FixAction::Install(Item { path, content: Content::Link(target) }) => {
                vec![format!("link {} to {}", path.display(), target.display())]
            }
        }
    }

    /// Applies the fix.
    pub fn carry_out(&self, executor: &mut dyn Executor) -> Result<()> {
        match &self.action {
            FixAction::Run(commands) => commands
                .iter()
                .try_for_each(|command: &Command| executor.run(command, &[])?.checked(command).map(drop)),
            FixAction::Install(item) => install(std::slice::from_ref(item), true).map(drop),
        }
    }
}
