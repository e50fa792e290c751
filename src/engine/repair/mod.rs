//! Repair: makes state and kernel agree.
//!
//! Dead attachments are undone, what a running container or this host lost is restored, and marked things
//! without an owner are removed. Nothing else is touched; ambiguous things are reported with advice.

mod attachment;
mod survey;

use self::attachment::{changed_over, unnoted_end};
use self::survey::{Survey, UNFINISHED};
use super::definitions::notes_of_lost;
use super::leftover::{Concern, Leftover};
use super::recover::Unrecorded;
use super::{Change, Engine};
use crate::error::{Error, Kind, Result};
use crate::kernel::observe;
use crate::kernel::observe::foreign::Hook;
use crate::kernel::observe::host::ObservedHost;
use crate::kernel::planner;
use crate::model::command::Command;
use crate::model::desired::HostFacts;
use crate::model::plan::{Op, Plan};
use crate::state::receipt::Receipt;

/// What a repair did, or would do.
#[derive(Debug, Default)]
pub struct Repair {
    /// Nonempty parts, in the order in which they run.
    pub parts: Vec<Part>,
    /// Changes of state, as sentences.
    pub notes: Vec<String>,
    /// What is left as it is, with advice.
    pub left: Vec<Leftover>,
    /// What failed, and its subject; that part was rolled back.
    pub errors: Vec<(Concern, Error)>,
}

/// The steps that concern one thing.
#[derive(Clone, Debug)]
pub struct Part {
    /// What they concern.
    pub concern: Concern,
    /// The same in words: this host, a container, links without an owner.
    pub what: String,
    /// The steps.
    pub plan: Plan,
}

/// This host's part.
struct HostPart {
    facts: HostFacts,
    observed: ObservedHost,
    plan: Plan,
    /// The bridge's current name, if the plan renames it back.
    renamed: Option<String>,
}

impl Repair {
    /// All parts as one plan; each reason says what it concerns.
    #[must_use]
    pub fn change(&self) -> Change {
        let mut plan = Plan::default();
        for part in &self.parts {
            plan.append(&part.plan, &part.what);
        }
        Change { plan, notes: self.notes.clone(), files: Vec::new() }
    }

    /// A conflict with something foreign is left to a person; any other failure is an error.
    fn refused(&mut self, concern: Concern, what: String, error: Error) {
        let is_undecided = [
            Kind::ForeignBridge,
            Kind::AnotherFlatnet,
            Kind::BridgeAddress,
            Kind::ContainerDiffers,
            Kind::NetnsHidden,
        ];
        if is_undecided.contains(&error.kind()) {
            self.left.push(Leftover::of_error(concern, &what, &error));
        } else {
            self.failed(concern, error.context(what));
        }
    }

    fn failed(&mut self, concern: Concern, error: Error) {
        self.errors.push((concern, error));
    }

    fn push(&mut self, part: Part) {
        if !part.plan.is_empty() {
            self.parts.push(part);
        }
    }
}

impl Engine {
    /// What [`Engine::repair`] would do now.
    pub fn plan_repair(&mut self) -> Result<Repair> {
        let survey = self.survey()?;
        let mut repair =
            Repair { notes: notes_of_lost(&self.lost_definitions()).collect(), ..Repair::default() };
        for (receipt, why) in &survey.gone {
            repair.notes.push(released(receipt));
            let plan = self.plan_undo(receipt)?;
            repair.push(of_gone(receipt, why, plan));
        }
        let leases = self.store.leases()?;
        self.note_state(&survey, &leases, &mut repair)?;
        let host = match self.host_part(&survey, &mut repair.left) {
            Ok(host) => host,
            Err(error) => {
                repair.refused(Concern::Host, "this host".to_owned(), error);
                return Ok(repair);
            }
        };
        repair.push(of_host(host.plan.clone()));
        repair.push(orphans(&survey.unrecorded));
        for receipt in &survey.living {
            let recorded = self.store.receipt(&receipt.id)?;
            repair.notes.extend(recorded.and_then(|(receipt, events)| unnoted_end(&receipt, &events)));
            if receipt.mode() != self.config.port_mode() {
                repair.notes.push(changed_over(receipt));
            }
            match self.plan_restore(receipt, Some(&host)) {
                Ok(plan) => repair.push(of_attachment(receipt, plan)),
                Err(error) => repair.refused(of(receipt), format!("container {}", receipt.label()), error),
            }
        }
        self.plan_after_change_over(&survey.living, &host.plan, &mut repair)?;
        Ok(repair)
    }

