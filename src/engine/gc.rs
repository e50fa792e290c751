//! Collecting what no living namespace owns.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Engine;
use crate::error::{Error, Kind, Result};
use crate::lease::Leases;
use crate::lock::Lock;
use crate::observe;
use crate::receipt::Receipt;
use crate::request::Request;
use crate::types::{AttachmentId, PortMapping};

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
        let mut collected = self.collect(dead);
        collected.freed.extend(self.release_orphans()?);
        Ok(collected)
    }

    /// Undoes every attachment that is not in `valid`, living or not (CNI's GC).
    pub fn collect_all_but(&mut self, valid: &BTreeSet<AttachmentId>) -> Result<Collected> {
        let receipts = self.store.receipts()?;
        let held = self.store.leases()?;
        let known: BTreeSet<AttachmentId> = receipts
            .into_iter()
            .map(|receipt| receipt.id)
            .chain(held.held().map(|(_, lease)| lease.id.clone()))
            .collect();
        Ok(self.collect(known.difference(valid).cloned().collect()))
    }

    fn collect(&mut self, ids: Vec<AttachmentId>) -> Collected {
        let mut collected = Collected::default();
        for id in ids {
            match self.detach_with_lock(&id) {
                Ok(()) => collected.freed.push(id),
                Err(error) => {
                    collected.errors.push(error.context(format!("container {id} cannot be undone")));
                }
            }
        }
        collected
    }

    /// Releases addresses that are held without a receipt and without a link.
    fn release_orphans(&mut self) -> Result<Vec<AttachmentId>> {
        let _network = self.network_lock()?;
        let mut leases = self.store.leases()?;
        let mut freed = Vec::new();
        for (_, lease) in leases.clone().held() {
            if self.is_orphan(&lease.id)? && leases.release(&lease.id, super::now()) {
                freed.push(lease.id.clone());
            }
        }
        if !freed.is_empty() {
            self.store.write_leases(&leases)?;
        }
        Ok(freed)
    }

    fn is_orphan(&self, id: &AttachmentId) -> Result<bool> {
        let link = id.host_link(&self.config.network);
        Ok(observe::link_index(link.as_str()).is_none() && self.store.receipt(id)?.is_none())
    }

    /// Frees those of `addresses` whose holders are dead, because ADD needs one. The caller holds both locks; an
    /// attachment that another run works on is left alone.
    pub(super) fn reap(
        &mut self,
        addresses: &[Ipv4Addr],
        leases: &Leases,
        network: &Lock,
        own: &Lock,
    ) -> Result<()> {
        for lease in addresses.iter().filter_map(|address| leases.get(*address)) {
            match self.store.receipt(&lease.id)? {
                Some((receipt, _)) if self.is_dead(&receipt) => self.undo_receipt(&receipt, network, own)?,
                None if self.is_orphan(&lease.id)? => self.forget(&lease.id, &[])?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes way for the ports that ADD publishes: what dead containers left goes, and a living one keeps what it has.
    /// One that comes or goes just now has no link; whether its port is taken `nft` knows.
    pub(super) fn free_ports(&mut self, request: &Request, network: &Lock, own: &Lock) -> Result<()> {
        if request.ports.is_empty() {
            return Ok(());
        }
        for holder in self.store.receipts()?.iter().filter(|holder| holder.id != request.id) {
            let Some(port) = holder.port_in_the_way_of(&request.ports) else { continue };
            if self.is_dead(holder) {
                self.undo_receipt(holder, network, own)?;
            } else if observe::link_index(holder.host_link.as_str()).is_some() {
                return Err(port_taken(port, holder));
            }
        }
        Ok(())
    }
}

/// Says who is in the way.
pub(super) fn port_taken(port: &PortMapping, holder: &Receipt) -> Error {
    let name = if holder.name.is_empty() { String::new() } else { format!("{} ", holder.name) };
    Error::new(Kind::Conflict, format!("port {port} is published by {name}{} already", holder.id))
        .remedy("Publish another port, or remove that container")
}
