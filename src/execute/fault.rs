//! Faults on demand, for tests of whole processes; compiled with the feature `faults` only.
//!
//! `FLATNET_FAULT=fail@N` makes the N-th changing step (from 1) fail as if its program had refused it;
//! `kill@N` kills this process with SIGKILL right after it. A line of a batch is a step, and so is a transaction
//! of nft. Commands that only look are not counted.

use std::io::Write;
use std::time::Duration;

use super::{Executor, Exit, Output, Running};
use crate::command::Command;
use crate::error::Result;
use crate::lock::Lock;

/// Where the fault is asked for.
pub const VARIABLE: &str = "FLATNET_FAULT";

/// What is said when the fault comes to pass.
const NOTICE: &str = "a fault was asked for";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Fail,
    Kill,
}

/// Runs commands by `inner` until the fault is due.
#[derive(Debug)]
pub struct FaultyExecutor<E> {
    inner: E,
    fault: Option<(Action, usize)>,
    steps: usize,
}

impl<E: Executor> FaultyExecutor<E> {
    /// The fault that the environment asks for; none where it asks for none.
    pub fn new(inner: E) -> Self {
        Self { inner, fault: std::env::var(VARIABLE).ok().and_then(|text| parse(&text)), steps: 0 }
    }
}

fn parse(text: &str) -> Option<(Action, usize)> {
    let (action, step) = text.split_once('@')?;
    let action = match action {
        "fail" => Action::Fail,
        "kill" => Action::Kill,
        _ => return None,
    };
    Some((action, step.parse().ok()?))
}

impl<E: Executor> Executor for FaultyExecutor<E> {
    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        let before = self.steps;
        self.steps += steps_of(command);
        let due = self.fault.filter(|&(_, step)| (before + 1..=self.steps).contains(&step));
        let Some((action, step)) = due else { return self.inner.start(command, locks) };
        // For the test to know that the fault came to pass.
        let _ = writeln!(std::io::stderr(), "{NOTICE}");
        match action {
            Action::Fail => {
                if let Some(part) = first_steps(command, step - before - 1) {
                    self.inner.run(&part, locks)?;
                }
                Ok(Box::new(Failed { line: step - before }))
            }
            Action::Kill => {
                if let Some(part) = first_steps(command, step - before) {
                    self.inner.run(&part, locks)?;
                }
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                unreachable!("SIGKILL cannot be outlived")
            }
        }
    }
}

/// How many changing steps a command takes.
fn steps_of(command: &Command) -> usize {
    let is_look = command.argv.iter().any(|word| ["-j", "list", "-c", "--net"].contains(&word.as_str()))
        || command.stdin.as_ref().is_some_and(|stdin| stdin.starts_with("get "));
    if is_look {
        0
    } else if is_batch(command) {
        command.stdin.as_ref().map_or(0, |stdin| stdin.lines().count())
    } else {
        1
    }
}

fn is_batch(command: &Command) -> bool {
    command.argv.iter().any(|word| word == "-batch")
}

/// The command cut short after so many steps; nothing where none is left.
fn first_steps(command: &Command, count: usize) -> Option<Command> {
    if count == 0 {
        return None;
    }
    let mut part = command.clone();
    if is_batch(command) {
        let lines = command.stdin.iter().flat_map(|stdin| stdin.lines());
        part.stdin = Some(lines.take(count).map(|line| format!("{line}\n")).collect());
    }
    Some(part)
}

struct Failed {
    line: usize,
}

impl Running for Failed {
    fn wait(self: Box<Self>) -> Result<Output> {
        let stderr = format!("{NOTICE}\nCommand failed -:{}", self.line);
        Ok(Output { exit: Exit::Code(1), stdout: String::new(), stderr, took: Duration::ZERO })
    }

    fn has_ended(&self) -> bool {
        true
    }
}
