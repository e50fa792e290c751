//! Running commands.
//!
//! An [`Executor`] starts a [`Command`]. [`HostExecutor`] runs it, `fault` (with the feature `faults`) makes it
//! fail where a test asks for it, a test's own may record it.

mod command_log;
#[cfg(feature = "faults")]
pub mod fault;
mod host;
mod stream;

use std::fmt;
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

pub use command_log::{CommandLog, LoggedCommand, LoggingExecutor};
pub use host::HostExecutor;
pub use stream::{Lines, Stream};

use crate::error::{Error, Kind, Result};
use crate::model::command::Command;
use crate::model::types::NetnsPath;
use crate::state::lock::Lock;

/// Starts commands.
pub trait Executor {
    /// Starts `command`, which inherits `locks` and nothing else.
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>>;

    /// Commands in this namespace get `descriptor`, instead of whatever its path leads to by then. Replaces the last one.
    fn hold(&mut self, _path: &NetnsPath, _descriptor: Rc<File>) {}

    /// Runs `command` and waits for its end.
    fn run(&mut self, command: &Command, locks: &[&Lock]) -> Result<Output> {
        self.start(command, locks)?.wait()
    }
}

/// A started command.
pub trait Running {
    /// Waits for its end, at most for the executor's time limit.
    fn wait(self: Box<Self>) -> Result<Output>;

    /// Waits until it prints a line that begins with `line`, which counts as success: it is left to end by itself. Or for
    /// its end, whichever comes first.
    fn wait_for_line(self: Box<Self>, _line: &str) -> Result<Output> {
        self.wait()
    }

    /// Whether it has ended.
    fn has_ended(&self) -> bool;
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// It was killed by this signal, so its effect is unknown.
    Signal(i32),
    /// It was killed after this limit, so its effect is unknown.
    TimedOut(Duration),
}

/// The result of a command.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
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

    /// Whether it exited with an error that contains this text. A killed or crashed command proves nothing, nor
    /// does status 127, by which shells and loaders report a missing program or library.
    #[must_use]
    pub fn complains(&self, of: &str) -> bool {
        matches!(self.exit, Exit::Code(code) if code != 0 && code != 127) && self.stderr.contains(of)
    }

    /// An error unless it exited with 0.
    pub fn checked(self, command: &Command) -> Result<Self> {
        if self.success() { Ok(self) } else { Err(CommandFailure::new(command, &self).into()) }
    }
}

/// How many lines of stderr a message contains.
const FIRST_LINES: usize = 4;
/// The advice for an `nft` that was killed by a signal.
const TWO_NFTS: &str = "As a rule two versions of nft share this kernel's ruleset, and nft 1.0.6 crashes (139) on what 1.1.2 or \
                        later wrote: compare `nft --version` in every WSL2 distribution and container with the host's \
                        network, and bring all to one version (`apt-get install nftables`)";

/// A command that did not exit with 0.
#[derive(Clone, Debug)]
pub struct CommandFailure {
    /// The command.
    pub command: Command,
    /// How it ended.
    pub exit: Exit,
    /// Its standard error.
    pub stderr: String,
}

impl CommandFailure {
    /// The failure of `command` with `output`.
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

    /// The command that caused `error`, if any.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// The lines of stderr beyond those in the message.
    #[must_use]
    pub fn more_than_first_lines(&self) -> bool {
        nonempty_lines(&self.stderr).count() > FIRST_LINES
    }

    /// The signal that killed it; a shell reports it as status 128 + N.
    fn signal(&self) -> Option<i32> {
        match self.exit {
            Exit::Signal(signal) => Some(signal),
            Exit::Code(code @ 129..=192) => Some(code - 128),
            Exit::Code(_) | Exit::TimedOut(_) => None,
        }
    }

    /// Whether it is `nft`, or a program that runs it.
    fn runs_nft(&self) -> bool {
        self.command.argv.iter().any(|word| word == "nft" || word.ends_with("/nft"))
    }

    /// Whether the program complains about an unknown word.
    fn is_not_understood(&self) -> bool {
        let says = |words: &str| self.stderr.contains(words);
        let ip = ["is unknown, try", "unknown option \"", "is a garbage", "unknown command \""];
        let others = ["unrecognized option", "invalid option --"];
        (self.runs_nft() && says("syntax error")) || ip.into_iter().chain(others).any(says)
    }

