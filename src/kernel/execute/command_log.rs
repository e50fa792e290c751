//! An executor that records commands for the log.

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;

use serde::Serialize;

use super::{CommandFailure, Executor, Output, Running};
use crate::error::Result;
use crate::model::command::Command;
use crate::model::types::NetnsPath;
use crate::state::lock::Lock;

/// One command that ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoggedCommand {
    /// Program and arguments; for a failed batch, the line.
    pub command: String,
    /// How long it took; `None` while it runs.
    pub milliseconds: Option<f64>,
    /// `ok`, `started`, or an error.
    pub outcome: String,
}

/// The commands so far; clones share them.
#[derive(Clone, Debug, Default)]
pub struct CommandLog(Rc<RefCell<Vec<LoggedCommand>>>);

impl CommandLog {
    /// Takes the commands since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<LoggedCommand> {
        self.0.take()
    }
}

/// Runs commands with another executor and records them.
pub struct LoggingExecutor<E> {
    inner: E,
    record: CommandLog,
}

impl<E: Executor> LoggingExecutor<E> {
    /// Records into `record` what `inner` runs.
    pub fn new(inner: E, record: CommandLog) -> Self {
        Self { inner, record }
    }
}

impl Executor for Box<dyn Executor> {
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        (**self).start(command, locks)
    }

    fn hold(&mut self, path: &NetnsPath, descriptor: Rc<File>) {
        (**self).hold(path, descriptor);
    }
}

impl<E: Executor> Executor for LoggingExecutor<E> {
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        let started = self.inner.start(command, locks);
        let outcome = started.as_ref().map_or_else(crate::error::Error::to_line, |_| "started".to_owned());
        let mut all = self.record.0.borrow_mut();
        all.push(LoggedCommand { command: command.line(), milliseconds: None, outcome });
        let index = all.len() - 1;
        let inner = started?;
        Ok(Box::new(Recording { inner, command: command.clone(), index, record: self.record.clone() }))
    }

    fn hold(&mut self, path: &NetnsPath, descriptor: Rc<File>) {
        self.inner.hold(path, descriptor);
    }
}

struct Recording {
    inner: Box<dyn Running>,
    command: Command,
    index: usize,
    record: CommandLog,
}

impl Recording {
    fn record(self, wait: impl FnOnce(Box<dyn Running>) -> Result<Output>) -> Result<Output> {
        let Self { inner, command, index, record } = self;
        let output = wait(inner)?;
        if let Some(ran) = record.0.borrow_mut().get_mut(index) {
            ran.milliseconds = Some((output.took.as_secs_f64() * 1e6).round() / 1e3);
            ran.outcome = if output.success() {
                "ok".to_owned()
            } else {
                CommandFailure::new(&command, &output).to_string()
            };
        }
        Ok(output)
    }
}

impl Running for Recording {
    fn wait(self: Box<Self>) -> Result<Output> {
        self.record(Running::wait)
    }

    fn wait_for_line(self: Box<Self>, line: &str) -> Result<Output> {
        self.record(|running| running.wait_for_line(line))
    }

    fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }
}
