//! Repair: makes state and kernel agree, from what both say.
//!
//! What is dead is undone, what a living container or this host lost is put back, what bears our mark and is nobody's
//! goes. Nothing else is touched; what cannot be told apart is named, with what a person can do.

use super::recover::{Left, Unrecorded, has_address};
use super::{Change, Engine};
use crate::desired::{HostFacts, HostState};
use crate::error::{Error, Kind, Result};
use crate::lease::Leases;
use crate::lock::Lock;
use crate::observe;
use crate::observe::host::ObservedHost;
use crate::observe::marked::{self, MarkedLinks};
use crate::plan::{self, Op, Plan};
use crate::receipt::{self, Event, Receipt};
use crate::types::AttachmentId;

/// What a repair did, or would do.
#[derive(Debug, Default)]
pub struct Repair {
    /// In the order in which they run; none is empty.
    pub parts: Vec<Part>,
    /// What becomes of state, in sentences.
    pub notes: Vec<String>,
    /// What stays as it is, and what a person can do.
    pub left: Vec<Left>,
    /// What was tried and failed; what was done of that part is taken back.
    pub errors: Vec<Error>,
}

/// The steps that concern one thing.
#[derive(Clone, Debug)]
pub struct Part {
    /// What they concern: this host, a container, links of nobody.
    pub what: String,
    /// The steps.
    pub plan: Plan,
}

/// Why an attachment is to be undone that no ADD came to the end with.
const UNFINISHED: &str = "was never attached to the end";

/// What there is, sorted by what becomes of it.
struct Survey {
    /// To be undone, and why.
    gone: Vec<(Receipt, &'static str)>,
    /// To be whole, what is recorded and what is not.
    living: Vec<Receipt>,
    links: MarkedLinks,
    unrecorded: Unrecorded,
}

/// This host's part.
struct HostPart {
    facts: HostFacts,
    observed: ObservedHost,
    plan: Plan,
    /// What the bridge is called now, where the plan gives it its name back.
    renamed: Option<String>,
}

impl Repair {
    /// All of it as one plan, each step with what it concerns.
    #[must_use]
    pub fn change(&self) -> Change {
        let mut plan = Plan::default();
        for part in &self.parts {
            plan.append(&part.plan, &part.what);
        }
        Change { plan, notes: self.notes.clone() }
    }

    /// What is not as Flatnet made it is for a person to decide; whatever else stood in the way is an error.
    fn refused(&mut self, what: String, error: Error) {
        let is_undecided = [Kind::ForeignBridge, Kind::BridgeAddress, Kind::ContainerDiffers];
        if is_undecided.contains(&error.kind()) {
            self.left.push(Left::of_error(&what, &error));
        } else {
            self.errors.push(error.context(what));
        }
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
        let mut repair = Repair::default();
        for (receipt, why) in &survey.gone {
            repair.notes.push(released(receipt));
            let plan = self.plan_undo(receipt)?;
            repair.push(Part { what: format!("container {} {why}", receipt.called()), plan });
        }
        let leases = self.store.leases()?;
        self.note_state(&survey, &leases, &mut repair)?;
        let host = match self.host_part(&survey, &mut repair.left) {
            Ok(host) => host,
            Err(error) => {
                repair.refused("this host".to_owned(), error);
                return Ok(repair);
            }
        };
        repair.push(of_host(host.plan));
        repair.push(orphans(&survey.unrecorded));
        for receipt in &survey.living {
            let recorded = self.store.receipt(&receipt.id)?;
            repair.notes.extend(recorded.and_then(|(receipt, events)| unnoted_end(&receipt, &events)));
            match self.plan_mend(receipt, host.renamed.as_deref()) {
                Ok(plan) => repair.push(of_attachment(receipt, plan)),
                Err(error) => repair.refused(format!("container {}", receipt.called()), error),
            }
        }
        Ok(repair)
    }

    /// Makes state and kernel agree. A part that fails is taken back by itself, and the others are done.
    pub fn repair(&mut self) -> Result<Repair> {
        let started = std::time::Instant::now();
        let result = self.repair_in_parts();
        self.log_operation("repair", None, started, result.as_ref(), serde_json::Map::new());
        result
    }

