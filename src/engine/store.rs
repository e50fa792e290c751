//! The state of one network: leases, receipts, and the record of what `up` did.
//!
//! A file that cannot be read is set aside with a warning and made again from the others; it never stops a
//! container.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use serde::Serialize;
use serde::de::Error as _;

use crate::error::{self, Error, Kind, Result};
use crate::log::Log;
use crate::model::config::Config;
use crate::model::desired::OWNER_FILE;
use crate::model::types::{AttachmentId, Owner};
use crate::state::checksum;
use crate::state::dir::{self, StateDir};
use crate::state::lease::{self, Lease, Leases};
use crate::state::receipt::{self, Event, Receipt};

use super::NetworkGuard;
use super::definitions::{Definition, Definitions};
use super::host::HostRecord;

/// The record of what `up` did.
const HOST_FILE: &str = "host.json";
/// What `up` knows of Podman's files of the network.
const DEFINITIONS_FILE: &str = "definitions.json";
/// How the name of an attachment's mark ends whose undoing was put off.
const PENDING_SUFFIX: &str = ".undo";

/// The state of one network.
#[derive(Debug)]
pub struct Store {
    network: StateDir,
    receipts: StateDir,
    /// Below the run directory: what is marked there does not outlive a boot, nor a full disk for state.
    marks: StateDir,
    log: Log,
}

impl Store {
    /// Opens it, making its directories where they are missing.
    pub fn create(config: &Config, log: Log) -> Result<Self> {
        let network = StateDir::create(&config.paths.state)?.subdir(config.network.as_str())?;
        let marks = StateDir::create(&config.paths.run)?.subdir(config.network.as_str())?;
        Ok(Self { receipts: network.subdir("receipts")?, network, marks, log })
    }

    /// Opens it to be read only: what is not there, or may not be read, is nothing.
    #[must_use]
    pub fn open_or_nothing(config: &Config) -> Self {
        let network = StateDir::open_to_look(&config.paths.state.join(config.network.as_str()));
        Self {
            receipts: StateDir::open_to_look(&network.path().join("receipts")),
            marks: StateDir::open_to_look(&config.paths.run.join(config.network.as_str())),
            network,
            log: Log::silent(),
        }
    }

