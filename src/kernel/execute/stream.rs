//! A long-running command whose output is read line by line.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::{CommandFailure, Exit};
use crate::error::Error;
use crate::model::command::Command;

/// The limit of a line's length.
const LONGEST_LINE: usize = 1 << 20;

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

    /// Why the command ended, after its output has.
    fn failure(&mut self) -> Error {
        let _ = self.handle.kill();
        let exit =
            self.handle.wait().ok().map_or(Exit::Code(-1), |output| super::host::exit_of(output.status));
        let stderr = super::host::content(&self.stderr).unwrap_or_default();
        CommandFailure { command: self.command.clone(), exit, stderr: stderr.trim().to_owned() }.into()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.handle.kill().is_ok() {
            let _ = self.handle.wait();
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
}