    fn repair_in_parts(&mut self) -> Result<Repair> {
        let mut repair = Repair::default();
        for (receipt, why) in self.survey()?.gone {
            let what = format!("container {} {why}", receipt.called());
            match self.locked(&receipt.id, |engine, own| engine.undo_gone(&receipt.id, own)) {
                Ok(Some(plan)) => {
                    repair.notes.push(released(&receipt));
                    repair.push(Part { what, plan });
                }
                Ok(None) => {}
                Err(error) => repair.errors.push(error.context(what)),
            }
        }
        for receipt in self.repair_host(&mut repair)? {
            let notes = &mut repair.notes;
            match self.locked(&receipt.id, |engine, own| engine.mend(&receipt.id, own, notes)) {
                Ok(plan) => repair.push(of_attachment(&receipt, plan)),
                Err(error) => repair.refused(format!("container {}", receipt.called()), error),
            }
        }
        self.sweep_locks()?;
        Ok(repair)
    }

    fn survey(&mut self) -> Result<Survey> {
        let links = marked::links(&self.config.network, &mut *self.executor, &self.tools)?;
        let (mut gone, mut living) = (Vec::new(), Vec::new());
        for (receipt, events) in self.store.receipts_and_events()? {
            match self.why_gone(&receipt, &events)? {
                Some(why) => gone.push((receipt, why)),
                None => living.push(receipt),
            }
        }
        let recorded = gone.iter().map(|(receipt, _)| receipt).chain(&living).map(|receipt| &receipt.id);
        let unrecorded = self.unrecorded(&links, &recorded.cloned().collect())?;
        living.extend(unrecorded.receipts.iter().cloned());
        Ok(Survey { gone, living, links, unrecorded })
    }

    /// Why an attachment is to be undone, where it is. One that ADD did not finish is nobody's, for the runtime was
    /// not told of it; the container's address is the last thing but routes that ADD sees to.
    fn why_gone(&mut self, receipt: &Receipt, events: &[Event]) -> Result<Option<&'static str>> {
        if self.is_dead(receipt) {
            return Ok(Some("is gone"));
        }
        if receipt::is_leaving(events) {
            return Ok(Some("was detached in part"));
        }
        if receipt::is_attached(events) {
            return Ok(None);
        }
        let (_, observed) = self.look_at_links(receipt)?;
        Ok((!has_address(&observed, receipt.address.addr())).then_some(UNFINISHED))
    }

    /// What undoes `receipt`, as far as it is there.
    fn plan_undo(&mut self, receipt: &Receipt) -> Result<Plan> {
        let table = receipt.network.table();
        let elements = observe::attachment::elements(&table, &mut *self.executor, &self.tools)?;
        let is_there = |op: &Op| match op {
            Op::LinkDel { dev } => !observe::link_is_gone(dev.as_str()),
            Op::ElementDel(lost) => elements.contains_key(&lost.element),
            _ => true,
        };
        let mut plan = Plan::default();
        for op in self.undo_of(receipt)?.into_iter().filter(is_there) {
            plan.push_final(op, "what it had goes");
        }
        Ok(plan)
    }

    /// Undoes an attachment, unless it has come to life or has gone meanwhile.
    fn undo_gone(&mut self, id: &AttachmentId, own: &Lock) -> Result<Option<Plan>> {
        let network = self.network_lock()?;
        let Some((receipt, events)) = self.store.receipt(id)? else { return Ok(None) };
        if self.why_gone(&receipt, &events)?.is_none() {
            return Ok(None);
        }
        let plan = self.plan_undo(&receipt)?;
        let stuck = self.undo_ops(&plan.ops(), &network, own);
        self.forget(id, &stuck)?;
        Ok(Some(plan))
    }