    /// Why state that is there counts as absent, where it may not be read.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        self.network.refused().or_else(|| self.receipts.refused())
    }

    /// Removes what a writer that was killed left, and moves away what is no file in its place.
    pub fn sweep(&self, _: &NetworkGuard) {
        for dir in [&self.network, &self.receipts] {
            if let Err(error) = self.set_foreign_aside(dir, dir::TEMPORARY) {
                self.log.warn(&error.whole());
            }
            dir.sweep();
        }
    }

    /// What `name` in `dir` says, as `parse` reads it. A file that cannot be used is set aside with a warning, and is
    /// as good as none.
    fn read<T>(
        &self,
        dir: &StateDir,
        name: &str,
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Option<T>> {
        let look = || look(dir, name, &parse);
        let is_bad = |found: &Result<Option<T>>| found.as_ref().is_err_and(is_unusable);
        let found = look();
        if !is_bad(&found) {
            return found;
        }
        dir.alone(|| match look() {
            Err(error) if is_unusable(&error) => {
                let (path, aside) = (dir.path().join(name), dir.set_aside(name)?);
                let why = error.message();
                self.log.warn(&format!(
                    "{} is unusable and was renamed to {}: {why}",
                    path.display(),
                    aside.display()
                ));
                Ok(None)
            }
            found => found,
        })
    }

    /// Writes `value` to `name` in `dir`.
    fn write(dir: &StateDir, name: &str, value: &impl Serialize, _: &NetworkGuard) -> Result<()> {
        let line = checksum::to_line(value)
            .map_err(|cause| Error::new(Kind::Internal, "state cannot be written as JSON").source(cause))?;
        dir.write(name, line.as_bytes())
    }

    /// Moves away what lies in a file's place and is none.
    fn set_foreign_aside(&self, dir: &StateDir, name: &str) -> Result<()> {
        if let Some(aside) = dir.set_foreign_aside(name)? {
            self.log.warn(&format!("a file that is not Flatnet's was renamed to {}", aside.display()));
        }
        Ok(())
    }

    /// Who holds and held which address. Where there is no file that tells, the receipts tell who holds.
    pub fn leases(&self) -> Result<Leases> {
        match self.read(&self.network, lease::FILE, checksum::from_line)? {
            Some(leases) => Ok(leases),
            None => self.leases_from_receipts(),
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
        let held: HashSet<(&str, &str)> = leases
            .held()
            .map(|(_, Lease { id, .. })| (id.container_id.as_str(), id.if_name.as_str()))
            .collect();
        let mut found = Vec::new();
        for name in self.receipts.names(receipt::SUFFIX)? {
            let id = name.strip_suffix(receipt::SUFFIX).and_then(|stem| stem.split_once('@'));
            if id.is_none_or(|id| !held.contains(&id)) {
                found.extend(self.read_receipt(&name)?.map(|(receipt, _)| receipt));
            }
        }
        Ok(found)
    }

    /// Writes the leases.
    pub fn write_leases(&self, leases: &Leases, network: &NetworkGuard) -> Result<()> {
        Self::write(&self.network, lease::FILE, leases, network)
    }

    /// The receipt of one attachment, and what happened since.
    pub fn receipt(&self, id: &AttachmentId) -> Result<Option<(Receipt, Vec<Event>)>> {
        self.read_receipt(&file_name(id))
    }

    fn read_receipt(&self, name: &str) -> Result<Option<(Receipt, Vec<Event>)>> {
        self.read(&self.receipts, name, |bytes| parse_receipt(name, bytes))
    }

    /// Files that cannot be used, and why: whoever changes something next sets them aside.
    pub fn unusable(&self) -> Result<Vec<(PathBuf, String)>> {
        let mut found = Vec::new();
        let mut note = |dir: &StateDir, name: &str, looked: Result<()>| match looked {
            Err(error) if is_unusable(&error) => {
                found.push((dir.path().join(name), error.message().to_owned()));
                Ok(())
            }
            looked => looked,
        };
        let network = &self.network;
        note(network, lease::FILE, look(network, lease::FILE, checksum::from_line::<Leases>).map(drop))?;
        note(network, HOST_FILE, look(network, HOST_FILE, checksum::from_line::<HostRecord>).map(drop))?;
        for name in self.receipts.names(receipt::SUFFIX)? {
            let looked = look(&self.receipts, &name, |bytes| parse_receipt(&name, bytes));
            note(&self.receipts, &name, looked.map(drop))?;
        }
        Ok(found)
    }

    /// All receipts.
    pub fn receipts(&self) -> Result<Vec<Receipt>> {
        Ok(self.receipts_and_events()?.into_iter().map(|(receipt, _)| receipt).collect())
    }

    /// The receipts that may name one of `host_ports`: whoever has none in its bytes is not parsed, since to parse all takes
    /// too long.
    pub fn receipts_naming(&self, host_ports: &[u16]) -> Result<Vec<Receipt>> {
        let needles: Vec<String> = host_ports.iter().map(|port| format!("\"host_port\":{port}")).collect();
        let mut found = Vec::new();
        for name in self.receipts.names(receipt::SUFFIX)? {
            // What cannot be read as bytes is set aside by the parser.
            let bytes = self.receipts.read(&name).ok().flatten();
            let text = bytes.as_deref().map(String::from_utf8_lossy);
            if text.is_none_or(|text| needles.iter().any(|needle| text.contains(needle))) {
                found.extend(self.read_receipt(&name)?.map(|(receipt, _)| receipt));
            }
        }
        Ok(found)
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
        for dir in [&self.network, &self.receipts, &self.marks] {
            let names = dir.names("")?.into_iter().filter(|name| name.contains(dir::ASIDE));
            found.extend(names.map(|name| dir.path().join(name)));
        }
        Ok(found)
    }

    /// Writes a receipt.
    pub fn write_receipt(&self, receipt: &Receipt, network: &NetworkGuard) -> Result<()> {
        // What was put off for an earlier one of that name is no business of this one.
        self.remove_mark(&receipt.id)?;
        Self::write(&self.receipts, &file_name(&receipt.id), receipt, network)
    }

    /// Appends to a receipt what happened. That it cannot be written is no reason to fail: the receipt itself holds
    /// all that is needed to undo.
    pub fn append_events(&self, id: &AttachmentId, events: &[Event]) {
        let lines: String = events.iter().filter_map(|event| receipt::to_line(event).ok()).collect();
        if let Err(error) = self.receipts.append(&file_name(id), &lines) {
            self.log.warn(&error.whole());
        }
    }

    /// Notes that DEL has begun: from here on the attachment's elements are not to be entered again by an `up` that comes
    /// in between. A full disk does not keep DEL from its work.
    pub fn note_leaving(&self, id: &AttachmentId) {
        let line = receipt::to_line(&Event::of_attachment(receipt::LEAVING)).unwrap_or_default();
        let _ = self.receipts.append(&file_name(id), &line);
    }

    /// Removes a receipt and its mark.
    pub fn remove_receipt(&self, id: &AttachmentId, _: &NetworkGuard) -> Result<()> {
        self.receipts.remove(&file_name(id))?;
        self.remove_mark(id)
    }

    fn remove_mark(&self, id: &AttachmentId) -> Result<()> {
        let name = mark_name(id);
        self.set_foreign_aside(&self.marks, &name)?;
        // On a disk that became read-only to remove nothing is an error too.
        if self.is_pending(id) { self.marks.remove(&name) } else { Ok(()) }
    }

    /// Marks an attachment as to be undone by whoever comes next.
    pub fn mark_pending(&self, id: &AttachmentId) -> Result<()> {
        self.marks.touch(&mark_name(id))
    }

    /// The file stems of all attachments that are marked so.
    pub fn pending(&self) -> Result<BTreeSet<String>> {
        let names = self.marks.names(PENDING_SUFFIX)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(PENDING_SUFFIX)).map(str::to_owned).collect())
    }

    /// Whether an attachment is marked so.
    #[must_use]
    pub fn is_pending(&self, id: &AttachmentId) -> bool {
        self.marks.path().join(mark_name(id)).symlink_metadata().is_ok_and(|found| found.is_file())
    }

    /// What `up` did; `None` where it never ran, or where its record cannot be read.
    pub fn host(&self) -> Result<Option<HostRecord>> {
        // Made again by the next `up`, at the price of not knowing how it found the settings.
        self.read(&self.network, HOST_FILE, checksum::from_line)
    }

    /// Writes what `up` did.
    pub fn write_host(&self, record: &HostRecord, network: &NetworkGuard) -> Result<()> {
        Self::write(&self.network, HOST_FILE, record, network)
    }

    /// Podman's files of the network, as `up` last saw them.
    pub fn definitions(&self) -> Result<Vec<Definition>> {
        Ok(self
            .read(&self.network, DEFINITIONS_FILE, checksum::from_line::<Definitions>)?
            .unwrap_or_default()
            .files)
    }

    /// Writes them down.
    pub fn write_definitions(&self, files: Vec<Definition>, network: &NetworkGuard) -> Result<()> {
        Self::write(&self.network, DEFINITIONS_FILE, &Definitions { files }, network)
    }

    /// Which Flatnet this is; `None` where it was never told, or where that cannot be read. What lies below the run
    /// directory counts where the state was lost.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.owner_in(&self.network).or_else(|| self.owner_in(&self.marks))
    }

    fn owner_in(&self, dir: &StateDir) -> Option<Owner> {
        let parse = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.trim().parse().map_err(|error: Error| serde_json::Error::custom(error.message()))
        };
        self.read(dir, OWNER_FILE, parse).ok().flatten()
    }

    /// Where that is written.
    #[must_use]
    pub fn owner_path(&self) -> PathBuf {
        self.network.path().join(OWNER_FILE)
    }

    /// Whether it is known which Flatnet this is; then both directories say so.
    #[must_use]
    pub fn keep_owner(&self, network: &NetworkGuard) -> bool {
        let Some(owner) = self.owner() else { return false };
        let differs = |dir: &&StateDir| self.owner_in(dir).as_ref() != Some(&owner);
        if [&self.network, &self.marks].iter().any(differs) {
            self.write_owner(&owner, network);
        }
        true
    }

    /// Writes which Flatnet this is. A full disk is no reason to fail.
    pub fn write_owner(&self, owner: &Owner, _: &NetworkGuard) {
        let line = format!("{owner}\n");
        for dir in [&self.network, &self.marks] {
            if let Err(error) = dir.write(OWNER_FILE, line.as_bytes()) {
                self.log.warn(&error.whole());
            }
        }
    }

    /// Forgets what `up` did and saw.
    pub fn remove_host(&self, _: &NetworkGuard) -> Result<()> {
        self.network.remove(DEFINITIONS_FILE)?;
        self.network.remove(HOST_FILE)
    }
}

/// What `name` in `dir` says, as `parse` reads it.
fn look<T>(
    dir: &StateDir,
    name: &str,
    parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<Option<T>> {
    dir.read(name)?.map(|bytes| parse(&bytes).map_err(|cause| unusable(&cause))).transpose()
}

fn parse_receipt(name: &str, bytes: &[u8]) -> Result<(Receipt, Vec<Event>), serde_json::Error> {
    let read = receipt::parse(bytes)?;
    if file_name(&read.0.id) == name {
        Ok(read)
    } else {
        Err(serde_json::Error::custom("it belongs to another attachment"))
    }
}

fn file_name(id: &AttachmentId) -> String {
    id.file_stem() + receipt::SUFFIX
}

fn mark_name(id: &AttachmentId) -> String {
    id.file_stem() + PENDING_SUFFIX
}

/// Whether a file is there and tells nothing; another error may be over when it is read again.
fn is_unusable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Decode | Kind::ForeignFile)
}

fn unusable(cause: &serde_json::Error) -> Error {
    Error::new(Kind::Decode, error::parser_says(cause))
}
