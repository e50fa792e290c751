//! The state of one network: leases, receipts and the host record.
//!
//! A file that cannot be read is set aside with a warning and rebuilt from the others. It never stops a container.

use std::cell::RefCell;
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
use crate::state::names_dir::NamesDir;
use crate::state::receipt::{self, Event, Receipt};

use super::NetworkGuard;
use super::definitions::{Definition, Definitions};
use super::host::HostRecord;

/// The host record.
const HOST_FILE: &str = "host.json";
/// Podman's files of the network, as `up` saw them.
const DEFINITIONS_FILE: &str = "definitions.json";
/// The suffix of an attachment's pending mark.
const PENDING_SUFFIX: &str = ".undo";

/// The state of one network.
#[derive(Debug)]
pub struct Store {
    network: StateDir,
    receipts: StateDir,
    names: NamesDir,
    /// Below the run directory: marks do not survive a reboot, and a full state disk does not affect them.
    marks: StateDir,
    /// The file of leases as it was last read, and what it says: with a thousand leases, reading it is quick and parsing it is not.
    known_leases: RefCell<Option<(Vec<u8>, Leases)>>,
    log: Log,
}

impl Store {
    /// Opens it, creating missing directories.
    pub fn create(config: &Config, log: Log) -> Result<Self> {
        let network = StateDir::create(&config.paths.state)?.subdir(config.network.as_str())?;
        let marks = StateDir::create(&config.paths.run)?.subdir(config.network.as_str())?;
        Ok(Self {
            receipts: network.subdir("receipts")?,
            network,
            names: NamesDir::new(config.paths.names()),
            marks,
            known_leases: RefCell::default(),
            log,
        })
    }

    /// Opens it read-only; what is missing or unreadable is treated as empty.
    #[must_use]
    pub fn open_or_nothing(config: &Config) -> Self {
        let network = StateDir::open_to_look(&config.paths.state.join(config.network.as_str()));
        Self {
            receipts: StateDir::open_to_look(&network.path().join("receipts")),
            marks: StateDir::open_to_look(&config.paths.run.join(config.network.as_str())),
            network,
            names: NamesDir::new(config.paths.names()),
            known_leases: RefCell::default(),
            log: Log::silent(),
        }
    }

