//! DEL: what a receipt says is undone.

use super::{Engine, now, undo};
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::observe;
use crate::plan::{Op, TableElement};
use crate::receipt::Receipt;
use crate::render;
use crate::types::AttachmentId;

impl Engine {
    /// Detaches a container: any number of times, whether its namespace is there or not. The runtime does not ask
    /// again, so what cannot be undone now is recorded for whoever comes next, and is no failure.
    pub fn detach(&mut self, id: &AttachmentId) -> Result<()> {
        let started = std::time::Instant::now();
        let result = self.detach_with_lock(id);
        self.log_operation("del", Some(id), started, result.as_ref(), serde_json::Map::new());
        if let Err(error) = result {
            let is_recorded = self.store.receipt(id).ok().flatten().is_some();
            let (called, by) = (self.called(id), if is_recorded { "gc" } else { "repair" });
            let why = error.whole();
            self.log.warn(&format!("container {called} is to be undone later (`flatnet {by}`): {why}"));
            // Without a mark the receipt alone tells, once link and namespace are gone.
            if is_recorded {
                let _ = self.store.mark_pending(id);
            }
        }
        Ok(())
    }

    pub(super) fn detach_with_lock(&mut self, id: &AttachmentId) -> Result<()> {
        match self.attachment_lock(id) {
            Ok(own) => {
                let result = self.detach_locked(id, &own);
                own.remove();
                result
            }
            // On a full disk: where no file can be made there is none, and nobody holds it.
            Err(error) if matches!(error.kind(), Kind::Io | Kind::DiskFull | Kind::ReadOnly) => {
                self.detach_under_one_lock(id)
            }
            Err(error) => Err(error),
        }
    }

    fn detach_locked(&mut self, id: &AttachmentId, own: &Lock) -> Result<()> {
        let network = self.network_lock()?;
        let ops = self.undo_of_attachment(id)?;
        let leaving = undo::start_elements(&ops, &mut *self.executor, &self.tools, &[&network]);
        // `nft` holds the network's lock for as long as it works; the links need only this attachment's own.
        drop(network);
        let mut stuck = undo::run(&ops, &mut *self.executor, &self.tools, &[own]);
        let remaining = leaving.wait();
        let network = self.network_lock()?;
        stuck.extend(remaining.finish(&mut *self.executor, &self.tools, &[&network]));
        self.forget_flows_of(&ops, own);
        self.forget(id, &stuck)
    }

    /// The same while nobody else may do anything, the same attachment's ADD included: before it makes links, it
    /// waits for the network's lock.
    fn detach_under_one_lock(&mut self, id: &AttachmentId) -> Result<()> {
        let network = self.network_lock()?;
        let ops = self.undo_of_attachment(id)?;
        let stuck = self.undo_ops(&ops, &network, &network);
        self.forget(id, &stuck)
    }

    fn undo_of_attachment(&mut self, id: &AttachmentId) -> Result<Vec<Op>> {
        match self.store.receipt(id)? {
            Some((receipt, _)) => {
                self.store.note_leaving(id);
                self.undo_of(&receipt)
            }
            None => self.undo_without_receipt(id),
        }
    }

    /// What can be told of an attachment whose receipt is lost: its link, by name and mark, and the elements that bear
    /// its container's ID and are no other attachment's. A link of that name without the mark is somebody else's.
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
        let live = observe::attachment::elements(&table, &mut *self.executor, &self.tools)?;
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

    /// Undoes a receipt while both locks are held.
    pub(super) fn undo_receipt(&mut self, receipt: &Receipt, network: &Lock, own: &Lock) -> Result<()> {
        let ops = self.undo_of(receipt)?;
        let stuck = self.undo_ops(&ops, network, own);
        self.forget(&receipt.id, &stuck)
    }

    /// Runs `ops` while both locks are held.
    pub(super) fn undo_ops(&mut self, ops: &[Op], network: &Lock, own: &Lock) -> Vec<undo::Stuck> {
        let leaving = undo::start_elements(ops, &mut *self.executor, &self.tools, &[network]);
        let mut stuck = undo::run(ops, &mut *self.executor, &self.tools, &[own]);
        stuck.extend(leaving.wait().finish(&mut *self.executor, &self.tools, &[network]));
        self.forget_flows_of(ops, own);
        stuck
    }

    /// Makes the kernel forget what leads to a container that is gone. It comes after the ruleset forgot it.
    fn forget_flows_of(&mut self, ops: &[Op], own: &Lock) {
        if let Err(error) = undo::forget_flows(ops, &mut *self.executor, &self.tools, &[own]) {
            self.log.warn(&undo::flows_stay(&error));
        }
    }

    /// What undoes `receipt`: what it says, or, where a later version wrote it, what follows from its address. Set
    /// elements stay when the address has been given to somebody else since, or this host to another Flatnet.
    pub(super) fn undo_of(&self, receipt: &Receipt) -> Result<Vec<Op>> {
        let mut ops = receipt.undo_ops();
        if ops.is_empty() {
            let table = receipt.network.table();
            ops.push(Op::LinkDel { dev: receipt.host_link.clone() });
            ops.extend(receipt.elements(&table).into_iter().map(Op::ElementDel));
        }
        ops.extend(receipt.flows().into_iter().map(Op::FlowsDel));
        let leases = self.store.leases()?;
        let holder = leases.get(receipt.address.addr()).filter(|lease| !lease.released);
        // WSL2 started anew, and another distribution's came first: it may have the same address and port.
        let is_anothers = self.refuse_another().is_err();
        if is_anothers || holder.is_some_and(|lease| lease.id != receipt.id) {
            ops.retain(|op| !matches!(op, Op::ElementDel(_) | Op::FlowsDel(_)));
        }
        Ok(ops)
    }

    /// Removes the receipt and releases the address, unless something is stuck: then both stay for `flatnet gc`. The
    /// receipt goes first, which makes room on a full disk; an address held without a receipt and without a link is
    /// released by whoever comes next.
    pub(super) fn forget(&mut self, id: &AttachmentId, stuck: &[undo::Stuck]) -> Result<()> {
        if !stuck.is_empty() {
            self.store.mark_pending(id)?;
            let what = undo::describe(stuck);
            return Err(Error::new(Kind::NotUndone, format!("not all could be undone: {what}")));
        }
        self.store.remove_receipt(id)?;
        let mut leases = self.store.leases()?;
        // Where the file is lost, the receipts are all there is, and may not be all that there was: see `recover`.
        if self.store.has_leases() && leases.release(id, now()) {
            self.store.write_leases(&leases)?;
        }
        Ok(())
    }

    /// The commands that detach `receipt`, for people to read.
    #[must_use]
    pub fn undo_commands(&self, receipt: &Receipt) -> Vec<crate::command::Command> {
        let ops = self.undo_of(receipt).unwrap_or_default();
        render::commands(&ops, &self.tools).into_iter().map(|one| one.command).collect()
    }

    /// Whether nothing of an attachment lives any more: its link and its namespace are gone, or it was to be
    /// undone before.
    #[must_use]
    pub fn is_dead(&self, receipt: &Receipt) -> bool {
        if self.store.is_pending(&receipt.id) {
            return true;
        }
        // The kernel removes the pair of links with the namespace, so a link that is there proves that it lives.
        let is_another = |found| found != Some(receipt.netns_id);
        observe::link_is_gone(receipt.host_link.as_str())
            && observe::netns::id_at(&receipt.netns).is_ok_and(is_another)
    }
}