    fn kind(&self) -> Kind {
        let has = |text: &str| self.stderr.contains(text);
        match self.exit {
            Exit::TimedOut(_) => Kind::CommandTimedOut,
            _ if self.signal().is_some() => Kind::CommandCrashed,
            _ if has("Exchange full") || has("Exfull") => Kind::BridgeFull,
            _ if has("Operation not permitted") => Kind::NoCapability,
            _ if self.is_not_understood() => Kind::ToolTooOld,
            _ if has("Could not process rule: Operation not supported") => Kind::KernelLacks,
            _ => Kind::Command,
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.culprit())?;
        match (self.exit, self.signal()) {
            (_, Some(signal)) | (Exit::Signal(signal), None) => write!(f, "was killed by signal {signal}")?,
            (Exit::Code(code), None) => write!(f, "exited with {code}")?,
            (Exit::TimedOut(limit), None) => write!(f, "was killed after {} s", limit.as_secs())?,
        }
        if self.stderr.is_empty() {
            f.write_str(" and printed nothing")
        } else {
            write!(f, ": {}", first_lines(&self.stderr))
        }
    }
}

impl std::error::Error for CommandFailure {}

impl From<CommandFailure> for Error {
    fn from(failure: CommandFailure) -> Self {
        let kind = failure.kind();
        let runs_nft = failure.runs_nft();
        let error = Self::new(kind, format!("`{}` failed", failure.command.program())).source(failure);
        if kind == Kind::CommandCrashed && runs_nft { error.remedy(TWO_NFTS) } else { error }
    }
}

/// The first lines, joined, since an error is one line.
fn first_lines(text: &str) -> String {
    nonempty_lines(text).take(FIRST_LINES).collect::<Vec<_>>().join("; ")
}

fn nonempty_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(stderr: &str, exit: Exit) -> CommandFailure {
        let command = Command::new(["ip", "-batch", "-"]).stdin("link add a\nlink set a up\n");
        CommandFailure { command, exit, stderr: stderr.to_owned() }
    }

    #[test]
    fn failure_names_failed_batch_line() {
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
        assert_eq!(failure.to_string(), "`ip -batch -` was killed by signal 11 and printed nothing");
    }

    #[test]
    fn full_bridge_and_missing_capability_have_remedies() {
        let full = Error::from(failure("RTNETLINK answers: Exchange full", Exit::Code(2)));
        assert!(full.to_line().contains("1023 ports"), "{full}");
        let denied = Error::from(failure("RTNETLINK answers: Operation not permitted", Exit::Code(2)));
        assert_eq!(denied.kind(), Kind::NoCapability);
    }

    #[test]
    fn nft_crash_is_explained_by_two_nft_versions() {
        let crash = |argv: &[&str], exit: Exit| {
            let command = Command::new(argv.iter().copied());
            Error::from(CommandFailure { command, exit, stderr: String::new() }).to_line()
        };
        for (argv, exit) in [
            (&["/usr/sbin/nft", "-f", "-"][..], Exit::Signal(11)),
            (&["unshare", "--net", "--", "sh", "-c", "\"$0\" -f -", "nft"], Exit::Code(139)),
        ] {
            let said = crash(argv, exit);
            assert!(
                said.contains("was killed by signal 11") && said.contains("two versions of nft share"),
                "{said}"
            );
            assert!(said.ends_with("(FLAT-E072)"), "{said}");
        }
        assert!(!crash(&["ip"], Exit::Signal(11)).contains("nft"));
        assert!(crash(&["ip"], Exit::Code(255)).ends_with("(FLAT-E071)"));
    }

    #[test]
    fn a_message_holds_four_lines_of_stderr() {
        let long = failure("a\n\n b\nc\nd\n", Exit::Code(1));
        assert!(!long.more_than_first_lines());
        let longer = failure("a\nb\nc\nd\ne\n", Exit::Code(1));
        assert!(longer.more_than_first_lines() && longer.to_string().ends_with("exited with 1: a; b; c; d"));
    }
}
