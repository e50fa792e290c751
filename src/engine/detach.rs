//! DEL: undoes what a receipt says.

use std::time::{Duration, Instant};

use super::dels_at_once::Elements;
use super::flows::{Flows, FlowsFile};
use super::guard::{self, LinksGuard, RulesetShare};
use super::undo::{Undo, Undone};
use super::{Engine, NetworkGuard, now, undo};
use crate::error::{Error, Kind, Result};
use crate::kernel::observe;
use crate::kernel::render;
use crate::model::plan::{Element, Op, Place, TableElement};
use crate::model::types::AttachmentId;
use crate::state::lease::{Lease, Leases};
use crate::state::receipt::Receipt;

/// How long the kernel may take to remove the links of a namespace that nobody uses any more.
const LINKS_GO: Duration = Duration::from_secs(2);
/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Engine {
    /// Detaches a container, any number of times, with or without its namespace. The runtime does not ask
    /// again, so what cannot be undone now is recorded for the next run, and is not an error.
    pub fn detach(&mut self, id: &AttachmentId) -> Result<()> {
        let started = Instant::now();
        let result = self.detach_if(id, |_, _| true).map(drop);
        self.log_operation("del", Some(id), started, result.as_ref(), serde_json::Map::new());
        if let Err(error) = result {
            let deferred = self.left_for_later(id, &error);
            self.log.warn(&deferred);
        }
        Ok(())
    }

    /// Records for the next run that `id` could not be detached; returns a message.
    pub(super) fn left_for_later(&self, id: &AttachmentId, error: &Error) -> String {
        let is_recorded = self.store.receipt(id).ok().flatten().is_some();
        let (called, by) = (self.label(id), if is_recorded { "gc" } else { "repair" });
        // Once link and namespace are gone, only the mark says that something is left to undo.
        if is_recorded {
            let _ = self.store.mark_pending(id);
        }
        format!(
            "container {called} could not be undone and `flatnet {by}` will try again: {}",
            error.to_line()
        )
    }

    /// Detaches `id` if `is_to_go` holds for its receipt, now that its guard is held; returns whether it did.
    pub(super) fn detach_if(
        &mut self,
        id: &AttachmentId,
        is_to_go: impl Fn(&Self, Option<&Receipt>) -> bool,
    ) -> Result<bool> {
        match self.links_guard(id) {
            Ok(links) => {
                let result = self.detach_locked(&links, is_to_go);
                links.remove();
                result
            }
            // On a full disk. Nothing else may run then, not even an ADD of the same attachment: it waits for
            // the network's guard before it makes links.
            Err(error) if guard::no_file_can_be_made(&error) => {
                let network = self.network_guard()?;
                self.detach_under(&network, &network.links_of(id), is_to_go)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn detach_locked(
        &mut self,
        links: &LinksGuard<'_>,
        is_to_go: impl Fn(&Self, Option<&Receipt>) -> bool,
    ) -> Result<bool> {
        let (network, elements) = self.network_guard_of_del(links.id(), &is_to_go)?;
        let ruleset = match self.ruleset_share(&network) {
            Err(error) if guard::no_file_can_be_made(&error) => {
                return self.detach_under(&network, links, is_to_go);
            }
            ruleset => ruleset?,
        };
        let leases = self.store.leases()?;
        let Some(ops) = self.ops_to_detach(links.id(), &leases, is_to_go)? else { return Ok(false) };
        let flows = self.flows_file(links.id(), &ops);
        let undone = match elements {
            Elements::Own(others) => {
                let undo = Undo::new(ops, links, ruleset).until_commit(!leases.are_many());
                let leaving = undo.with_elements_of(others).leaving_flows(flows).start(&mut self.host);
                // The transaction holds the ruleset's lock; the links need only this attachment's own.
                drop(network);
                leaving.finish(&mut self.host)
            }
            Elements::Anothers => {
                drop(network);
                self.detach_but_for_elements(ops, flows, links, ruleset)
            }
        };
        let undone = self.warn_of_flows(undone);
        let network = self.network_guard()?;
        self.forget(links, &undone, &network)?;
        Ok(true)
    }

    /// Undoes `ops`, whose set elements another DEL deletes.
    fn detach_but_for_elements(
        &mut self,
        ops: Vec<Op>,
        flows: Option<FlowsFile>,
        links: &LinksGuard<'_>,
        ruleset: RulesetShare<'_>,
    ) -> Undone {
        // Translated packets reach a bridge's port until its elements are gone, so its conntrack entries are deleted after that.
        let is_bridged = |op: &Op| matches!(op, Op::ElementDel(one) if matches!(one.element, Element::FrameBinding { .. }));
        let are_gone = ops.iter().any(is_bridged).then(|| self.await_other_del(links.id()));
        if are_gone == Some(false) {
            return Undo::new(ops, links, ruleset).leaving_flows(flows).run(&mut self.host);
        }
        let (elements, ops): (Vec<Op>, Vec<Op>) =
            ops.into_iter().partition(|op| matches!(op, Op::ElementDel(_)));
        let mut undone = undo::links(&ops, links, &mut self.host, flows);
        if !are_gone.unwrap_or_else(|| self.await_other_del(links.id())) {
            undone.stuck.extend(Undo::new(elements, links, ruleset).run(&mut self.host).stuck);
        }
        undone
    }

    fn detach_under(
        &mut self,
        network: &NetworkGuard,
        links: &LinksGuard<'_>,
        is_to_go: impl Fn(&Self, Option<&Receipt>) -> bool,
    ) -> Result<bool> {
        let leases = self.store.leases()?;
        let Some(ops) = self.ops_to_detach(links.id(), &leases, is_to_go)? else { return Ok(false) };
        let undone = self.undo_ops(ops, links, network)?;
        self.forget(links, &undone, network)?;
        Ok(true)
    }

    /// The commands that undo an attachment that is to go; its receipt says from here on that it is leaving.
    /// The caller holds the guards of its links and of the network.
    fn ops_to_detach(
        &mut self,
        id: &AttachmentId,
        leases: &Leases,
        is_to_go: impl Fn(&Self, Option<&Receipt>) -> bool,
    ) -> Result<Option<Vec<Op>>> {
        let receipt = self.store.receipt(id)?.map(|(receipt, _)| receipt);
        if !is_to_go(self, receipt.as_ref()) {
            return Ok(None);
        }
        let Some(receipt) = receipt else { return self.undo_without_receipt(id).map(Some) };
        self.store.note_leaving(id);
        Ok(Some(self.undo_of(&receipt, leases)))
    }

    /// What is known of an attachment whose receipt is lost: its link, by name and alias, and the elements with
    /// its container ID that no other attachment owns. A link of that name without the alias is not Flatnet's.
    fn undo_without_receipt(&mut self, id: &AttachmentId) -> Result<Vec<Op>> {
        let link = match self.link_without_receipt(id) {
            Err(error) if error.kind() == Kind::ForeignLink => None,
            found => found?,
        };
        if self.refuse_another().is_err() {
            return Ok(Vec::new());
        }
        let mut ops: Vec<Op> = link.map(|dev| Op::LinkDel { dev }).into_iter().collect();
        let table = self.config.network.table();
        let live = observe::attachment::elements(&table, &mut self.host)?;
        let comment = id.container_id.comment();
        let marked: Vec<_> = live.into_iter().filter(|(_, found)| found == comment).collect();
        if !marked.is_empty() {
            let receipts = self.store.receipts()?;
            let others: Vec<_> = receipts.iter().flat_map(|receipt| receipt.elements(&table)).collect();
            let element = |element| TableElement {
                table: table.clone(),
                element,
                container_id: id.container_id.clone(),
            };
            let lost =
                marked.into_iter().map(|(found, _)| element(found)).filter(|found| !others.contains(found));
            ops.extend(lost.map(Op::ElementDel));
        }
        Ok(ops)
    }

    /// Undoes a receipt while the network's guard is held throughout.
    pub(super) fn undo_receipt(
        &mut self,
        receipt: &Receipt,
        links: &LinksGuard<'_>,
        network: &NetworkGuard,
    ) -> Result<()> {
        let ops = self.undo_of(receipt, &self.store.leases()?);
        let undone = self.undo_ops(ops, links, network)?;
        self.forget(links, &undone, network)
    }

    /// Runs `ops`, which were computed under the same guards.
    pub(super) fn undo_ops(
        &mut self,
        ops: Vec<Op>,
        links: &LinksGuard<'_>,
        network: &NetworkGuard,
    ) -> Result<Undone> {
        let ruleset = match self.ruleset_share(network) {
            Err(error) if guard::no_file_can_be_made(&error) => network.share_of_ruleset(),
            ruleset => ruleset?,
        };
        let undone = Undo::new(ops, links, ruleset).run(&mut self.host);
        Ok(self.warn_of_flows(undone))
    }

    /// Warns about conntrack entries that could not be deleted, which need no undo.
    pub(super) fn warn_of_flows(&self, undone: Undone) -> Undone {
        if let Flows::Failed(error) = &undone.flows {
            self.log.warn(&undo::flows_stay(error));
        }
        undone
    }

    /// The operations that undo `receipt`: its own or, if a later version wrote it, those that follow from its
    /// address. Set elements are kept if the address belongs to another attachment by now, or this host to
    /// another Flatnet.
    pub(super) fn undo_of(&self, receipt: &Receipt, leases: &Leases) -> Vec<Op> {
        let mut ops = receipt.undo_ops();
        if ops.is_empty() {
            let table = receipt.network.table();
            ops.push(Op::LinkDel { dev: receipt.host_link.clone() });
            ops.extend(receipt.elements(&table).into_iter().map(Op::ElementDel));
        }
        ops.extend(receipt.flows().map(Op::FlowsDel));
        if receipt.netns_here().is_none() {
            ops = ops_of_user(ops, receipt);
        }
        let is_held = |lease: &Lease| !lease.released && lease.id != receipt.id;
        let mut addresses = receipt.addresses.iter();
        let has_other_holder = addresses.any(|address| leases.get(address).is_some_and(is_held));
        // After a restart of WSL2 another distribution may have come first, with the same address and port.
        let is_anothers = self.refuse_another().is_err();
        if is_anothers || has_other_holder {
            ops.retain(|op| !matches!(op, Op::ElementDel(_) | Op::FlowsDel(_)));
        }
        ops
    }

    /// Removes the receipt and releases the address, unless something is stuck: then both stay for `flatnet
    /// gc`. The receipt goes first, which frees space on a full disk. An address held without a receipt and a
    /// link is released by the next run.
    pub(super) fn forget(
        &mut self,
        links: &LinksGuard<'_>,
        Undone { stuck, flows }: &Undone,
        network: &NetworkGuard,
    ) -> Result<()> {
        let id = links.id();
        if let Err(later) = self.refuse_while_deleted(id, network) {
            self.store.mark_pending(id)?;
            return Err(later);
        }
        let mut leases = self.store.leases()?;
        self.remove_names(id, &leases, network);
        if !stuck.is_empty() {
            self.store.mark_pending(id)?;
            let what = undo::describe(stuck);
            return Err(Error::new(Kind::NotUndone, format!("not everything could be undone: {what}")));
        }
        self.store.remove_receipt(id, network)?;
        let are_forgotten = matches!(flows, Flows::Deleted | Flows::Left);
        // An earlier DEL was killed, or its `conntrack`.
        let are_owed = !matches!(flows, Flows::Left) && self.take_flows_file(id) && !are_forgotten;
        let is_released = leases.release(id, are_forgotten, now());
        let is_noted = are_owed && leases.remember_flows(id);
        // If the file of leases is lost, the receipts may be incomplete too: see `recover`.
        if self.store.has_leases() && (is_released || is_noted) {
            self.store.write_leases(&leases, network)?;
        }
        Ok(())
    }

    /// The commands that detach `receipt`, for display.
    #[must_use]
    pub fn undo_commands(&self, receipt: &Receipt) -> Vec<crate::model::command::Command> {
        let ops = self.undo_of(receipt, &self.store.leases().unwrap_or_default());
        render::commands(&ops, &self.host.tools).into_iter().map(|one| one.command).collect()
    }

    /// Whether an attachment is dead: its link and its namespace are gone, or it is pending.
    #[must_use]
    pub fn is_dead(&self, receipt: &Receipt) -> bool {
        // The kernel removes the veth pair with the namespace, so an existing link proves that the namespace exists.
        self.store.is_pending(&receipt.id)
            || observe::link_is_gone(receipt.host_link.as_str())
                && (is_of_another_boot(receipt)
                    || observe::netns::path_of(receipt.netns_id, receipt.netns_here(), receipt.caller)
                        .is_ok_and(|path| path.is_none()))
    }

    /// The same. Waits for the kernel if the namespace's path is gone, but not yet the link: it removes links some time
    /// later.
    pub(super) fn is_dead_soon(&self, receipt: &Receipt) -> bool {
        let started = Instant::now();
        while !self.is_dead(receipt) {
            if !has_left_its_path(receipt) || started.elapsed() > LINKS_GO {
                return false;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        true
    }
}

/// Whether the namespace of an attachment has a path on this host and is no longer there. It may still exist.
fn has_left_its_path(receipt: &Receipt) -> bool {
    let is_another = |found| found != Some(receipt.netns_id);
    receipt.netns_here().is_some_and(|path| observe::netns::id_at(path).is_ok_and(is_another))
}

/// Whether it was attached before a reboot. Then its namespace is gone, even if another one has its number.
fn is_of_another_boot(receipt: &Receipt) -> bool {
    receipt.boot_id != observe::boot_id()
}

/// `ops` of a user's container, in its namespace by the path of a process of it.
fn ops_of_user(ops: Vec<Op>, receipt: &Receipt) -> Vec<Op> {
    let path = observe::netns::path_of(receipt.netns_id, None, receipt.caller).ok().flatten();
    let from_here = |op| match op {
        Op::RuleDel { place: Place::Netns(_), from, table } => {
            Some(Op::RuleDel { place: Place::Netns(path.clone()?), from, table })
        }
        op => Some(op),
    };
    ops.into_iter().filter_map(from_here).collect()
}
