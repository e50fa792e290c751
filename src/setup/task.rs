//! Commands that run in order, and are undone in reverse order if one fails.

use std::fmt::{self, Write as _};
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Kind, Result, io};
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
    /// A variable of the command's environment. Its value is never shown.
    #[serde(skip)]
    secret: Option<(&'static str, Secret)>,
    /// Says in words of Flatnet why it failed.
    #[serde(skip)]
    explain: Explain,
}

/// The value of a variable that only the command's environment may hold.
#[derive(Clone, PartialEq, Eq)]
struct Secret(String);

/// Tasks that run the same are equal, however their failure is explained.
#[derive(Clone, Copy, Debug)]
struct Explain(fn(Error) -> Error);

impl PartialEq for Explain {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Explain {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Task {
    /// A command without undo.
    #[must_use]
    pub fn new(command: Command, why: &'static str) -> Self {
        Self { command, undo: Vec::new(), why, advice: None, secret: None, explain: Explain(|error| error) }
    }

    /// The same, with this variable in its environment.
    #[must_use]
    pub fn with_secret(self, variable: &'static str, value: Option<&str>) -> Self {
        Self { secret: value.map(|text| (variable, Secret(text.to_owned()))), ..self }
    }

    /// The same, with its failure in the words of `explain`.
    #[must_use]
    pub fn explained_by(self, explain: fn(Error) -> Error) -> Self {
        Self { explain: Explain(explain), ..self }
    }

    fn run(&self, executor: &mut impl Executor) -> Result<()> {
        let Self { command, secret, explain: Explain(explain), .. } = self;
        let ended = match secret {
            None => executor.run(command, &[])?,
            Some((variable, Secret(value))) => {
                let read = format!(r#"IFS= read -r {variable} && export {variable} && exec "$0" "$@""#);
                let words = ["sh".to_owned(), "-c".to_owned(), read].into_iter().chain(command.argv.clone());
                executor.run(&Command::new(words).stdin(format!("{value}\n")), &[])?
            }
        };
        // The command without its input, which an error prints.
        ended.checked(command).map(drop).map_err(explain)
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
        Self::new(write(path, mode, text), why).undone_by([restore(path, mode)])
    }

    /// The same for a file without which nobody knows what was given: it is whole, the old one or the new one, whenever the power fails.
    #[must_use]
    pub fn replace(path: &Path, mode: &str, text: &str, why: &'static str) -> [Self; 3] {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let (new, to) = (Path::new(&new), path.display().to_string());
        let from = new.display().to_string();
        [
            Self::new(write(new, mode, text), why).undone_by([remove(new)]),
            Self::new(Command::new(["sync", &from]), "it is on the disk before it replaces the old one"),
            Self::new(Command::new(["mv", "-T", &from, &to]), why).undone_by([restore(path, mode)]),
        ]
    }

    /// Copies a file that exists by then. Its undo restores what was there.
    #[must_use]
    pub fn copy(from: &Path, to: &Path, mode: &str, why: &'static str) -> Self {
        let (from, path) = (from.display().to_string(), to.display().to_string());
        Self::new(Command::new(["install", "-m", mode, &from, &path]), why).undone_by([restore(to, mode)])
    }

    /// Makes a folder with this mode, and the folders above it. An error if it exists. Its undo removes it with all that is in it.
    pub fn folder(path: &Path, mode: &str, why: &'static str) -> Result<Vec<Self>> {
        match std::fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(io("make", path)(cause)),
            Ok(_) => {
                let what = format!("cannot make {}: it exists already", path.display());
                return Err(Error::new(Kind::Io, what)
                    .remedy("Name a folder that does not exist yet, or move this one away"));
            }
        }
        let above = path.ancestors().skip(1).take_while(|folder| !folder.exists());
        let mut above: Vec<&Path> = above.filter(|folder| !folder.as_os_str().is_empty()).collect();
        above.reverse();
        let make = |folder: &Path, mode, why| {
            let make = Command::new(["mkdir", "-m", mode, &folder.display().to_string()]);
            Self::new(make, why).or_advise("Name a folder in one in which root can make it")
        };
        let mut tasks: Vec<Self> = Vec::new();
        for folder in above {
            let undo = Command::new(["rmdir", &folder.display().to_string()]);
            tasks.push(make(folder, "755", "the folder for the next one").undone_by([undo]));
        }
        tasks.push(make(path, mode, why).undone_by([Command::new([
            "rm",
            "-rf",
            &path.display().to_string(),
        ])]));
        Ok(tasks)
    }

    /// Removes a file. Its undo restores it.
    #[must_use]
    pub fn delete(path: &Path, mode: &str, why: &'static str) -> Option<Self> {
        let before = std::fs::read_to_string(path).ok()?;
        Some(Self::new(remove(path), why).undone_by([write(path, mode, &before)]))
    }
}

/// Makes the file at `path` what it is now.
fn restore(path: &Path, mode: &str) -> Command {
    match std::fs::read_to_string(path) {
        Ok(before) => write(path, mode, &before),
        Err(_) => remove(path),
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
        let Err(error) = task.run(executor) else { continue };
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
    if tasks.is_empty() {
        return "Nothing would be changed.\n".to_owned();
    }
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
