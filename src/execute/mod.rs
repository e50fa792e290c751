//! Running commands.
//!
//! An [`Executor`] starts a [`Command`]; [`HostExecutor`] does it for real, `fault` (with the feature `faults`) makes it fail where a test
//! wants it to, a test's own may record.

#[cfg(feature = "faults")]
pub mod fault;
mod host;
mod record;

use std::fmt;
use std::time::Duration;

pub use host::HostExecutor;
pub use record::{Ran, Record, Recorded};

use crate::command::Command;
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;

/// Starts commands.
pub trait Executor {
    /// Starts `command`, which inherits `locks` and nothing else.
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>>;

    /// Runs `command` to its end.
    fn run(&mut self, command: &Command, locks: &[&Lock]) -> Result<Output> {
        self.start(command, locks)?.wait()
    }
}

/// A command that was started.
pub trait Running {
    /// Waits for its end, but no longer than the limit that the executor was given.
    fn wait(self: Box<Self>) -> Result<Output>;

    /// Whether it has ended.
    fn has_ended(&self) -> bool;
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal: how much of its work is done is not known.
    Signal(i32),
    /// It was killed after this limit: how much of its work is done is not known.
    TimedOut(Duration),
}

/// What a command that ended left.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Output {
    /// Whether it exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.exit == Exit::Code(0)
    }

    /// Nothing but an error, unless it exited with 0.
    pub fn checked(self, command: &Command) -> Result<Self> {
        if self.success() { Ok(self) } else { Err(CommandFailure::new(command, &self).into()) }
    }
}

/// A command that did not exit with 0.
#[derive(Clone, Debug)]
pub struct CommandFailure {
    /// The command.
    pub command: Command,
    /// How it ended.
    pub exit: Exit,
    /// What it complained of.
    pub stderr: String,
}

impl CommandFailure {
    /// What `output` says about `command`.
    #[must_use]
    pub fn new(command: &Command, output: &Output) -> Self {
        Self { command: command.clone(), exit: output.exit, stderr: output.stderr.trim().to_owned() }
    }

    /// The line of the batch that failed, counted from 0, where `ip -batch` names one.
    #[must_use]
    pub fn failed_line(&self) -> Option<usize> {
        let (_, after) = self.stderr.rsplit_once("Command failed -:")?;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()?.checked_sub(1)
    }

    /// The text of that line, or the whole command line.
    #[must_use]
    pub fn culprit(&self) -> String {
        let line = self.failed_line().and_then(|line| self.command.stdin.as_ref()?.lines().nth(line));
        line.map_or_else(|| self.command.line(), |line| format!("{}: {line}", self.command.line()))
    }

    fn remedy(&self) -> Option<(Kind, &'static str)> {
        let has = |text: &str| self.stderr.contains(text);
        if has("Exchange full") || has("Exfull") {
            Some((
                Kind::Conflict,
                "A bridge has at most 1023 ports: remove containers, or give this host a second network",
            ))
        } else if has("Operation not permitted") {
            Some((
                Kind::NotAllowed,
                "Flatnet needs root with CAP_NET_ADMIN and CAP_SYS_ADMIN in the first user namespace; rootless Podman cannot use it",
            ))
        } else if matches!(self.exit, Exit::TimedOut(_)) {
            Some((
                Kind::Command,
                "See what it waits for, or raise limits.command_seconds in the configuration",
            ))
        } else if has("syntax error") && self.command.program() == "nft" {
            Some((Kind::Tool, "This nft is too old: Flatnet needs 1.0.6 or later (Debian package nftables)"))
        } else if self.command.program() == "nft" && has("Could not process rule: Operation not supported") {
            Some((
                Kind::Tool,
                "This kernel lacks a part of nftables that Flatnet needs; on WSL2 run `wsl --update`",
            ))
        } else {
            None
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.culprit())?;
        match self.exit {
            Exit::Code(code) => write!(f, "exited with {code}")?,
            Exit::Signal(signal) => write!(f, "died by signal {signal}")?,
            Exit::TimedOut(limit) => write!(f, "was killed after {} s", limit.as_secs())?,
        }
        if self.stderr.is_empty() {
            f.write_str(" without a word")
        } else {
            write!(f, ": {}", first_lines(&self.stderr))
        }
    }
}

impl std::error::Error for CommandFailure {}

impl From<CommandFailure> for Error {
    fn from(failure: CommandFailure) -> Self {
        let (kind, remedy) =
            failure.remedy().map_or((Kind::Command, None), |(kind, remedy)| (kind, Some(remedy)));
        let error = Self::new(kind, format!("`{}` failed", failure.command.program())).source(failure);
        match remedy {
            Some(remedy) => error.remedy(remedy),
            None => error,
        }
    }
}

/// The first four lines on one, since an error is one line.
fn first_lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(stderr: &str, exit: Exit) -> CommandFailure {
        let command = Command::new(["ip", "-batch", "-"]).stdin("link add a\nlink set a up\n");
        CommandFailure { command, exit, stderr: stderr.to_owned() }
    }

    #[test]
    fn names_the_line_of_the_batch() {
        let failure = failure("Error: nothing.\nCommand failed -:2", Exit::Code(1));
        assert_eq!(failure.failed_line(), Some(1));
        assert_eq!(
            failure.to_string(),
            "`ip -batch -: link set a up` exited with 1: Error: nothing.; Command failed -:2"
        );
    }

    #[test]
    fn a_failure_without_a_line_names_the_command() {
        let failure = failure("", Exit::Signal(11));
        assert_eq!(failure.failed_line(), None);
        assert_eq!(failure.to_string(), "`ip -batch -` died by signal 11 without a word");
    }

    #[test]
    fn a_full_bridge_and_missing_rights_have_their_remedy() {
        let full = Error::from(failure("RTNETLINK answers: Exchange full", Exit::Code(2)));
        assert!(full.to_string().contains("1023 ports"), "{full}");
        let denied = Error::from(failure("RTNETLINK answers: Operation not permitted", Exit::Code(2)));
        assert_eq!(denied.kind(), Kind::NotAllowed);
    }
}