    /// Why existing state is treated as empty, if it may not be read.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        self.network.refused().or_else(|| self.receipts.refused())
    }

    /// Removes what a killed writer left, and moves away anything else in a state file's place.
    pub fn sweep(&self, _: &NetworkGuard) {
        for dir in [&self.network, &self.receipts] {
            if let Err(error) = self.set_foreign_aside(dir, dir::TEMPORARY) {
                self.log.warn(&error.to_line());
            }
            dir.sweep();
        }
    }

    /// The contents of `name` in `dir`, as `parse` reads it. An unusable file is set aside with a warning and treated
    /// as absent.
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

    /// Moves away something in a state file's place that is not a regular file.
    fn set_foreign_aside(&self, dir: &StateDir, name: &str) -> Result<()> {
        if let Some(aside) = dir.set_foreign_aside(name)? {
            self.log.warn(&format!("a file that is not Flatnet's was renamed to {}", aside.display()));
        }
        Ok(())
    }

    /// The leases, held and remembered. If the file is missing, the receipts say who holds an address.
    pub fn leases(&self) -> Result<Leases> {
        let parse = |bytes: &[u8]| {
            match &*self.known_leases.borrow() {
                Some((read, leases)) if read == bytes => return Ok(leases.clone()),
                _ => {}
            }
            let leases: Leases = checksum::from_line(bytes)?;
            self.known_leases.replace(Some((bytes.to_vec(), leases.clone())));
            Ok(leases)
        };
        match self.read(&self.network, lease::FILE, parse)? {
            Some(leases) => Ok(leases),
            None => self.leases_from_receipts(),
        }
    }

    fn leases_from_receipts(&self) -> Result<Leases> {
        let mut leases = Leases::default();
        for receipt in self.receipts()? {
            leases.hold([receipt.address().into()], &receipt.claim());
        }
        Ok(leases)
    }

    /// Whether the file of leases exists and was readable.
    #[must_use]
    pub fn has_leases(&self) -> bool {
        super::exists(&self.network.path().join(lease::FILE))
    }

    /// The receipts of attachments that hold no address in `leases`, by file name: reading all would take too long.
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

    /// The receipt of one attachment, and its events.
    pub fn receipt(&self, id: &AttachmentId) -> Result<Option<(Receipt, Vec<Event>)>> {
        self.read_receipt(&file_name(id))
    }

    fn read_receipt(&self, name: &str) -> Result<Option<(Receipt, Vec<Event>)>> {
        self.read(&self.receipts, name, |bytes| parse_receipt(name, bytes))
    }

    /// Unusable files with the reason; the next run that changes something sets them aside.
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

    /// The receipts that may contain one of `host_ports`. Others are not parsed, since parsing all takes too long.
    pub fn receipts_naming(&self, host_ports: &[u16]) -> Result<Vec<Receipt>> {
        let needles: Vec<String> = host_ports.iter().map(|port| format!("\"host_port\":{port}")).collect();
        let mut found = Vec::new();
        for name in self.receipts.names(receipt::SUFFIX)? {
            // A file that is not valid UTF-8 is left to the parser, which sets it aside.
            let bytes = self.receipts.read(&name).ok().flatten();
            let text = bytes.as_deref().map(String::from_utf8_lossy);
            if text.is_none_or(|text| needles.iter().any(|needle| text.contains(needle))) {
                found.extend(self.read_receipt(&name)?.map(|(receipt, _)| receipt));
            }
        }
        Ok(found)
    }

    /// All receipts with their events.
    pub fn receipts_and_events(&self) -> Result<Vec<(Receipt, Vec<Event>)>> {
        let mut all = Vec::new();
        for name in self.receipts.names(receipt::SUFFIX)? {
            all.extend(self.read_receipt(&name)?);
        }
        Ok(all)
    }

    /// Unreadable files that were set aside.
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
        // A pending mark of an earlier attachment of that name does not apply to this one.
        self.remove_mark(&receipt.id)?;
        Self::write(&self.receipts, &file_name(&receipt.id), receipt, network)
    }

    /// Appends an event to a receipt. A failure is ignored: the receipt itself holds all that is needed to undo.
    pub fn append_events(&self, id: &AttachmentId, events: &[Event]) {
        let lines: String = events.iter().filter_map(|event| receipt::to_line(event).ok()).collect();
        if let Err(error) = self.receipts.append(&file_name(id), &lines) {
            self.log.warn(&error.to_line());
        }
    }

    /// Records that DEL has begun, so that an `up` in between does not add the attachment's elements again. A
    /// full disk does not stop DEL.
    pub fn note_leaving(&self, id: &AttachmentId) {
        let line = receipt::to_line(&Event::of_attachment(receipt::LEAVING)).unwrap_or_default();
        let _ = self.receipts.append(&file_name(id), &line);
    }

    /// Removes a receipt and its pending mark.
    pub fn remove_receipt(&self, id: &AttachmentId, _: &NetworkGuard) -> Result<()> {
        self.receipts.remove(&file_name(id))?;
        self.remove_mark(id)
    }

    fn remove_mark(&self, id: &AttachmentId) -> Result<()> {
        let name = mark_name(id);
        self.set_foreign_aside(&self.marks, &name)?;
        // On a disk that became read-only, removing a missing file fails too.
        if self.is_pending(id) { self.marks.remove(&name) } else { Ok(()) }
    }

    /// Marks an attachment as pending, for the next run to undo.
    pub fn mark_pending(&self, id: &AttachmentId) -> Result<()> {
        self.marks.touch(&mark_name(id))
    }

    /// The file stems of all pending attachments.
    pub fn pending(&self) -> Result<BTreeSet<String>> {
        let names = self.marks.names(PENDING_SUFFIX)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(PENDING_SUFFIX)).map(str::to_owned).collect())
    }

    /// Whether an attachment is pending.
    #[must_use]
    pub fn is_pending(&self, id: &AttachmentId) -> bool {
        self.marks.path().join(mark_name(id)).symlink_metadata().is_ok_and(|found| found.is_file())
    }

    /// The directory of the files of names.
    #[must_use]
    pub fn names(&self) -> &NamesDir {
        &self.names
    }

    /// The host record; `None` if `up` never ran, or it is unreadable.
    pub fn host(&self) -> Result<Option<HostRecord>> {
        // The next `up` writes it again, but does not know the original settings then.
        self.read(&self.network, HOST_FILE, checksum::from_line)
    }

    /// Writes the host record.
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

    /// Writes Podman's files of the network.
    pub fn write_definitions(&self, files: Vec<Definition>, network: &NetworkGuard) -> Result<()> {
        Self::write(&self.network, DEFINITIONS_FILE, &Definitions { files }, network)
    }

    /// The owner mark; `None` if there is none, or it is unreadable. The one in the run directory counts if state was
    /// lost.
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

    /// Where the owner mark is written.
    #[must_use]
    pub fn owner_path(&self) -> PathBuf {
        self.network.path().join(OWNER_FILE)
    }

    /// Whether the owner is known; then both directories hold the mark.
    #[must_use]
    pub fn keep_owner(&self, network: &NetworkGuard) -> bool {
        let Some(owner) = self.owner() else { return false };
        let differs = |dir: &&StateDir| self.owner_in(dir).as_ref() != Some(&owner);
        if [&self.network, &self.marks].iter().any(differs) {
            self.write_owner(&owner, network);
        }
        true
    }

    /// Writes the owner mark. A full disk is not an error.
    pub fn write_owner(&self, owner: &Owner, _: &NetworkGuard) {
        let line = format!("{owner}\n");
        for dir in [&self.network, &self.marks] {
            if let Err(error) = dir.write(OWNER_FILE, line.as_bytes()) {
                self.log.warn(&error.to_line());
            }
        }
    }

    /// Removes what `up` recorded.
    pub fn remove_host(&self, _: &NetworkGuard) -> Result<()> {
        self.network.remove(DEFINITIONS_FILE)?;
        self.network.remove(HOST_FILE)
    }
}

/// The contents of `name` in `dir`, as `parse` reads it.
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

/// Whether a file exists but is unusable; another error may be gone at the next read.
fn is_unusable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Decode | Kind::ForeignFile)
}

fn unusable(cause: &serde_json::Error) -> Error {
    Error::new(Kind::Decode, error::parser_says(cause))
}