    /// What this host no longer needs once all of `living` are attached as configured. Rules change with each
    /// of them, the rest when the last is changed over. `host` was run before.
    fn plan_after_change_over(&mut self, living: &[Receipt], host: &Plan, repair: &mut Repair) -> Result<()> {
        let mode = self.config.port_mode();
        let joined: Vec<Receipt> =
            living.iter().map(|receipt| Receipt { mode: Some(mode), ..receipt.clone() }).collect();
        let facts = self.find_facts()?;
        let (before, desired) = (self.host_state(&facts, living)?, self.host_state(&facts, &joined)?);
        if (before.bridged, before.settings) == (desired.bridged, desired.settings.clone()) {
            return Ok(());
        }
        let observed = observe::host::observe(&desired, &mut self.host)?;
        let mut plan = Plan::default();
        for step in planner::up(&desired, &observed, &[])?.steps {
            if !host.steps.iter().any(|done| done.op == step.op) {
                plan.push_final(step.op, step.why);
            }
        }
        repair.push(after_change_over(plan));
        Ok(())
    }

    /// Makes state and kernel agree. A part that fails is rolled back by itself; the others are still run.
    pub fn repair(&mut self) -> Result<Repair> {
        let started = std::time::Instant::now();
        let result = self.repair_in_parts();
        self.log_operation("repair", None, started, result.as_ref(), serde_json::Map::new());
        result
    }

    fn repair_in_parts(&mut self) -> Result<Repair> {
        let mut repair = Repair::default();
        for (receipt, why) in self.survey()?.gone {
            match self.with_links(&receipt.id, Self::undo_gone) {
                Ok(Some(plan)) => {
                    repair.notes.push(released(&receipt));
                    repair.push(of_gone(&receipt, why, plan));
                }
                Ok(None) => {}
                Err(error) => {
                    let what = format!("container {} {why}", receipt.label());
                    repair.failed(of(&receipt), error.context(what));
                }
            }
        }
        let living = self.repair_host(&mut repair)?;
        let changes_over = living.iter().any(|receipt| receipt.mode() != self.config.port_mode());
        for receipt in living {
            let notes = &mut repair.notes;
            match self.with_links(&receipt.id, |engine, links| engine.restore(links, notes)) {
                Ok(plan) => repair.push(of_attachment(&receipt, plan)),
                Err(error) => repair.refused(of(&receipt), format!("container {}", receipt.label()), error),
            }
        }
        if changes_over {
            let network = self.network_guard()?;
            let ruleset = self.ruleset_alone(&network)?;
            match self.up_locked(&ruleset) {
                Ok((_, plan)) => repair.push(after_change_over(plan)),
                Err(error) => repair.failed(Concern::Host, error),
            }
        }
        self.settle_flows(&self.network_guard()?)?;
        self.sweep_locks()?;
        Ok(repair)
    }

    /// Repairs this host, and removes what no receipt knows; returns the running attachments.
    fn repair_host(&mut self, repair: &mut Repair) -> Result<Vec<Receipt>> {
        let network = self.network_guard()?;
        let ruleset = self.ruleset_alone(&network)?;
        let mut survey = self.survey()?;
        // Unfinished attachments have been undone by now; one that is still unfinished is being attached.
        let attaching = survey.gone.iter().filter(|(_, why)| *why == UNFINISHED);
        survey.living.extend(attaching.map(|(receipt, _)| receipt.clone()));
        self.adopt(&survey.unrecorded.receipts, &network)?;
        let leases = self.complete_leases(&network)?;
        self.note_state(&survey, &leases, repair)?;
        self.store.write_leases(&leases, &network)?;
        self.release_orphans(&network)?;
        repair.notes.extend(self.keep_definitions(&network));
        let host = match self.host_part(&survey, &mut repair.left) {
            Ok(host) => host,
            Err(error) => {
                repair.refused(Concern::Host, "this host".to_owned(), error);
                return Ok(Vec::new());
            }
        };
        let set_up = self.set_up(&host.facts, &host.observed, &host.plan, &ruleset);
        let unrecorded = orphans(&survey.unrecorded);
        let deleted = self.run_host_plan(&unrecorded.plan, &ruleset, None);
        // Containers depend on what could not be set up: repairing them now would fail too, and hide the reason.
        let living = if set_up.is_ok() { survey.living } else { Vec::new() };
        for (part, result) in [(of_host(host.plan), set_up), (unrecorded, deleted)] {
            match result {
                Ok(()) => repair.push(part),
                Err(error) => repair.failed(part.concern, error.context(part.what)),
            }
        }
        Ok(living)
    }

