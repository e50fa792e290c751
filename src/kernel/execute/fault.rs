//! Fault injection for tests of whole processes; compiled only with the feature `faults`.
//!
//! `FLATNET_FAULT=fail@N` makes the N-th changing step (from 1) fail as if its program had refused it. `kill@N` kills
//! this process with SIGKILL right after it. `kill-tree@N+MICROSECONDS` kills this process and all programs it
//! started, that long after the command of the N-th step began. A line of a batch is a step, and so is an nft
//! transaction. Commands that change nothing are not counted.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_current_process_group, kill_process, setsid};

use super::{Executor, Exit, Output, Running};
use crate::error::Result;
use crate::model::command::Command;
use crate::model::types::NetnsPath;
use crate::state::lock::Lock;
use crate::state::lock::pause::VARIABLE;

/// Printed when the fault happens.
const NOTICE: &str = "a fault was asked for";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Fail,
    Kill,
    KillTree { after: Duration },
}

/// Runs commands with `inner` until the fault is due.
#[derive(Debug)]
pub struct FaultyExecutor<E> {
    inner: E,
    fault: Option<(Action, usize)>,
    steps: usize,
}

impl<E: Executor> FaultyExecutor<E> {
    /// The fault that the environment requests, if any.
    pub fn new(inner: E) -> Self {
        let fault = std::env::var(VARIABLE).ok().and_then(|text| parse(&text));
        if matches!(fault, Some((Action::KillTree { .. }, _))) {
            // Its own process group, so that the caller is not killed too. A group leader stays in its group.
            let _ = setsid();
        }
        Self { inner, fault, steps: 0 }
    }
}

fn parse(text: &str) -> Option<(Action, usize)> {
    let (action, step) = text.split_once('@')?;
    let (step, after) = step.split_once('+').unwrap_or((step, "0"));
    let action = match action {
        "fail" => Action::Fail,
        "kill" => Action::Kill,
        "kill-tree" => Action::KillTree { after: Duration::from_micros(after.parse().ok()?) },
        _ => return None,
    };
    Some((action, step.parse().ok()?))
}

impl<E: Executor> Executor for FaultyExecutor<E> {
    fn hold(&mut self, path: &NetnsPath, descriptor: Rc<File>) {
        self.inner.hold(path, descriptor);
    }

    fn start(&mut self, command: &Command, locks: &[&Lock]) -> Result<Box<dyn Running>> {
        let before = self.steps;
        self.steps += steps_of(command);
        let due = self.fault.filter(|&(_, step)| (before + 1..=self.steps).contains(&step));
        let Some((action, step)) = due else { return self.inner.start(command, locks) };
        // Tells the test that the fault happened.
        let _ = writeln!(std::io::stderr(), "{NOTICE}");
        let done_before = step - before - 1;
        match action {
            Action::Fail => {
                self.run_steps(command, 0..done_before, locks)?;
                Ok(Box::new(Failed { line: step - before }))
            }
            Action::Kill => {
                self.run_steps(command, 0..done_before + 1, locks)?;
                let _ = kill_process(getpid(), Signal::KILL);
                unreachable!("SIGKILL cannot be outlived")
            }
            Action::KillTree { after } => {
                self.run_steps(command, 0..done_before, locks)?;
                let rest = steps_in(command, done_before..usize::MAX);
                let _running = rest.map(|rest| self.inner.start(&rest, locks)).transpose()?;
                std::thread::sleep(after);
                let _ = kill_current_process_group(Signal::KILL);
                unreachable!("SIGKILL cannot be outlived")
            }
        }
    }
}

impl<E: Executor> FaultyExecutor<E> {
    fn run_steps(&mut self, command: &Command, steps: Range<usize>, locks: &[&Lock]) -> Result<()> {
        steps_in(command, steps).map_or(Ok(()), |part| self.inner.run(&part, locks).map(drop))
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

/// The command reduced to these steps; `None` if none is left.
fn steps_in(command: &Command, steps: Range<usize>) -> Option<Command> {
    if steps.is_empty() {
        return None;
    }
    let mut part = command.clone();
    if is_batch(command) {
        let lines = command.stdin.iter().flat_map(|stdin| stdin.lines());
        part.stdin =
            Some(lines.skip(steps.start).take(steps.len()).map(|line| format!("{line}\n")).collect());
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
