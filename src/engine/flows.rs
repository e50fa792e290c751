//! Conntrack entries of an address that a DEL releases.
//!
//! `conntrack` walks through the kernel's whole table for each filter, which takes 12 ms where the table has 262,144 buckets. DEL
//! leaves it running. As long as the file `LINK.flows` exists, entries are left: the programs hold its lock, and remove it if
//! they succeed. The next ADD of the address waits for them. If nobody holds the lock of an existing file, they failed or were
//! killed: whoever sees it first records in the lease that entries are left, and the next ADD deletes them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Engine, NetworkGuard};
use crate::error::{Error, Result};
use crate::kernel::execute::Executor as _;
use crate::kernel::host::Host;
use crate::kernel::{render, tools};
use crate::model::command::Command;
use crate::model::plan::Op;
use crate::model::types::AttachmentId;
use crate::state::lease::Lease;
use crate::state::lock::{self, Lock};

/// How long ADD waits for the programs that a DEL left running.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_micros(300);

/// What became of an attachment's conntrack entries.
#[derive(Debug, Default)]
pub(super) enum Flows {
    /// Their deletion was not asked for.
    #[default]
    Kept,
    /// They were deleted.
    Deleted,
    /// They are being deleted, which the file says.
    Left,
    /// They could not be deleted, which needs no undo.
    Failed(Error),
}

impl Flows {
    /// What follows from the deletion's result.
    pub(super) fn of(result: Result<()>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Deleted)
    }
}

/// The file that says that an attachment's conntrack entries are left.
pub(super) struct FlowsFile(Lock);

impl FlowsFile {
    /// Starts `command`, which deletes the conntrack entries, and does not wait for it.
    pub(super) fn leave(self, command: Command, host: &mut Host) -> Flows {
        let Self(lock) = self;
        let started = tools::find(&host.tools.conntrack)
            .and_then(|_| host.start(&render::removing_if_successful(command, lock.path()), &[&lock]));
        match started {
            Ok(_running) => Flows::Left,
            Err(error) => {
                lock.remove();
                Flows::Failed(error)
            }
        }
    }
}

impl Engine {
    /// The file for the entries of `id` that `ops` delete, if any; `None` also if it cannot be made, or other programs hold it.
    /// Then they are deleted at once.
    pub(super) fn flows_file(&self, id: &AttachmentId, ops: &[Op]) -> Option<FlowsFile> {
        let path = self.flows_path(id).filter(|_| ops.iter().any(|op| matches!(op, Op::FlowsDel(_))))?;
        Lock::try_acquire(&path).ok().flatten().map(FlowsFile)
    }

    /// Removes the file of `id`, unless programs hold it; returns whether it was there.
    pub(super) fn take_flows_file(&self, id: &AttachmentId) -> bool {
        let file = self.flows_path(id).filter(|path| path.exists() && !lock::is_held(path));
        file.is_some_and(|path| std::fs::remove_file(path).is_ok())
    }

    /// Records in the leases which conntrack entries killed or failed programs left.
    pub(super) fn settle_flows(&self, network: &NetworkGuard) -> Result<()> {
        self.record_flows(|lease| self.take_flows_file(&lease.id), network)
    }

    /// The same, after the programs that are still running have ended.
    pub(super) fn await_flows(&self, network: &NetworkGuard) -> Result<()> {
        self.record_flows(|lease| lease.forgotten && !self.flows_are_gone(lease), network)
    }

    fn record_flows(&self, are_left: impl Fn(&Lease) -> bool, network: &NetworkGuard) -> Result<()> {
        let mut leases = self.store.leases()?;
        let released = leases.all().map(|(_, lease)| lease).filter(|lease| lease.released);
        let owed: Vec<AttachmentId> =
            released.filter(|lease| are_left(lease)).map(|lease| lease.id.clone()).collect();
        if owed.iter().filter(|id| leases.remember_flows(id)).count() > 0 {
            self.store.write_leases(&leases, network)?;
        }
        Ok(())
    }

    /// Whether no conntrack entries of a released lease's holder are left.
    pub(super) fn flows_are_gone(&self, lease: &Lease) -> bool {
        let Some(path) = self.flows_path(&lease.id).filter(|_| lease.forgotten) else { return false };
        let deadline = Instant::now() + PATIENCE;
        while path.exists() {
            if Instant::now() > deadline {
                return false;
            }
            // They remove it before they let go of it.
            if self.take_flows_file(&lease.id) {
                return false;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        true
    }

    fn flows_path(&self, id: &AttachmentId) -> Option<PathBuf> {
        self.attachment_file(id, "flows").ok()
    }
}
