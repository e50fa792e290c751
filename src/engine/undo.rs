//! Taking back what was done: on past errors, and only what is there.

use std::time::{Duration, Instant};

use crate::command::Command;
use crate::error::{Error, Result};
use crate::execute::{CommandFailure, Executor, Exit, Output, Running};
use crate::lock::Lock;
use crate::observe;
use crate::plan::{Element, Op, TableElement};
use crate::render;
use crate::tools::Tools;
use crate::types::LinkAlias;

/// How long to sleep between two looks whether a link is gone.
const LOOK_AGAIN: Duration = Duration::from_micros(300);

/// Something that could not be undone.
#[derive(Debug)]
pub(super) struct Stuck {
    /// What to paste into a shell.
    pub(super) command: Command,
    /// Why it failed.
    pub(super) why: String,
}

/// Set elements on their way out: `nft` runs while the caller does something else.
pub(super) struct ElementsLeaving {
    elements: Vec<TableElement>,
    running: Option<Result<(Command, Box<dyn Running>)>>,
}

/// Starts one transaction that deletes the set elements among `ops`; it holds `locks` until it is done.
pub(super) fn start_elements(
    ops: &[Op],
    executor: &mut dyn Executor,
    tools: &Tools,
    locks: &[&Lock],
) -> ElementsLeaving {
    let element = |op: &Op| if let Op::ElementDel(element) = op { Some(element.clone()) } else { None };
    let elements: Vec<TableElement> = ops.iter().filter_map(element).collect();
    let deletions: Vec<Op> = elements.iter().cloned().map(Op::ElementDel).collect();
    let running = render::commands(&deletions, tools).into_iter().next().map(|rendered| {
        let running = executor.start(&rendered.command, locks)?;
        Ok((rendered.command, running))
    });
    ElementsLeaving { elements, running }
}

/// What the transaction did not do.
#[derive(Default)]
pub(super) struct Remaining {
    /// To be deleted one by one.
    elements: Vec<TableElement>,
    /// The transaction itself, where it took too long.
    hung: Option<Stuck>,
}

impl ElementsLeaving {
    /// Waits for the transaction, which lets its locks go when it has ended or was killed: who holds none of them yet
    /// must do this first.
    pub(super) fn wait(self) -> Remaining {
        let Some(running) = self.running else { return Remaining::default() };
        match running.and_then(|(command, running)| Ok((running.wait()?, command))) {
            Ok((output, _)) if output.success() => Remaining::default(),
            // An nft that hangs is not asked again for each element: the runtime waits.
            Ok((output, command)) if matches!(output.exit, Exit::TimedOut(_)) => {
                Remaining { hung: judge(command, Ok(output), || false), ..Remaining::default() }
            }
            _ => Remaining { elements: self.elements, hung: None },
        }
    }
}

impl Remaining {
    /// Deletes the elements one by one; one that is not there is gone.
    pub(super) fn finish(self, executor: &mut dyn Executor, tools: &Tools, locks: &[&Lock]) -> Vec<Stuck> {
        let each = self.elements.iter().filter_map(|element| delete_one(element, executor, tools, locks));
        self.hung.into_iter().chain(each).collect()
    }
}

fn delete_one(
    element: &TableElement,
    executor: &mut dyn Executor,
    tools: &Tools,
    locks: &[&Lock],
) -> Option<Stuck> {
    let get = render::get_element(element, tools);
    // Whether it was there or not: what is left after it is looked at below.
    if let Some(older) = render::delete_element_of_0_1_0(element, tools) {
        drop(executor.run(&older, locks));
    }
    let stuck = run_one(&Op::ElementDel(element.clone()), executor, tools, locks)?;
    // So nft says that there is no such element, set or table; any other failure tells nothing. A port that is there
    // and cannot be deleted leads to another container.
    let there = executor.run(&get, locks);
    let is_gone = there.as_ref().is_ok_and(|output| output.complains("No such file or directory"));
    let is_anothers =
        matches!(element.element, Element::Published { .. }) && there.is_ok_and(|output| output.success());
    (!is_gone && !is_anothers).then_some(stuck)
}

/// Carries out what makes the kernel forget flows among `ops`.
pub(super) fn forget_flows(
    ops: &[Op],
    executor: &mut dyn Executor,
    tools: &Tools,
    locks: &[&Lock],
) -> Result<()> {
    let flows = ops.iter().filter(|op| matches!(op, Op::FlowsDel(_)));
    for rendered in render::commands(flows, tools) {
        executor.run(&rendered.command, locks)?.checked(&rendered.command)?;
    }
    Ok(())
}

/// What is said where that fails.
pub(super) fn flows_stay(error: &Error) -> String {
    format!("clients that sent UDP before may have to wait until the kernel forgets it: {}", error.whole())
}

/// Carries out `ops` but for set elements and flows, in order. A link that is not there is gone already; of one that is, only
/// its absence is awaited, not the end of `ip`, which takes 20 ms longer (its exit waits for the kernel's RCU).
pub(super) fn run(ops: &[Op], executor: &mut dyn Executor, tools: &Tools, locks: &[&Lock]) -> Vec<Stuck> {
    ops.iter()
        .filter(|op| !matches!(op, Op::ElementDel(_) | Op::FlowsDel(_)))
        .filter_map(|op| match op {
            Op::LinkDel { dev } if observe::link_is_gone(dev.as_str()) || is_anothers(dev.as_str()) => None,
            Op::LinkDel { dev } => delete_link(op, dev.as_str(), executor, tools, locks),
            _ => run_one(op, executor, tools, locks),
        })
        .collect()
}

/// Whether another's link has taken the name: one that bears a mark which is not Flatnet's. One without a mark is ours by
/// its name, for a run can be killed before it marks it.
fn is_anothers(dev: &str) -> bool {
    observe::alias_in_sys(dev).is_some_and(|alias| !alias.is_empty() && !LinkAlias::is_flatnets(&alias))
}

fn delete_link(
    op: &Op,
    dev: &str,
    executor: &mut dyn Executor,
    tools: &Tools,
    locks: &[&Lock],
) -> Option<Stuck> {
    let command = render::commands([op], tools).into_iter().next()?.command;
    let running = match executor.start(&command, locks) {
        Ok(running) => running,
        Err(error) => return Some(Stuck { command, why: error.whole() }),
    };
    let started = Instant::now();
    while !running.has_ended() && started.elapsed() < Duration::from_secs(1) {
        if observe::link_is_gone(dev) {
            return None;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    judge(command, running.wait(), || observe::link_is_gone(dev))
}

fn run_one(op: &Op, executor: &mut dyn Executor, tools: &Tools, locks: &[&Lock]) -> Option<Stuck> {
    let command = render::commands([op], tools).into_iter().next()?.command;
    let output = executor.run(&command, locks);
    judge(command, output, || false)
}

fn judge(command: Command, output: Result<Output>, is_gone: impl FnOnce() -> bool) -> Option<Stuck> {
    let why = match output {
        Ok(output) if output.success() => return None,
        Ok(output) => CommandFailure::new(&command, &output).to_string(),
        Err(error) => error.whole(),
    };
    if is_gone() { None } else { Some(Stuck { command, why }) }
}

/// What a person can do about what is stuck, one command to each.
pub(super) fn describe(stuck: &[Stuck]) -> String {
    let each = stuck
        .iter()
        .map(|Stuck { command, why }| format!("{why}; to mend it by hand: {}", command.one_line()));
    each.collect::<Vec<_>>().join("; ")
}