    /// Repairs this host, and what is on it that no receipt knows of; returns the attachments that live.
    fn repair_host(&mut self, repair: &mut Repair) -> Result<Vec<Receipt>> {
        let network = self.network_lock()?;
        let mut survey = self.survey()?;
        // What was left unfinished has been undone by now: who is still unfinished is being attached just now.
        let attaching = survey.gone.iter().filter(|(_, why)| *why == UNFINISHED);
        survey.living.extend(attaching.map(|(receipt, _)| receipt.clone()));
        self.adopt(&survey.unrecorded.receipts)?;
        let leases = self.whole_leases()?;
        self.note_state(&survey, &leases, repair)?;
        self.store.write_leases(&leases)?;
        self.release_orphans(&network)?;
        let host = match self.host_part(&survey, &mut repair.left) {
            Ok(host) => host,
            Err(error) => {
                repair.refused("this host".to_owned(), error);
                return Ok(Vec::new());
            }
        };
        let set_up = self.set_up(&host.facts, &host.observed, &host.plan, &network);
        let unrecorded = orphans(&survey.unrecorded);
        let deleted = self.run_host_plan(&unrecorded.plan, &[&network]);
        // Containers stand on what could not be set up: to mend them now would fail too, and hide why.
        let living = if set_up.is_ok() { survey.living } else { Vec::new() };
        for (part, result) in [(of_host(host.plan), set_up), (unrecorded, deleted)] {
            match result {
                Ok(()) => repair.push(part),
                Err(error) => repair.errors.push(error.context(part.what)),
            }
        }
        Ok(living)
    }

    /// What this host lacks for `living`, and what is on its bridge that a person may want to look at.
    fn host_part(&mut self, survey: &Survey, left: &mut Vec<Left>) -> Result<HostPart> {
        let facts = self.find_facts()?;
        let wanted = HostState::new(&self.config, &facts, &survey.living)?;
        let observed = observe::host::observe(&wanted, &mut *self.executor, &self.tools)?;
        let is_stray = |link: &&observe::link::Link| link.name != self.config.bridge.as_str();
        let strays: Vec<_> = survey.links.bridges.iter().filter(is_stray).cloned().collect();
        let moved = survey.living.iter().find(|receipt| !self.config.subnet.contains(&receipt.address));
        let plan = match moved {
            // `subnet` was changed under a running container: not for a repair to decide.
            Some(_) => plan::up(&wanted, &observed)?,
            None => plan::mend(&wanted, &observed, &strays)?,
        };
        for bridge in observed.bridge.iter().chain(&strays) {
            for other in bridge.addresses.iter().filter(|&address| *address != wanted.address) {
                left.push(Left {
                    what: format!(
                        "the bridge {} has the address {other} too, which is not Flatnet's",
                        bridge.name
                    ),
                    help: format!("If nobody needs it: `ip addr del {other} dev {}`", wanted.bridge),
                });
            }
        }
        let renamed = strays.first().filter(|_| observed.bridge.is_none()).map(|link| link.name.clone());
        for chain in self.dropping_chains()? {
            let mend = chain.mend(self.config.bridge.as_str()).join("; ");
            left.push(Left {
                what: chain.to_string(),
                help: format!("Run `{mend}`. {}", chain.owner.advice()),
            });
        }
        Ok(HostPart { facts, observed, plan, renamed })
    }

    /// What is written down and is not so, and what only a person can decide.
    fn note_state(&mut self, survey: &Survey, leases: &Leases, repair: &mut Repair) -> Result<()> {
        for receipt in &survey.unrecorded.receipts {
            let (who, address) = (receipt.called(), receipt.address.addr());
            repair
                .notes
                .push(format!("the receipt of container {who}, {address}, is lost and written again"));
        }
        for (address, lease) in leases.held() {
            let is_survivor = survey.unrecorded.receipts.iter().any(|receipt| receipt.id == lease.id);
            if !is_survivor && self.is_orphan(&lease.id)? {
                repair.notes.push(format!("{address}, held by {}, which is gone, is released", lease.id));
            }
        }
        for receipt in &survey.living {
            let address = receipt.address.addr();
            if let Some(other) = leases.get(address).filter(|lease| !lease.released && lease.id != receipt.id)
            {
                repair.left.push(Left {
                    what: format!(
                        "container {} and container {} both have {address}",
                        receipt.called(),
                        other.id
                    ),
                    help: format!("Restart one: `podman restart {}`", receipt.id.container_id.short()),
                });
            }
        }
        repair.left.extend(survey.unrecorded.left.iter().cloned());
        // Who repairs has set them aside by now.
        for (path, why) in self.store.unusable()? {
            repair.notes.push(format!("{} cannot be used and is set aside: {why}", path.display()));
        }
        repair.left.extend(self.store.set_aside()?.into_iter().map(|path| Left {
            what: format!("{} could not be read and was set aside", path.display()),
            help: format!("Look what it was, then run `rm {}`", path.display()),
        }));
        Ok(())
    }

