//! The executor that runs commands on this host, and the only code that starts programs.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::fs::MemfdFlags;

use super::{Executor, Exit, Output, Running, Stream};
use crate::error::{self, Error, Kind, Result};
use crate::kernel::observe::netns::Netns;
use crate::kernel::tools;
use crate::model::command::{Command, NETNS_DESCRIPTOR};
use crate::model::types::NetnsPath;
use crate::state::lock::{self, Lock};

/// Called with each command before it starts.
type Observer = Box<dyn FnMut(&Command)>;

/// Runs commands with duct: fixed `PATH`, otherwise empty environment, only the command's own input, and none of the
/// caller's descriptors but the locks and the command's network namespace.
pub struct HostExecutor {
    limit: Duration,
    found: HashMap<String, PathBuf>,
    held: Option<(NetnsPath, Rc<File>)>,
    observer: Option<Observer>,
}

impl std::fmt::Debug for HostExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostExecutor").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl HostExecutor {
    /// Each command may take `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, found: HashMap::new(), held: None, observer: None }
    }

    /// Calls `observer` with each command before it starts.
    #[must_use]
    pub fn observed_by(mut self, observer: impl FnMut(&Command) + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Starts `command`, which runs until the stream is dropped.
    pub fn stream(&mut self, command: &Command) -> Result<Stream> {
        let (expression, failed) = self.expression(command)?;
        let prepared = memory_file().and_then(|stderr| {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((stderr.try_clone()?, ours, expression.stdout_file(theirs).stderr_file(stderr)))
        });
        let (stderr, stdout, expression) = prepared.map_err(&failed)?;
        let handle = lock::inherited(&[], || expression.start()).map_err(&failed)?;
        Ok(Stream { command: command.clone(), handle, stdout, stderr, rest: Vec::new() })
    }

    /// The common part of all commands, and the error for one that cannot be started.
    fn expression(
        &mut self,
        command: &Command,
    ) -> Result<(duct::Expression, impl Fn(io::Error) -> Error + use<>)> {
        let (program, arguments) = command
            .argv
            .split_first()
            .ok_or_else(|| Error::new(Kind::Internal, "a receipt holds an empty command"))?;
        let path = self.find(program)?;
        if let Some(observer) = &mut self.observer {
            observer(command);
        }
        let shown = path.display().to_string();
        let failed =
            move |cause| Error::new(Kind::ToolNotStarted, format!("cannot start {shown}")).source(cause);
        let stdin = command.stdin.as_deref().map(filled).transpose().map_err(&failed)?;
        #[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
        let expression = duct::cmd(&path, arguments)
            .full_env([("PATH", tools::PATH), ("LC_ALL", "C")])
            .dir("/")
            .unchecked();
        let expression = match stdin {
            Some(stdin) => expression.stdin_file(stdin),
            None => expression.stdin_null(),
        };
        let expression = match &command.netns {
            Some(path) => with_netns(&expression, self.open_netns(path)?),
            None => expression,
        };
        Ok((expression, failed))
    }

    /// The namespace that is held for `path`, or the one at `path`, if that is the network namespace of a container: by now it
    /// may lead to anything, such as this host's own.
    fn open_netns(&self, path: &NetnsPath) -> Result<File> {
        let held =
            self.held.as_ref().filter(|(of, _)| of == path).map(|(_, descriptor)| Rc::clone(descriptor));
        let descriptor = held.map_or_else(|| Netns::open(path).map(|netns| netns.descriptor()), Ok)?;
        descriptor.try_clone().map_err(error::io("open", Path::new(path.as_str())))
    }

    fn find(&mut self, program: &str) -> Result<PathBuf> {
        if let Some(path) = self.found.get(program) {
            return Ok(path.clone());
        }
        let path = tools::find(program)?;
        self.found.insert(program.to_owned(), path.clone());
        Ok(path)
    }
}

/// `expression` with `netns` as descriptor 9.
fn with_netns(expression: &duct::Expression, netns: File) -> duct::Expression {
    let netns = OwnedFd::from(netns);
    expression.before_spawn(move |command| {
        let mapping = FdMapping { parent_fd: netns.try_clone()?, child_fd: NETNS_DESCRIPTOR };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        Ok(())
    })
}

impl Executor for HostExecutor {
    fn hold(&mut self, path: &NetnsPath, descriptor: Rc<File>) {
        self.held = Some((path.clone(), descriptor));
    }

    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        let (expression, failed) = self.expression(command)?;
        let stdout = memory_file().map_err(&failed)?;
        let stderr = memory_file().map_err(&failed)?;
        let expression = expression
            .stdout_file(stdout.try_clone().map_err(&failed)?)
            .stderr_file(stderr.try_clone().map_err(&failed)?);
        let started = Instant::now();
        let handle = lock::inherited(locks, || expression.start()).map_err(failed)?;
        let locks = locks.iter().map(|lock| lock.left()).collect();
        Ok(Box::new(Child { handle, stdout, stderr, started, limit: self.limit, locks }))
    }
}

