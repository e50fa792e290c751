//! The state of one network: leases, receipts, and the record of what `up` did.
//!
//! A file that cannot be read is set aside with a warning and made again from the others; it never stops a
//! container.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::lease::{self, Leases};
use crate::log::Log;
use crate::receipt::{self, Event, Receipt};
use crate::state_dir::{self, StateDir};
use crate::types::AttachmentId;

use super::host::HostRecord;

/// The record of what `up` did.
const HOST_FILE: &str = "host.json";
/// How the name of an attachment's marker ends whose undoing was put off.
const PENDING_SUFFIX: &str = ".undo";

/// The state of one network.
#[derive(Debug)]
pub struct Store {
    network: StateDir,
    receipts: StateDir,
    log: Log,
}

impl Store {
    /// Opens it, making its directories where they are missing.
    pub fn create(config: &Config, log: Log) -> Result<Self> {
        let network = StateDir::create(&config.paths.state)?.subdir(config.network.as_str())?;
        Ok(Self { receipts: network.subdir("receipts")?, network, log })
    }

    /// Opens it to be read only: what is not there, or may not be read, is nothing.
    #[must_use]
    pub fn open_or_nothing(config: &Config) -> Self {
        let network = StateDir::open_to_look(&config.paths.state.join(config.network.as_str()));
        Self {
            receipts: StateDir::open_to_look(&network.path().join("receipts")),
            network,
            log: Log::silent(),
        }
    }

    /// Why state that is there counts as absent, where it may not be read.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        self.network.refused().or_else(|| self.receipts.refused())
    }

    /// Who holds and held which address. A file that does not parse is set aside, and the receipts tell who holds.
    pub fn leases(&self) -> Result<Leases> {
        let Some(bytes) = self.network.read(lease::FILE)? else { return self.leases_from_receipts() };
        match serde_json::from_slice(&bytes) {
            Ok(leases) => Ok(leases),
            Err(cause) => {
                let aside = self.network.set_aside(lease::FILE)?;
                let why = format!("{cause}; moved to {}, made again from the receipts", aside.display());
                self.log.warn(&format!("the file of leases cannot be read: {why}"));
                self.leases_from_receipts()
            }
        }
    }

    fn leases_from_receipts(&self) -> Result<Leases> {
        let mut leases = Leases::default();
        for receipt in self.receipts()? {
            leases.hold(receipt.address.addr(), &receipt.claim());
        }
        Ok(leases)
    }

    /// Whether the file of leases is there; one that could not be read is no more.
    #[must_use]
    pub fn has_leases(&self) -> bool {
        super::exists(&self.network.path().join(lease::FILE))
    }

    /// The receipts of those who hold nothing in `leases`, by the names of their files: to read all takes too long.
    pub fn receipts_not_in(&self, leases: &Leases) -> Result<Vec<Receipt>> {
        let held: BTreeSet<String> = leases.held().map(|(_, lease)| lease.id.file_stem()).collect();
        let mut found = Vec::new();
        for name in self.receipts.names(receipt::SUFFIX)? {
            if name.strip_suffix(receipt::SUFFIX).is_some_and(|stem| !held.contains(stem)) {
                found.extend(self.read_receipt(&name)?.map(|(receipt, _)| receipt));
            }
        }
        Ok(found)
    }

    /// Writes the leases; the caller holds the network's lock.
    pub fn write_leases(&self, leases: &Leases) -> Result<()> {
        self.network.write(lease::FILE, json(leases)?.as_bytes())
    }

    /// The receipt of one attachment, and what happened since.
    pub fn receipt(&self, id: &AttachmentId) -> Result<Option<(Receipt, Vec<Event>)>> {
        self.read_receipt(&file_name(id))
    }

    fn read_receipt(&self, name: &str) -> Result<Option<(Receipt, Vec<Event>)>> {
        let Some(bytes) = self.receipts.read(name)? else { return Ok(None) };
        match receipt::parse(&bytes) {
            Ok(read) => Ok(Some(read)),
            Err(cause) => {
                let aside = self.receipts.set_aside(name)?;
                let why = format!("{cause}; moved to {}", aside.display());
                self.log.warn(&format!("the receipt {name} cannot be read: {why}"));
                Ok(None)
            }
        }
    }

    /// All receipts.
    pub fn receipts(&self) -> Result<Vec<Receipt>> {
        Ok(self.receipts_and_events()?.into_iter().map(|(receipt, _)| receipt).collect())
    }

    /// All receipts, each with what happened since.
    pub fn receipts_and_events(&self) -> Result<Vec<(Receipt, Vec<Event>)>> {
        let mut all = Vec::new();
        for name in self.receipts.names(receipt::SUFFIX)? {
            all.extend(self.read_receipt(&name)?);
        }
        Ok(all)
    }

    /// Files that could not be read and were set aside.
    pub fn set_aside(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for dir in [&self.network, &self.receipts] {
            let names = dir.names("")?.into_iter().filter(|name| name.contains(state_dir::ASIDE));
            found.extend(names.map(|name| dir.path().join(name)));
        }
        Ok(found)
    }

    /// Writes a receipt; the caller holds the network's lock.
    pub fn write_receipt(&self, receipt: &Receipt) -> Result<()> {
        self.receipts.write(&file_name(&receipt.id), json(receipt)?.as_bytes())
    }

    /// Appends to a receipt what happened. That it cannot be written is no reason to fail: the receipt itself holds
    /// all that is needed to undo.
    pub fn append_events(&self, id: &AttachmentId, events: &[Event]) {
        let lines: String = events.iter().filter_map(|event| receipt::to_line(event).ok()).collect();
        if let Err(error) = self.receipts.append(&file_name(id), &lines) {
            self.log.warn(&error.whole());
        }
    }

    /// Removes a receipt and its marker.
    pub fn remove_receipt(&self, id: &AttachmentId) -> Result<()> {
        self.receipts.remove(&file_name(id))?;
        self.receipts.remove(&(id.file_stem() + PENDING_SUFFIX))
    }

    /// Marks an attachment as to be undone by whoever comes next.
    pub fn mark_pending(&self, id: &AttachmentId) -> Result<()> {
        self.receipts.touch(&(id.file_stem() + PENDING_SUFFIX))
    }

    /// The file stems of all attachments that are marked so.
    pub fn pending(&self) -> Result<BTreeSet<String>> {
        let names = self.receipts.names(PENDING_SUFFIX)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(PENDING_SUFFIX)).map(str::to_owned).collect())
    }

    /// Whether an attachment is marked so.
    #[must_use]
    pub fn is_pending(&self, id: &AttachmentId) -> bool {
        super::exists(&self.receipts.path().join(id.file_stem() + PENDING_SUFFIX))
    }

    /// What `up` did; `None` where it never ran, or where its record cannot be read.
    pub fn host(&self) -> Result<Option<HostRecord>> {
        let Some(bytes) = self.network.read(HOST_FILE)? else { return Ok(None) };
        // Made again by the next `up`, at the price of not knowing how it found the settings.
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Writes what `up` did; the caller holds the network's lock.
    pub fn write_host(&self, record: &HostRecord) -> Result<()> {
        self.network.write(HOST_FILE, json(record)?.as_bytes())
    }

    /// Forgets what `up` did.
    pub fn remove_host(&self) -> Result<()> {
        self.network.remove(HOST_FILE)
    }
}

fn file_name(id: &AttachmentId) -> String {
    id.file_stem() + receipt::SUFFIX
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    receipt::to_line(value)
        .map_err(|cause| Error::new(Kind::Internal, "state cannot be written as JSON").source(cause))
}
