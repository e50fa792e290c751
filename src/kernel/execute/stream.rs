//! A long-running command whose output is read line by line.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{CommandFailure, Exit, Output};
use crate::error::{Error, Kind, Result};
use crate::model::command::Command;

/// The limit of a line's length.
const LONGEST_LINE: usize = 1 << 20;
/// How much of a command's standard error is read.
const LONGEST_STDERR: usize = 64 << 10;
/// How long a killed command is waited for: one that waits for the kernel does not die.
const DEATH: Duration = Duration::from_millis(200);

/// A running command. Dropping it kills it.
#[derive(Debug)]
pub struct Stream {
    pub(super) command: Command,
    pub(super) handle: duct::Handle,
    pub(super) stdout: UnixStream,
    pub(super) stderr: File,
    pub(super) rest: Vec<u8>,
}

/// What was read.
#[derive(Debug)]
pub struct Lines {
    /// Whole lines.
    pub lines: Vec<String>,
    /// The reason if the stream has ended.
    pub end: Option<Error>,
}

impl AsFd for Stream {
    /// Readable when there is output.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}

impl Stream {
    /// The lines so far, without waiting for more.
    pub fn lines(&mut self) -> Lines {
        let mut buffer = [0; 16 << 10];
        let ended = loop {
            match self.stdout.read(&mut buffer) {
                Ok(count @ 1..) => self.rest.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => break false,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break true,
            }
            if self.rest.len() > LONGEST_LINE {
                break false;
            }
        };
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        if self.rest.len() > LONGEST_LINE {
            self.rest.clear();
        }
        Lines { lines, end: ended.then(|| self.failure()) }
    }

    /// The output of a command that is not trusted: it ends within `limit`, and prints at most `most` bytes.
    pub fn output(mut self, limit: Duration, most: usize) -> Result<Output> {
        let started = Instant::now();
        let left = || limit.saturating_sub(started.elapsed());
        let mut printed = Vec::new();
        let mut buffer = [0; 16 << 10];
        while !left().is_zero() {
            match self.stdout.read(&mut buffer) {
                Ok(0) => return Ok(self.ended(started + limit, &printed, started)),
                Ok(count) => printed.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                    let wait = Timespec::try_from(left()).ok();
                    let _ = poll(&mut [PollFd::new(&self.stdout, PollFlags::IN)], wait.as_ref());
                }
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Ok(self.ended(started + limit, &printed, started)),
            }
            if printed.len() > most {
                let what = format!("`{}` prints more than {most} bytes", self.command.line());
                return Err(Error::new(Kind::PodmanOutput, what));
            }
        }
        // What it printed is not all, even if it has ended itself: a program that it left has its output.
        let ended = self.ended(started + limit, &[], started);
        Ok(Output { exit: Exit::TimedOut(limit), ..ended })
    }

    /// The result of a command whose output has ended, if it ends itself before `until`.
    fn ended(&self, until: Instant, printed: &[u8], started: Instant) -> Output {
        let status = self.handle.wait_deadline(until).ok().flatten().map(|output| output.status);
        let exit = status.map_or(Exit::TimedOut(until - started), super::host::exit_of);
        let stderr = super::host::content(&self.stderr, LONGEST_STDERR).unwrap_or_default();
        let stdout = String::from_utf8_lossy(printed).into_owned();
        Output { exit, stdout, stderr, took: started.elapsed() }
    }

    /// Why the command ended, after its output has.
    fn failure(&mut self) -> Error {
        let _ = self.handle.kill();
        let exit =
            self.handle.wait().ok().map_or(Exit::Code(-1), |output| super::host::exit_of(output.status));
        let stderr = super::host::content(&self.stderr, LONGEST_STDERR).unwrap_or_default();
        CommandFailure { command: self.command.clone(), exit, stderr: stderr.trim().to_owned() }.into()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.handle.kill().is_ok() {
            let _ = self.handle.wait_deadline(Instant::now() + DEATH);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::kernel::execute::HostExecutor;

    fn started(script: &str) -> Stream {
        HostExecutor::new(Duration::from_secs(5)).stream(&Command::new(["sh", "-c", script])).unwrap()
    }

    fn all(stream: &mut Stream) -> (Vec<String>, Error) {
        let (mut all, limit) = (Vec::new(), Instant::now() + Duration::from_secs(20));
        loop {
            let Lines { lines, end } = stream.lines();
            all.extend(lines);
            if let Some(end) = end {
                return (all, end);
            }
            assert!(Instant::now() < limit, "it does not end: {all:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn stream_yields_whole_lines_and_reports_exit() {
        let (lines, end) =
            all(&mut started("printf 'a\\nb'; sleep 0.05; printf 'c\\nrest'; echo broken >&2; exit 3"));
        assert_eq!(lines, ["a", "bc"]);
        assert!(end.to_line().contains("exited with 3: broken"), "{}", end.to_line());
    }

    #[test]
    fn overlong_line_is_bounded_in_memory() {
        let mut stream = started("head -c 4000000 /dev/zero; printf '\\nlast\\n'");
        let (lines, _) = all(&mut stream);
        assert_eq!(lines.last().map(String::as_str), Some("last"));
        assert!(lines.iter().all(|line| line.len() <= LONGEST_LINE + (16 << 10)));
    }

    #[test]
    fn dropping_stream_ends_process() {
        let mut stream = started("echo $$; exec sleep 60");
        let pid = loop {
            if let Some(line) = stream.lines().lines.pop() {
                break line;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        drop(stream);
        let stat = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        assert!(stat.is_err(), "{stat:?}");
    }

    #[test]
    fn untrusted_command_is_bounded_in_time_and_output() {
        let output = |script: &str| started(script).output(Duration::from_secs(1), 1000);
        let ended = output("echo out; echo err >&2; exit 3").unwrap();
        assert_eq!(
            (ended.exit, ended.stdout.as_str(), ended.stderr.as_str()),
            (Exit::Code(3), "out\n", "err\n")
        );
        let error = output("yes").unwrap_err();
        assert!(error.message().ends_with("prints more than 1000 bytes"), "{error}");
        let began = Instant::now();
        for hangs in ["echo some; exec sleep 60", "exec >&-; exec sleep 60", "sleep 30 & echo some"] {
            assert!(matches!(output(hangs).unwrap().exit, Exit::TimedOut(_)), "{hangs}");
        }
        // A sparse file costs nothing to make.
        let sparse = output("truncate -s 1T /dev/stderr; exit 1").unwrap();
        assert_eq!((sparse.exit, sparse.stderr.len()), (Exit::Code(1), LONGEST_STDERR));
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
