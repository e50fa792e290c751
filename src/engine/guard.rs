//! Guards: a guard is a held lock, and functions that need it take it as an argument.
//!
//! | guard | its holder may |
//! | --- | --- |
//! | [`LinksGuard`] | make and delete the links of one attachment |
//! | [`NetworkGuard`] | write leases, receipts and the host record, and assign an address |
//! | [`RulesetShare`] | add and delete elements of attachments whose links it may change |
//! | [`RulesetAlone`] | replace the tables, change the bridge, delete any elements |
//!
//! They are taken in this order. The ruleset's are given out only under the network's guard, and the holder of
//! a share takes no other guard. A run that waits for the ruleset therefore waits only for programs, and no
//! other run can take a share in the meantime.
//!
//! What was true when it was computed stays true while the guard is held: an address belongs to its attachment
//! until it is released under the network's guard and that of its links.

use std::path::PathBuf;

use super::Engine;
use crate::error::{Error, Kind, Result};
use crate::model::types::AttachmentId;
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// In the directory of the attachments' locks, which are named after links.
const RULESET_LOCK: &str = "ruleset.lock";

/// The right to write leases, receipts and the host record.
#[derive(Debug)]
pub struct NetworkGuard(Lock);

/// A lock of its own or, if its file cannot be created, the network's, which every other holder would need first.
#[derive(Debug)]
enum Held<'n> {
    Own(Lock),
    By(&'n NetworkGuard),
}

impl Held<'_> {
    fn lock(&self) -> &Lock {
        match self {
            Self::Own(lock) | Self::By(NetworkGuard(lock)) => lock,
        }
    }
}

/// The right to change the links of one attachment, and its conntrack entries.
#[derive(Debug)]
pub(super) struct LinksGuard<'n> {
    id: AttachmentId,
    held: Held<'n>,
}

/// A share of the ruleset: others may change their own elements.
#[derive(Debug)]
pub(super) struct RulesetShare<'n>(Held<'n>);

/// The ruleset and the bridge alone.
#[derive(Debug)]
pub(super) struct RulesetAlone<'n> {
    network: &'n NetworkGuard,
    lock: Lock,
}

impl NetworkGuard {
    /// For the links of `id` if their own lock file cannot be created.
    pub(super) fn links_of(&self, id: &AttachmentId) -> LinksGuard<'_> {
        LinksGuard { id: id.clone(), held: Held::By(self) }
    }

    /// For the ruleset if its own lock file cannot be created.
    pub(super) fn share_of_ruleset(&self) -> RulesetShare<'_> {
        RulesetShare(Held::By(self))
    }
}

impl LinksGuard<'_> {
    /// The attachment whose links they are.
    pub(super) fn id(&self) -> &AttachmentId {
        &self.id
    }

    /// The locks that the programs which change them inherit.
    pub(super) fn lock(&self) -> &Lock {
        self.held.lock()
    }

    /// Releases the lock and removes its file.
    pub(super) fn remove(self) {
        if let Held::Own(lock) = self.held {
            lock.remove();
        }
    }
}

impl RulesetShare<'_> {
    /// The locks that the programs which change elements inherit.
    pub(super) fn lock(&self) -> &Lock {
        self.0.lock()
    }
}

impl RulesetAlone<'_> {
    /// The locks that the programs which change this host inherit.
    pub(super) fn locks(&self) -> [&Lock; 2] {
        [&self.network.0, &self.lock]
    }

    /// The guard under which it was taken.
    pub(super) fn network(&self) -> &NetworkGuard {
        self.network
    }
}

/// The directories of the locks. Both stay open, so that they cannot be replaced.
#[derive(Debug)]
pub(super) struct LockDirs {
    run: StateDir,
    attachments: StateDir,
}

impl LockDirs {
    /// Creates the directories if they are missing.
    pub(super) fn create(config: &crate::model::config::Config) -> Result<Self> {
        let run = StateDir::create(&config.paths.run)?;
        Ok(Self { attachments: run.subdir(config.network.as_str())?, run })
    }

    /// The directory of the attachments' locks.
    pub(super) fn attachments(&self) -> &StateDir {
        &self.attachments
    }

    /// The directory of all networks.
    pub(super) fn run(&self) -> &StateDir {
        &self.run
    }
}

impl Engine {
    /// The last holder may have been killed while writing.
    pub(super) fn network_guard(&self) -> Result<NetworkGuard> {
        self.network_guard_or(|_| {})
    }