    /// What the links of a living attachment lack; its elements are this host's part. An error where the links are
    /// there and yet not as they were made: to mend them could cut what still works. `renamed` is what the bridge is
    /// called now, where it will have its name back by then.
    fn plan_mend(&mut self, receipt: &Receipt, renamed: Option<&str>) -> Result<Plan> {
        let (wanted, mut observed) = self.look_at_links(receipt)?;
        let conflict = |what: String| {
            let restart =
                format!("Restart the container: `podman restart {}`", receipt.id.container_id.short());
            Err(Error::new(Kind::ContainerDiffers, what).remedy(restart))
        };
        let Some(link) = &mut observed.host_link else { return Ok(plan::attach(&wanted, &observed)) };
        if link.alias != wanted.alias.as_str() && link.mac != wanted.host_mac.to_string() {
            return conflict(format!("the link {} belongs to somebody else", link.name));
        }
        if renamed.is_some_and(|name| link.master == name) {
            link.master = wanted.bridge.to_string();
        }
        if observed.container_link.is_none() {
            let if_name = &receipt.id.if_name;
            return conflict(format!(
                "{if_name} is not in {} any more, though its other end is here",
                receipt.netns
            ));
        }
        Ok(plan::attach(&wanted, &observed))
    }

    /// Puts back what a living attachment lost, unless it has gone meanwhile. That ADD came to its end, and a full disk
    /// or a kill kept it from saying so, is written down.
    fn mend(&mut self, id: &AttachmentId, own: &Lock, notes: &mut Vec<String>) -> Result<Plan> {
        let network = self.network_lock()?;
        let Some((receipt, events)) = self.store.receipt(id)? else { return Ok(Plan::default()) };
        if self.is_dead(&receipt) {
            return Ok(Plan::default());
        }
        let is_whole = self.why_gone(&receipt, &events)?.is_none();
        let plan = self.plan_mend(&receipt, None)?;
        self.run_host_plan(&plan, &[&network, own])?;
        if let Some(note) = unnoted_end(&receipt, &events).filter(|_| is_whole) {
            self.store.append_events(id, &[Event::of_attachment(receipt::ATTACHED)]);
            notes.push(note);
        }
        Ok(plan)
    }
}

/// What is said of an attachment that came to its end, where its receipt does not say so.
fn unnoted_end(receipt: &Receipt, events: &[Event]) -> Option<String> {
    let note = || format!("container {} is attached, which its receipt did not say", receipt.called());
    (!receipt::is_attached(events)).then(note)
}

fn of_host(plan: Plan) -> Part {
    Part { what: "this host".to_owned(), plan }
}

fn of_attachment(receipt: &Receipt, plan: Plan) -> Part {
    Part { what: format!("container {}", receipt.called()), plan }
}

fn orphans(unrecorded: &Unrecorded) -> Part {
    let mut plan = Plan::default();
    for dev in &unrecorded.orphans {
        plan.push_final(Op::LinkDel { dev: dev.clone() }, "nobody has an address behind it");
    }
    Part { what: "a link that no receipt knows".to_owned(), plan }
}

fn released(receipt: &Receipt) -> String {
    format!("container {} holds {} no more", receipt.called(), receipt.address.addr())
}
