//! This host, as far as programs look at it or change it.

use std::fmt;

use super::execute::{Executor, Running};
use super::tools::Tools;
use crate::error::Result;
use crate::model::command::Command;
use crate::state::lock::Lock;

/// What programs are called, and what runs them.
pub struct Host {
    /// What programs are called.
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
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("tools", &self.tools).finish_non_exhaustive()
    }
}