    /// The same. Calls `busy` before it waits for another run.
    pub(super) fn network_guard_or(&self, busy: impl FnOnce(&Self)) -> Result<NetworkGuard> {
        let path = self.lock_path(&self.lock_dirs()?.run, &format!("{}.lock", self.config.network))?;
        let lock = if let Some(free) = Lock::try_acquire(&path)? {
            free
        } else {
            busy(self);
            Lock::acquire(&path, self.patience())?
        };
        let guard = NetworkGuard(lock);
        // Created from the start, so that a disk that fills up later does not matter.
        let _ = self.lock_dirs()?.attachments.touch(RULESET_LOCK);
        self.store.sweep(&guard);
        self.make_owner(&guard);
        Ok(guard)
    }

    pub(super) fn links_guard(&self, id: &AttachmentId) -> Result<LinksGuard<'static>> {
        let path = self.links_lock(id)?;
        Ok(LinksGuard { id: id.clone(), held: Held::Own(Lock::acquire(&path, self.patience())?) })
    }

    /// The guard of an attachment that is to be undone on the way to something else; `None` if another run
    /// holds it. It does not wait, and so may be taken under the network's guard.
    pub(super) fn links_guard_if_free<'n>(
        &self,
        id: &AttachmentId,
        network: &'n NetworkGuard,
    ) -> Result<Option<LinksGuard<'n>>> {
        match self.links_lock(id).and_then(|path| Lock::try_acquire(&path)) {
            Ok(lock) => Ok(lock.map(|lock| LinksGuard { id: id.clone(), held: Held::Own(lock) })),
            Err(error) if no_file_can_be_made(&error) => Ok(Some(network.links_of(id))),
            Err(error) => Err(error),
        }
    }

    pub(super) fn ruleset_share(&self, _: &NetworkGuard) -> Result<RulesetShare<'static>> {
        Ok(RulesetShare(Held::Own(Lock::share(&self.ruleset_lock()?, self.patience())?)))
    }

    pub(super) fn ruleset_alone<'n>(&self, network: &'n NetworkGuard) -> Result<RulesetAlone<'n>> {
        Ok(RulesetAlone { network, lock: Lock::acquire(&self.ruleset_lock()?, self.patience())? })
    }

    /// Runs under the guard of one attachment's links, whose lock file is removed afterwards.
    pub(super) fn with_links<T>(
        &mut self,
        id: &AttachmentId,
        work: impl FnOnce(&mut Self, &LinksGuard<'_>) -> Result<T>,
    ) -> Result<T> {
        let links = self.links_guard(id)?;
        let result = work(self, &links);
        links.remove();
        result
    }

    /// Removes lock files of attachments that a killed run left and that no process holds.
    pub(super) fn sweep_locks(&self) -> Result<()> {
        let dir = &self.lock_dirs()?.attachments;
        for name in dir.names(".lock")?.into_iter().filter(|name| name != RULESET_LOCK) {
            if let Ok(Some(lock)) = Lock::try_acquire(&dir.path().join(name)) {
                lock.remove();
            }
        }
        Ok(())
    }

    fn links_lock(&self, id: &AttachmentId) -> Result<PathBuf> {
        self.attachment_file(id, "lock")
    }

    /// The path `LINK.KIND` of a file that programs lock.
    pub(super) fn attachment_file(&self, id: &AttachmentId, kind: &str) -> Result<PathBuf> {
        let name = format!("{}.{kind}", id.host_link(&self.config.network));
        self.lock_path(&self.lock_dirs()?.attachments, &name)
    }

    fn ruleset_lock(&self) -> Result<PathBuf> {
        self.lock_path(&self.lock_dirs()?.attachments, RULESET_LOCK)
    }

    pub(super) fn lock_path(&self, dir: &StateDir, name: &str) -> Result<PathBuf> {
        let path = dir.path().join(name);
        if let Some(aside) = dir.set_foreign_aside(name)? {
            self.log.warn(&format!(
                "{} is not a lock file and was renamed to {}",
                path.display(),
                aside.display()
            ));
        }
        Ok(path)
    }

    pub(super) fn lock_dirs(&self) -> Result<&LockDirs> {
        self.locks.as_ref().ok_or_else(|| Error::new(Kind::Internal, "this engine is read-only"))
    }
}

/// Whether a lock failed because its file cannot be created. Then no process holds it.
pub(super) fn no_file_can_be_made(error: &Error) -> bool {
    matches!(error.kind(), Kind::Io | Kind::DiskFull | Kind::ReadOnly)
}
