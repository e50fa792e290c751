//! The programs that observe and change this host.

use std::fmt;
use std::fs::File;
use std::rc::Rc;

use super::execute::{Executor, Running};
use super::tools::Tools;
use crate::error::Result;
use crate::model::command::Command;
use crate::model::types::NetnsPath;
use crate::state::lock::Lock;

/// The tools and the executor that runs them.
pub struct Host {
    /// The programs' names or paths.
    pub tools: Tools,
    executor: Box<dyn Executor>,
}

impl Host {
    /// Commands of `tools`, run by `executor`.
    #[must_use]
    pub fn new(tools: Tools, executor: Box<dyn Executor>) -> Self {
        Self { tools, executor }
    }
}

impl Executor for Host {
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        self.executor.start(command, locks)
    }

    fn hold(&mut self, path: &NetnsPath, descriptor: Rc<File>) {
        self.executor.hold(path, descriptor);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("tools", &self.tools).finish_non_exhaustive()
    }
}
