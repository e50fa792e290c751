//! Garbage collection: frees what no existing namespace owns.

use std::collections::BTreeSet;

use super::flows::Flows;
use super::undo::Undone;
use super::{Engine, NetworkGuard};
use crate::error::{Error, Kind, Result};
use crate::kernel::observe;
use crate::kernel::planner;
use crate::model::request::Request;
use crate::model::types::{AttachmentId, PortMapping};
use crate::state::lease::Leases;
use crate::state::receipt::Receipt;

/// The result of a collection.
#[derive(Debug, Default)]
pub struct Collected {
    /// Attachments that were undone, or whose address was released.
    pub freed: Vec<AttachmentId>,
    /// What could not be undone.
    pub errors: Vec<Error>,
}

impl Engine {
    /// Undoes the attachments whose namespace is gone, and no others.
    pub fn collect_dead(&mut self) -> Result<Collected> {
        let receipts = self.store.receipts()?;
        let dead: Vec<_> = receipts
            .iter()
            .filter(|receipt| self.is_dead(receipt))
            .map(|receipt| receipt.id.clone())
            .collect();
        // The runtime may have restarted it meanwhile.
        let mut collected =
            self.collect(dead, |engine, receipt| receipt.is_none_or(|receipt| engine.is_dead(receipt)));
        let network = self.network_guard()?;
        collected.freed.extend(self.release_orphans(&network)?);
        self.refresh_names(&network);
        self.settle_flows(&network)?;
        drop(network);
        self.sweep_locks()?;
        Ok(collected)
    }

    /// Undoes every attachment that is not in `valid`, running or not, with or without a receipt (CNI's GC).
    pub fn collect_all_but(&mut self, valid: &BTreeSet<AttachmentId>) -> Result<Collected> {
        let receipts = self.store.receipts()?;
        let held = self.store.leases()?;
        let links = self.marked_links()?;
        let known: BTreeSet<AttachmentId> = receipts
            .into_iter()
            .map(|receipt| receipt.id)
            .chain(held.held().map(|(_, lease)| lease.id.clone()))
            .chain(links.ports.into_iter().map(|(id, _)| id))
            .collect();
        let mut collected = self.collect(known.difference(valid).cloned().collect(), |_, _| true);
        let is_valid = |container: &str| valid.iter().any(|id| id.container_id.comment() == container);
        if let Err(error) = self.collect_elements(is_valid) {
            collected.errors.push(error);
        }
        self.sweep_locks()?;
        Ok(collected)
    }

    /// Deletes the elements that belong to no receipt and to no container that `is_valid`.
    fn collect_elements(&mut self, is_valid: impl Fn(&str) -> bool) -> Result<()> {
        let network = self.network_guard()?;
        let ruleset = self.ruleset_alone(&network)?;
        let table = self.config.network.table();
        let desired = self.store.receipts()?.iter().flat_map(|receipt| receipt.elements(&table)).collect();
        let mut found = observe::attachment::elements(&table, &mut self.host)?;
        found.retain(|_, container| !is_valid(container));
        self.run_host_plan(&planner::lost_elements(&table, &desired, &found), &ruleset, None)
    }

    fn collect(
        &mut self,
        ids: Vec<AttachmentId>,
        is_to_go: impl Fn(&Self, Option<&Receipt>) -> bool,
    ) -> Collected {
        let mut collected = Collected::default();
        for id in ids {
            match self.detach_if(&id, &is_to_go) {
                Ok(true) => collected.freed.push(id),
                Ok(false) => {}
                Err(error) => {
                    let called = self.label(&id);
                    collected.errors.push(error.context(format!("container {called} cannot be undone")));
                }
            }
        }
        collected
    }