/// A file in memory. Pipes would need a thread each, and a program that is left running would hold their other ends.
fn memory_file() -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create("flatnet", MemfdFlags::CLOEXEC)?))
}

/// A file in memory with the content `text`, at its beginning.
fn filled(text: &str) -> io::Result<File> {
    let mut file = memory_file()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// All that a program wrote so far, at most `most` bytes. It may still be writing at the file's position, which is therefore left
/// alone.
pub(super) fn content(file: &File, most: usize) -> io::Result<String> {
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or_default().min(most)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a program exited.
pub(super) fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

struct Child {
    handle: duct::Handle,
    stdout: File,
    stderr: File,
    started: Instant,
    limit: Duration,
    /// Set if the program may still be running.
    locks: Vec<Rc<Cell<bool>>>,
}

/// How long a program may take to die.
const DEATH: Duration = Duration::from_millis(200);

/// How long to sleep between two looks at what a program printed.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

fn unwaited(cause: io::Error) -> Error {
    Error::new(Kind::Internal, "cannot wait for a command").source(cause)
}

impl Child {
    /// Kills it. A program that does not die at once, because it waits for the kernel, is left running: this
    /// run must not hang with it.
    fn end(&self) {
        let _ = self.handle.kill();
        let end = Instant::now() + DEATH;
        while !self.has_ended() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !self.has_ended() {
            self.locks.iter().for_each(|is_left| is_left.set(true));
        }
    }
}

impl Running for Child {
    fn wait(self: Box<Self>) -> Result<Output> {
        let deadline = self.started + self.limit;
        let ended = match self.handle.wait_deadline(deadline) {
            Ok(ended) => ended.map(|output| output.status),
            Err(cause) => {
                // Its changes are to be undone, so it must not continue.
                self.end();
                return Err(unwaited(cause));
            }
        };
        let took = self.started.elapsed();
        let Some(status) = ended else {
            self.end();
            return Ok(Output {
                exit: Exit::TimedOut(self.limit),
                stdout: String::new(),
                stderr: String::new(),
                took,
            });
        };
        let exit = exit_of(status);
        let stdout = content(&self.stdout, usize::MAX).map_err(unwaited)?;
        Ok(Output { exit, stdout, stderr: content(&self.stderr, usize::MAX).map_err(unwaited)?, took })
    }

    fn wait_for_line(self: Box<Self>, line: &str) -> Result<Output> {
        while !self.has_ended() && self.started.elapsed() < self.limit {
            let stdout = content(&self.stdout, usize::MAX).map_err(unwaited)?;
            if stdout.lines().any(|printed| printed.starts_with(line)) {
                let took = self.started.elapsed();
                return Ok(Output { exit: Exit::Code(0), stdout, stderr: String::new(), took });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        self.wait()
    }

    fn has_ended(&self) -> bool {
        matches!(self.handle.try_wait(), Ok(Some(_)) | Err(_))
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FileType, Mode};

    use super::*;

    #[test]
    fn program_is_awaited_until_it_prints_a_line() {
        let mut executor = HostExecutor::new(Duration::from_secs(20));
        let mut wait = |script: &str| {
            let running = executor.start(&Command::new(["sh", "-c", script]), &[]).unwrap();
            running.wait_for_line("# new").unwrap()
        };
        let printed = wait("printf 'a\n# new 7\n'; sleep 10");
        assert!(printed.success() && printed.took < Duration::from_secs(5), "{printed:?}");
        assert_eq!(printed.stdout, "a\n# new 7\n");
        let ended = wait("printf 'a\n'; echo broken >&2; exit 3");
        assert_eq!((ended.exit, ended.stderr.as_str()), (Exit::Code(3), "broken\n"));
        // What it prints later is behind what was read.
        assert_eq!(wait("printf 'a # new\n'; sleep 0.05; printf 'b\n'").stdout, "a # new\nb\n");
    }

    #[test]
    fn held_descriptor_is_used_whatever_its_path_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("way");
        let text = |executor: &mut HostExecutor| {
            let command = Command {
                netns: path.display().to_string().parse().ok(),
                ..Command::new(["cat", "/proc/self/fd/9"])
            };
            executor.run(&command, &[]).unwrap().stdout
        };
        let mut executor = HostExecutor::new(Duration::from_secs(5));
        std::fs::write(&path, "first").unwrap();
        executor.hold(&path.display().to_string().parse().unwrap(), Rc::new(File::open(&path).unwrap()));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "second").unwrap();
        assert_eq!(text(&mut executor), "first");
    }

    #[test]
    fn path_that_leads_to_no_container_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        for (path, kind) in [
            (pipe.to_str().unwrap(), Kind::NotANetns),
            ("/etc/passwd", Kind::NotANetns),
            ("/proc/self/ns/net", Kind::OwnNetns),
            ("/run/netns/none/of/this/name", Kind::Netns),
        ] {
            let command = Command { netns: path.parse().ok(), ..Command::new(["true"]) };
            let refused = HostExecutor::new(Duration::from_secs(5)).run(&command, &[]).unwrap_err();
            assert_eq!(refused.kind(), kind, "{path}");
        }
    }
}