    /// What this host lacks for `living`, and what on its bridge a person may want to check.
    fn host_part(&mut self, survey: &Survey, left: &mut Vec<Leftover>) -> Result<HostPart> {
        let facts = self.find_facts()?;
        let desired = self.host_state(&facts, &survey.living)?;
        let observed = observe::host::observe(&desired, &mut self.host)?;
        let is_stray = |link: &&observe::link::Link| link.name != self.config.bridge.as_str();
        let strays: Vec<_> = survey.links.bridges.iter().filter(is_stray).cloned().collect();
        let moved = survey.living.iter().find(|receipt| !self.config.subnet.contains(&receipt.address()));
        let plan = match moved {
            // `subnet` was changed while containers were attached: a repair does not decide that.
            Some(_) => planner::up(&desired, &observed, &[])?,
            None => planner::repair(&desired, &observed, &strays)?,
        };
        let renamed = strays.first().filter(|_| observed.bridge.is_none()).map(|link| link.name.clone());
        for bridge in observed.bridge.iter().chain(&strays) {
            // A renamed bridge has its name back by then.
            let is_renamed = renamed.as_ref() == Some(&bridge.name);
            let dev = if is_renamed { desired.bridge.as_str() } else { &bridge.name };
            // With another prefix length it is Flatnet's own, and the plan changes it.
            let is_other = |address: &&ipnet::IpNet| address.addr() != desired.address.addr();
            for other in bridge.addresses.iter().filter(is_other) {
                left.push(Leftover {
                    subject: format!(
                        "the bridge {} also has the address {other}, which is not Flatnet's",
                        bridge.name
                    ),
                    commands: vec![
                        Command::new(["ip", "addr", "del", &other.to_string(), "dev", dev]).line(),
                    ],
                    help: "Delete it if it is not needed".to_owned(),
                    concern: Concern::Unowned,
                });
            }
        }
        for chain in self.dropping_chains(Hook::Forward)? {
            left.push(Leftover {
                subject: chain.to_string(),
                commands: chain.commands_to_pass(self.config.subnet),
                help: chain.firewall.advice().to_owned(),
                concern: Concern::ForeignRules,
            });
        }
        Ok(HostPart { facts, observed, plan, renamed })
    }
}

fn of_host(plan: Plan) -> Part {
    Part { concern: Concern::Host, what: "this host".to_owned(), plan }
}

fn of(receipt: &Receipt) -> Concern {
    Concern::Attachment(receipt.id.clone())
}

fn of_gone(receipt: &Receipt, why: &str, plan: Plan) -> Part {
    Part { concern: of(receipt), what: format!("container {} {why}", receipt.label()), plan }
}

fn after_change_over(plan: Plan) -> Part {
    let what = "this host, after the last container was changed over".to_owned();
    Part { concern: Concern::Host, what, plan }
}

fn of_attachment(receipt: &Receipt, plan: Plan) -> Part {
    Part { concern: of(receipt), what: format!("container {}", receipt.label()), plan }
}

fn orphans(unrecorded: &Unrecorded) -> Part {
    let mut plan = Plan::default();
    for dev in &unrecorded.orphans {
        plan.push_final(Op::LinkDel { dev: dev.clone() }, "no attachment uses it");
    }
    Part { concern: Concern::Unowned, what: "a link without a receipt".to_owned(), plan }
}

fn released(receipt: &Receipt) -> String {
    format!("container {} no longer holds {}", receipt.label(), receipt.address())
}