    /// Releases addresses that are held without a receipt and without a link. No ADD or DEL of such an
    /// attachment is running: the receipt comes first and goes under the network's guard, as the address does.
    pub(super) fn release_orphans(&mut self, network: &NetworkGuard) -> Result<Vec<AttachmentId>> {
        let mut leases = self.store.leases()?;
        let mut freed = Vec::new();
        for (_, lease) in leases.clone().held() {
            if self.is_orphan(&lease.id)? && leases.release(&lease.id, false, super::now()) {
                freed.push(lease.id.clone());
            }
        }
        if !freed.is_empty() {
            self.store.write_leases(&leases, network)?;
        }
        Ok(freed)
    }

    /// Whether only the lease of an attachment is left: no receipt, and no link, not even under another name.
    pub(super) fn is_orphan(&mut self, id: &AttachmentId) -> Result<bool> {
        let link = id.host_link(&self.config.network);
        if !observe::link_is_gone(link.as_str()) || self.store.receipt(id)?.is_some() {
            return Ok(false);
        }
        Ok(!self.marked_links()?.ports.iter().any(|(marked, _)| marked == id))
    }

    /// Frees what dead containers hold before ADD assigns an address, a name or a port: Podman calls no plugin
    /// if a namespace is gone before its container is removed, nor after a reboot. A failure for one of them,
    /// or one that is being worked on, does not stop the others. Returns the remaining leases.
    pub(super) fn free_the_dead(&mut self, network: &NetworkGuard) -> Result<Leases> {
        let leases = self.complete_leases(network)?;
        let put_off = self.store.pending()?;
        let links = observe::LinkNames::open();
        let has_no_link = |id: &AttachmentId| links.is_gone(id.host_link(&self.config.network).as_str());
        let suspects: Vec<AttachmentId> = leases
            .held()
            .map(|(_, lease)| &lease.id)
            .filter(|id| has_no_link(id) || put_off.contains(&id.file_stem()))
            .cloned()
            .collect();
        if suspects.is_empty() {
            return Ok(leases);
        }
        if self.store.leases()? != leases {
            self.store.write_leases(&leases, network)?;
        }
        for id in suspects {
            if let Err(error) = self.free_if_dead(&id, network) {
                let called = self.label(&id);
                self.log.warn(&format!(
                    "container {called} no longer exists, but cannot be undone: {}",
                    error.to_line()
                ));
            }
        }
        self.store.leases()
    }

    /// Frees the ports that ADD publishes from dead containers; running ones keep theirs. A container that is
    /// being attached or detached has no link; then `nft` decides whether its port is taken.
    pub(super) fn free_ports(&mut self, request: &Request, network: &NetworkGuard) -> Result<()> {
        if request.ports.is_empty() {
            return Ok(());
        }
        let ports: Vec<u16> = request.ports.iter().map(|port| port.host_port).collect();
        for holder in self.store.receipts_naming(&ports)?.iter().filter(|holder| holder.id != request.id) {
            let Some(port) = holder.port_in_the_way_of(&request.ports) else { continue };
            if self.is_dead_soon(holder) {
                self.free_if_dead(&holder.id, network)?;
            } else if !observe::link_is_gone(holder.host_link.as_str()) {
                return Err(port_taken(port, holder));
            }
        }
        Ok(())
    }

    fn free_if_dead(&mut self, id: &AttachmentId, network: &NetworkGuard) -> Result<()> {
        let Some(links) = self.links_guard_if_free(id, network)? else { return Ok(()) };
        let result = match self.store.receipt(id)? {
            // Nothing in the kernel survives a reboot, and `up` adds only running containers.
            Some((receipt, _)) if self.is_dead(&receipt) && receipt.boot_id != observe::boot_id() => {
                self.forget(&links, &Undone { flows: Flows::Deleted, ..Undone::default() }, network)
            }
            Some((receipt, _)) if self.is_dead(&receipt) => self.undo_receipt(&receipt, &links, network),
            None if self.is_orphan(id)? => self.forget(&links, &Undone::default(), network),
            _ => Ok(()),
        };
        links.remove();
        result
    }
}

/// The error that names the container which publishes the port.
pub(super) fn port_taken(port: &PortMapping, holder: &Receipt) -> Error {
    Error::new(Kind::PortTaken, format!("port {port} is already published by {}", holder.label()))
}
