//! Collecting what no living namespace owns.

use std::collections::BTreeSet;

use super::undo::Undone;
use super::{Engine, NetworkGuard};
use crate::error::{Error, Kind, Result};
use crate::kernel::observe;
use crate::kernel::planner;
use crate::model::request::Request;
use crate::model::types::{AttachmentId, PortMapping};
use crate::state::lease::Leases;
use crate::state::receipt::Receipt;

/// What was collected.
#[derive(Debug, Default)]
pub struct Collected {
    /// Attachments that were undone, or whose address was freed.
    pub freed: Vec<AttachmentId>,
    /// What could not be undone.
    pub errors: Vec<Error>,
}

impl Engine {
    /// Undoes the attachments whose namespace is dead, and no others.
    pub fn collect_dead(&mut self) -> Result<Collected> {
        let receipts = self.store.receipts()?;
        let dead: Vec<_> = receipts
            .iter()
            .filter(|receipt| self.is_dead(receipt))
            .map(|receipt| receipt.id.clone())
            .collect();
        // The runtime may have started it again meanwhile.
        let mut collected =
            self.collect(dead, |engine, receipt| receipt.is_none_or(|receipt| engine.is_dead(receipt)));
        let network = self.network_guard()?;
        collected.freed.extend(self.release_orphans(&network)?);
        drop(network);
        self.sweep_locks()?;
        Ok(collected)
    }

    /// Undoes every attachment that is not in `valid`, living or not, recorded or not (CNI's GC).
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

    /// Takes out of the tables what belongs to no receipt, nor to a container that `is_valid`.
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
                    let called = self.called(&id);
                    collected.errors.push(error.context(format!("container {called} cannot be undone")));
                }
            }
        }
        collected
    }

    /// Releases addresses that are held without a receipt and without a link. Nobody is at work on such an attachment: the
    /// receipt comes first and goes under the network's guard, as the address does.
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

    /// Whether nothing is left of an attachment but its lease: no receipt, and no link, under another name neither.
    pub(super) fn is_orphan(&mut self, id: &AttachmentId) -> Result<bool> {
        let link = id.host_link(&self.config.network);
        if !observe::link_is_gone(link.as_str()) || self.store.receipt(id)?.is_some() {
            return Ok(false);
        }
        Ok(!self.marked_links()?.ports.iter().any(|(marked, _)| marked == id))
    }

    /// Frees what the dead hold, before ADD gives out an address, a name's or a port: Podman calls no plugin when a
    /// namespace is gone before its container is removed, nor after a reboot. That one of them cannot be undone is no
    /// reason to refuse another, nor is that somebody is at work on one. Returns the leases that stay.
    pub(super) fn free_the_dead(&mut self, network: &NetworkGuard) -> Result<Leases> {
        let leases = self.whole_leases(network)?;
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
                let called = self.called(&id);
                self.log.warn(&format!(
                    "container {called} no longer exists, but cannot be undone: {}",
                    error.whole()
                ));
            }
        }
        self.store.leases()
    }

    /// Makes way for the ports that ADD publishes: what dead containers left goes, and a living one keeps what it has.
    /// One that comes or goes just now has no link; whether its port is taken `nft` knows.
    pub(super) fn free_ports(&mut self, request: &Request, network: &NetworkGuard) -> Result<()> {
        if request.ports.is_empty() {
            return Ok(());
        }
        let ports: Vec<u16> = request.ports.iter().map(|port| port.host_port).collect();
        for holder in self.store.receipts_naming(&ports)?.iter().filter(|holder| holder.id != request.id) {
            let Some(port) = holder.port_in_the_way_of(&request.ports) else { continue };
            if self.is_dead(holder) {
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
            // Nothing in the kernel outlives a boot, and `up` enters only the living.
            Some((receipt, _)) if self.is_dead(&receipt) && receipt.boot_id != observe::boot_id() => {
                self.forget(&links, &Undone { flows: Some(Ok(())), ..Undone::default() }, network)
            }
            Some((receipt, _)) if self.is_dead(&receipt) => self.undo_receipt(&receipt, &links, network),
            None if self.is_orphan(id)? => self.forget(&links, &Undone::default(), network),
            _ => Ok(()),
        };
        links.remove();
        result
    }
}

/// Says who is in the way.
pub(super) fn port_taken(port: &PortMapping, holder: &Receipt) -> Error {
    Error::new(Kind::PortTaken, format!("port {port} is already published by {}", holder.called()))
}
