//! Undoing: continues past errors, and undoes only what exists.

use std::time::{Duration, Instant};

use super::dels_at_once::Others;
use super::flows::{Flows, FlowsFile};
use super::guard::{LinksGuard, RulesetShare};
use crate::error::{Error, Result};
use crate::kernel::execute::{CommandFailure, Executor, Exit, Output, Running};
use crate::kernel::host::Host;
use crate::kernel::observe;
use crate::kernel::render;
use crate::model::command::Command;
use crate::model::plan::{Element, Op, Place, TableElement};
use crate::model::types::LinkAlias;
use crate::state::lock::Lock;

/// How long to sleep between two checks whether a link is gone.
const LOOK_AGAIN: Duration = Duration::from_micros(300);

/// Something that could not be undone.
#[derive(Debug)]
pub(super) struct Stuck {
    /// What to paste into a shell.
    pub(super) command: Command,
    /// Why it failed.
    pub(super) why: String,
}

/// The operations that undo an attachment. The address's holder was checked under the guards that this holds,
/// and it runs under them.
pub(super) struct Undo<'g> {
    ops: Vec<Op>,
    links: &'g LinksGuard<'g>,
    ruleset: RulesetShare<'g>,
    echo: bool,
    flows: Option<FlowsFile>,
    others: Others,
}

/// An undo in progress: `nft` deletes the set elements while the caller does something else.
pub(super) struct Leaving<'g> {
    undo: Undo<'g>,
    elements: Vec<TableElement>,
    running: Option<Result<(Command, Box<dyn Running>)>>,
    rules: RuleDels,
}

/// The result of an undo.
#[derive(Debug, Default)]
pub(super) struct Undone {
    /// What could not be undone.
    pub(super) stuck: Vec<Stuck>,
    /// What became of the address's conntrack entries.
    pub(super) flows: Flows,
}

impl<'g> Undo<'g> {
    /// `ops`, which were computed while both guards were held.
    pub(super) fn new(ops: Vec<Op>, links: &'g LinksGuard<'_>, ruleset: RulesetShare<'g>) -> Self {
        Self { ops, links, ruleset, echo: false, flows: None, others: Others::default() }
    }

    /// Waits for the commit of set elements' deletion, not for the end of `nft`, which takes 6 to 15 ms longer (its exit
    /// waits for the kernel's RCU). Worth it with few elements.
    pub(super) fn until_commit(self, echo: bool) -> Self {
        Self { echo, ..self }
    }

    /// Deletes the elements of `others` in the same transaction.
    pub(super) fn with_elements_of(self, others: Others) -> Self {
        Self { others, ..self }
    }

    /// Leaves the deletion of conntrack entries running, under `file`, if there is one.
    pub(super) fn leaving_flows(self, file: Option<FlowsFile>) -> Self {
        Self { flows: file, ..self }
    }

    /// Runs all of it.
    pub(super) fn run(self, host: &mut Host) -> Undone {
        self.start(host).finish(host)
    }

    /// Starts the deletion of rules, and one transaction that deletes the set elements.
    pub(super) fn start(self, host: &mut Host) -> Leaving<'g> {
        let rules = RuleDels::start(&self.ops, host, &[self.links.lock()]);
        let element = |op: &Op| if let Op::ElementDel(element) = op { Some(element.clone()) } else { None };
        let elements: Vec<TableElement> = self.ops.iter().filter_map(element).collect();
        let own = elements.iter().cloned().map(Op::ElementDel);
        let deletions: Vec<Op> = own.chain(self.others.ops.iter().cloned()).collect();
        let running = render::commands(&deletions, &host.tools).into_iter().next().map(|rendered| {
            let command = if self.echo { render::with_echo(rendered.command) } else { rendered.command };
            let own = [self.ruleset.lock(), self.links.lock()];
            let locks: Vec<&Lock> = own.into_iter().chain(&self.others.files).collect();
            let running = host.start(&command, &locks)?;
            Ok((command, running))
        });
        Leaving { undo: self, elements, running, rules }
    }
}

