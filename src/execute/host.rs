//! The executor that runs commands on this host: the only place that starts a program.

use std::collections::HashMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Executor, Exit, Output, Running};
use crate::command::Command;
use crate::error::{Error, Kind, Result};
use crate::lock::{self, Lock};
use crate::tools;

/// Called with each command that ended.
type Observer = Box<dyn FnMut(&Command)>;

/// Runs commands by duct, with the fixed `PATH`, an otherwise empty environment, no input but the command's own
/// and none of the caller's descriptors but the locks.
pub struct HostExecutor {
    limit: Duration,
    found: HashMap<String, PathBuf>,
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
        Self { limit, found: HashMap::new(), observer: None }
    }

    /// Calls `observer` with each command before it starts.
    #[must_use]
    pub fn observed_by(mut self, observer: impl FnMut(&Command) + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
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

impl Executor for HostExecutor {
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        let (program, arguments) = command
            .argv
            .split_first()
            .ok_or_else(|| Error::new(Kind::Command, "a receipt holds a command without a program"))?;
        let path = self.find(program)?;
        if let Some(observer) = &mut self.observer {
            observer(command);
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
        let expression = duct::cmd(&path, arguments)
            .full_env([("PATH", tools::PATH), ("LC_ALL", "C")])
            .dir("/")
            .stdout_capture()
            .stderr_capture()
            .unchecked();
        let expression = match &command.stdin {
            Some(stdin) => expression.stdin_bytes(stdin.as_bytes()),
            None => expression.stdin_null(),
        };
        let started = Instant::now();
        let handle = lock::inherited(locks, || expression.start()).map_err(|cause| {
            Error::new(Kind::Tool, format!("cannot start {}", path.display())).source(cause)
        })?;
        Ok(Box::new(Child { handle, started, limit: self.limit }))
    }
}

struct Child {
    handle: duct::Handle,
    started: Instant,
    limit: Duration,
}

impl Running for Child {
    fn wait(self: Box<Self>) -> Result<Output> {
        let failed = |cause: io::Error| Error::new(Kind::Command, "cannot wait for a command").source(cause);
        let deadline = self.started + self.limit;
        let ended = self.handle.wait_deadline(deadline).map_err(failed)?;
        let took = self.started.elapsed();
        let Some(output) = ended else {
            // A program that does not die at once is left to the kernel: this run must not hang with it.
            let _ = self.handle.kill();
            return Ok(Output {
                exit: Exit::TimedOut(self.limit),
                stdout: String::new(),
                stderr: String::new(),
                took,
            });
        };
        let exit = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { exit, stdout: text(&output.stdout), stderr: text(&output.stderr), took })
    }

    fn has_ended(&self) -> bool {
        matches!(self.handle.try_wait(), Ok(Some(_)) | Err(_))
    }
}
