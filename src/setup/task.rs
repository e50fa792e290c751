//! Commands that run in order, and are undone in reverse order if one fails.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::kernel::execute::Executor;
use crate::model::command::Command;

/// One command, its undo and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// What is run.
    pub command: Command,
    /// What takes it back, in this order.
    pub undo: Vec<Command>,
    /// The reason, for people.
    pub why: &'static str,
    /// What to do if it fails, where that is known.
    #[serde(skip)]
    advice: Option<&'static str>,
}

impl Task {
    /// A command without undo.
    #[must_use]
    pub fn new(command: Command, why: &'static str) -> Self {
        Self { command, undo: Vec::new(), why, advice: None }
    }

    /// The same, with advice for the case that it fails.
    #[must_use]
    pub fn or_advise(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    /// The same, undone by this after what undoes it so far.
    #[must_use]
    pub fn undone_by(mut self, undo: impl IntoIterator<Item = Command>) -> Self {
        self.undo.extend(undo);
        self
    }

    /// Writes a file with this mode (octal digits). Its undo restores what was there.
    #[must_use]
    pub fn put(path: &Path, mode: &str, text: &str, why: &'static str) -> Self {
        let undo = match std::fs::read_to_string(path) {
            Ok(before) => write(path, mode, &before),
            Err(_) => remove(path),
        };
        Self::new(write(path, mode, text), why).undone_by([undo])
    }

    /// Removes a file. Its undo restores it.
    #[must_use]
    pub fn delete(path: &Path, mode: &str, why: &'static str) -> Option<Self> {
        let before = std::fs::read_to_string(path).ok()?;
        Some(Self::new(remove(path), why).undone_by([write(path, mode, &before)]))
    }
}

fn write(path: &Path, mode: &str, text: &str) -> Command {
    Command::new(["install", "-D", "-m", mode, "/dev/stdin", &path.display().to_string()]).stdin(text)
}

fn remove(path: &Path) -> Command {
    Command::new(["rm", "-f", &path.display().to_string()])
}

/// Runs `tasks`. If one fails, those before it are undone, last first.
pub fn run(tasks: &[Task], executor: &mut impl Executor) -> Result<()> {
    for (index, task) in tasks.iter().enumerate() {
        let ended = executor.run(&task.command, &[]).and_then(|output| output.checked(&task.command));
        let Err(error) = ended else { continue };
        let error = match task.advice {
            Some(advice) => error.remedy(advice),
            None => error,
        };
        let stuck = undo(&tasks[..index], executor);
        return Err(if stuck.is_empty() {
            error.outcome("everything was rolled back")
        } else {
            error.outcome(format!("not everything could be rolled back: {}", stuck.join("; ")))
        });
    }
    Ok(())
}

/// Takes `tasks` back, last first, and returns what failed.
fn undo(tasks: &[Task], executor: &mut impl Executor) -> Vec<String> {
    let undos = tasks.iter().rev().flat_map(|task| &task.undo);
    undos
        .filter_map(|command| {
            let error: Error = executor.run(command, &[]).and_then(|output| output.checked(command)).err()?;
            Some(format!("{} ({})", command.line(), error.to_line()))
        })
        .collect()
}

/// The tasks as text for people, with the commands to paste.
#[must_use]
pub fn text(tasks: &[Task]) -> String {
    let mut text = String::new();
    for (index, task) in tasks.iter().enumerate() {
        let lines: Vec<String> = task.undo.iter().map(Command::line).collect();
        let undo = if lines.is_empty() { "nothing to undo".to_owned() } else { lines.join("; ") };
        let _ = writeln!(
            text,
            "{:>3}. {}\n     why:  {}\n     undo: {undo}",
            index + 1,
            task.command.line(),
            task.why
        );
    }
    text.push_str("\nCommands:\n");
    for task in tasks {
        let _ = writeln!(text, "{}", task.command);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kernel::execute::HostExecutor;

    #[test]
    fn failure_undoes_what_was_done_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("sub/new"));
        std::fs::write(&old, "before\n").unwrap();
        let mut tasks = vec![
            Task::put(&old, "644", "after\n", "changes a file"),
            Task::put(&new, "600", "made\n", "makes a file"),
        ];
        let mut executor = HostExecutor::new(Duration::from_secs(5));
        run(&tasks, &mut executor).unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "after\n");
        assert_eq!(std::fs::read_to_string(&new).unwrap(), "made\n");
        tasks.push(Task::new(Command::new(["false"]), "fails"));
        let error = run(&tasks, &mut executor).unwrap_err().to_line();
        assert!(
            error.contains("`false` exited with 1") && error.contains("everything was rolled back"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "before\n");
        assert!(!new.exists());
        let told = text(&tasks);
        assert!(
            told.contains("  1. install -D -m 644 /dev/stdin") && told.contains("<<'EOF'\nafter\nEOF"),
            "{told}"
        );
    }
}