impl Leaving<'_> {
    /// Runs the rest and waits for all of it. Then the share of the ruleset is released.
    pub(super) fn finish(self, host: &mut Host) -> Undone {
        let Self { undo: Undo { ops, links, ruleset, echo, flows, others }, elements, running, rules } = self;
        let mut stuck = rules.finish();
        stuck.extend(run_in_order(&ops, host, &[links.lock()]));
        // Once the link is gone no new conntrack entry appears, since the address is unreachable. Only a bridge
        // takes packets to an unassigned address, and then the ruleset must no longer send those of a published
        // port there.
        let is_bridged = elements.iter().any(|one| matches!(one.element, Element::FrameBinding { .. }));
        let forget = |host: &mut Host| forget_flows(&ops, host, links, flows);
        let (early, late) = if is_bridged { (None, Some(forget)) } else { (Some(forget(host)), None) };
        let wait = |running: Box<dyn Running>| {
            if echo { running.wait_for_line(render::COMMITTED) } else { running.wait() }
        };
        let ended =
            running.map(|running| running.and_then(|(command, running)| Ok((wait(running)?, command))));
        match ended {
            None => {}
            Some(Ok((output, _))) if output.success() => others.are_deleted(),
            // A hanging nft is not run again for each element: the runtime waits.
            Some(Ok((output, command))) if matches!(output.exit, Exit::TimedOut(_)) => {
                drop(others);
                stuck.extend(judge(command, Ok(output), || false));
            }
            Some(_) => {
                // Each of them deletes its own.
                drop(others);
                stuck.extend(
                    elements
                        .iter()
                        .filter_map(|element| delete_one(element, host, &[ruleset.lock(), links.lock()])),
                );
            }
        }
        let flows = late.map(|forget| forget(host)).or(early).unwrap_or_default();
        Undone { stuck, flows }
    }
}

/// Deletes one element; a missing one counts as deleted.
fn delete_one(element: &TableElement, host: &mut Host, locks: &[&Lock]) -> Option<Stuck> {
    let get = render::get_element(element, &host.tools);
    // Whether it existed or not: what is left is checked below.
    if let Some(older) = render::delete_element_of_0_1_0(element, &host.tools) {
        drop(host.run(&older, locks));
    }
    let stuck = run_one(&Op::ElementDel(element.clone()), host, locks)?;
    // So nft reports that there is no such element, set or table; any other failure proves nothing. A published
    // port that exists and cannot be deleted leads to another container.
    let there = host.run(&get, locks);
    let is_gone = there.as_ref().is_ok_and(|output| output.complains("No such file or directory"));
    let is_anothers =
        matches!(element.element, Element::Published { .. }) && there.is_ok_and(|output| output.success());
    (!is_gone && !is_anothers).then_some(stuck)
}

/// Undoes the links and conntrack entries among `ops`, if no element was added or another run deletes them.
pub(super) fn links(ops: &[Op], links: &LinksGuard<'_>, host: &mut Host, file: Option<FlowsFile>) -> Undone {
    let stuck = run(ops, host, &[links.lock()]);
    Undone { stuck, flows: forget_flows(ops, host, links, file) }
}

/// Deletes the conntrack entries that `ops` names, if any. Does not wait for it if there is a `file`.
fn forget_flows(ops: &[Op], host: &mut Host, links: &LinksGuard<'_>, file: Option<FlowsFile>) -> Flows {
    let flows = ops.iter().filter(|op| matches!(op, Op::FlowsDel(_)));
    let Some(rendered) = render::commands(flows, &host.tools).into_iter().next() else { return Flows::Kept };
    let command = rendered.command;
    match file {
        Some(file) => file.leave(command, host),
        None => Flows::of(
            host.run(&command, &[links.lock()]).and_then(|output| output.checked(&command)).map(drop),
        ),
    }
}

/// The message if that fails.
pub(super) fn flows_stay(error: &Error) -> String {
    format!("old UDP clients may have to wait until conntrack entries expire: {}", error.to_line())
}

/// Runs `ops` except for set elements and conntrack entries: first those that delete rules.
pub(super) fn run(ops: &[Op], host: &mut Host, locks: &[&Lock]) -> Vec<Stuck> {
    let mut stuck = RuleDels::start(ops, host, locks).finish();
    stuck.extend(run_in_order(ops, host, locks));
    stuck
}

/// Runs `ops` except for set elements, conntrack entries and rules, in order. A missing link is gone already.
/// For an existing one only its absence is awaited, not the end of `ip`, which takes 20 ms longer (its exit
/// waits for the kernel's RCU).
fn run_in_order(ops: &[Op], host: &mut Host, locks: &[&Lock]) -> Vec<Stuck> {
    ops.iter()
        .filter(|op| !matches!(op, Op::ElementDel(_) | Op::FlowsDel(_) | Op::RuleDel { .. }))
        .filter_map(|op| match op {
            Op::LinkDel { dev } if observe::link_is_gone(dev.as_str()) || is_anothers(dev.as_str()) => None,
            Op::LinkDel { dev } => delete_link(op, dev.as_str(), host, locks),
            _ => run_one(op, host, locks),
        })
        .collect()
}

/// The deletion of rules in a container's namespace, in progress. It is awaited before links are deleted: the kernel
/// serializes the two, and would make the link wait for 20 ms.
struct RuleDels(Vec<RuleDel>);

struct RuleDel {
    place: Place,
    command: Command,
    running: Result<Box<dyn Running>>,
}

impl RuleDels {
    /// Starts those among `ops` whose namespace still exists.
    fn start(ops: &[Op], host: &mut Host, locks: &[&Lock]) -> Self {
        let start = |op: &Op| {
            let Op::RuleDel { place, .. } = op else { return None };
            let command =
                render::commands([op], &host.tools).into_iter().next().filter(|_| !is_gone(place))?.command;
            let running = host.start(&command, locks);
            Some(RuleDel { place: place.clone(), command, running })
        };
        Self(ops.iter().filter_map(start).collect())
    }

    /// Waits for all of them. A missing rule counts as deleted.
    fn finish(self) -> Vec<Stuck> {
        let stuck = |RuleDel { place, command, running }| {
            let output = running.and_then(Running::wait);
            let no_rule = output.as_ref().is_ok_and(|output| output.complains("No such file or directory"));
            judge(command, output, || no_rule || is_gone(&place))
        };
        self.0.into_iter().filter_map(stuck).collect()
    }
}

/// Whether a namespace is gone, with everything in it.
fn is_gone(place: &Place) -> bool {
    matches!(place, Place::Netns(path) if matches!(observe::netns::id_at(path), Ok(None)))
}

/// Whether a link that is not Flatnet's has taken the name, that is, has a foreign alias. A link without an
/// alias is ours by its name, since a run can be killed before it sets the alias.
fn is_anothers(dev: &str) -> bool {
    observe::alias_in_sys(dev).is_some_and(|alias| !alias.is_empty() && !LinkAlias::is_flatnets(&alias))
}

fn delete_link(op: &Op, dev: &str, host: &mut Host, locks: &[&Lock]) -> Option<Stuck> {
    let command = render::commands([op], &host.tools).into_iter().next()?.command;
    let running = match host.start(&command, locks) {
        Ok(running) => running,
        Err(error) => return Some(Stuck { command, why: error.to_line() }),
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

fn run_one(op: &Op, host: &mut Host, locks: &[&Lock]) -> Option<Stuck> {
    let command = render::commands([op], &host.tools).into_iter().next()?.command;
    let output = host.run(&command, locks);
    judge(command, output, || false)
}

fn judge(command: Command, output: Result<Output>, is_gone: impl FnOnce() -> bool) -> Option<Stuck> {
    let why = match output {
        Ok(output) if output.success() => return None,
        Ok(output) => CommandFailure::new(&command, &output).to_string(),
        Err(error) => error.to_line(),
    };
    if is_gone() { None } else { Some(Stuck { command, why }) }
}

/// The commands for a person to run, one for each stuck operation.
pub(super) fn describe(stuck: &[Stuck]) -> String {
    let each = stuck
        .iter()
        .map(|Stuck { command, why }| format!("{why}; to fix it by hand: {}", command.one_line()));
    each.collect::<Vec<_>>().join("; ")
}
