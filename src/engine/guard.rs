//! Who may change what. A guard is a held lock, and whatever needs it takes it as an argument.
//!
//! | guard | whoever has it may |
//! | --- | --- |
//! | [`LinksGuard`] | make and delete the links of one attachment |
//! | [`NetworkGuard`] | write leases, receipts and the record of `up`, and give an address to somebody |
//! | [`RulesetShare`] | add and delete elements of attachments whose links it may change |
//! | [`RulesetAlone`] | replace the tables, change the bridge, delete anybody's elements |
//!
//! They are taken in this order. The ruleset's are given out under the network's guard only, and who has a share waits for no
//! other guard: so whoever waits for the ruleset waits for programs alone, and nobody takes a share meanwhile.
//!
//! What was true when it was computed is true for as long as the guard is held: an address is its attachment's until the
//! network's guard has released it, and nobody releases it who has not the guard of its links.

use std::path::PathBuf;

use super::Engine;
use crate::error::{Error, Kind, Result};
use crate::model::types::AttachmentId;
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// Beside the locks of attachments, which are called after links.
const RULESET_LOCK: &str = "ruleset.lock";

/// Leases, receipts and what `up` did are its holder's to write.
#[derive(Debug)]
pub struct NetworkGuard(Lock);

/// A lock of its own, or, where no file can be made, the network's: whoever else desired the lock would need that first.
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

/// The links of one attachment, and what conntrack remembers of it.
#[derive(Debug)]
pub(super) struct LinksGuard<'n> {
    id: AttachmentId,
    held: Held<'n>,
}

/// The ruleset, while others change elements of theirs.
#[derive(Debug)]
pub(super) struct RulesetShare<'n>(Held<'n>);

/// The ruleset and the bridge, while nobody else changes anything of them.
#[derive(Debug)]
pub(super) struct RulesetAlone<'n> {
    network: &'n NetworkGuard,
    lock: Lock,
}

impl NetworkGuard {
    /// For the links of `id` where no file of their own can be made.
    pub(super) fn links_of(&self, id: &AttachmentId) -> LinksGuard<'_> {
        LinksGuard { id: id.clone(), held: Held::By(self) }
    }

    /// For the ruleset where no file of its own can be made.
    pub(super) fn share_of_ruleset(&self) -> RulesetShare<'_> {
        RulesetShare(Held::By(self))
    }
}

impl LinksGuard<'_> {
    /// Whose links they are.
    pub(super) fn id(&self) -> &AttachmentId {
        &self.id
    }

    /// For the programs that change them.
    pub(super) fn lock(&self) -> &Lock {
        self.held.lock()
    }

    /// Lets the lock go; its file goes too.
    pub(super) fn remove(self) {
        if let Held::Own(lock) = self.held {
            lock.remove();
        }
    }
}

impl RulesetShare<'_> {
    /// For the programs that change elements.
    pub(super) fn lock(&self) -> &Lock {
        self.0.lock()
    }
}

impl RulesetAlone<'_> {
    /// For the programs that change this host.
    pub(super) fn locks(&self) -> [&Lock; 2] {
        [&self.network.0, &self.lock]
    }

    /// What it was taken under.
    pub(super) fn network(&self) -> &NetworkGuard {
        self.network
    }
}

/// Where the locks lie; both directories stay open, so that nobody can put others in their place.
#[derive(Debug)]
pub(super) struct LockDirs {
    run: StateDir,
    attachments: StateDir,
}

impl LockDirs {
    /// Makes them where they are missing.
    pub(super) fn create(config: &crate::model::config::Config) -> Result<Self> {
        let run = StateDir::create(&config.paths.run)?;
        Ok(Self { attachments: run.subdir(config.network.as_str())?, run })
    }
}

impl Engine {
    /// Who held it last may have been killed while writing.
    pub(super) fn network_guard(&self) -> Result<NetworkGuard> {
        let path = self.lock_path(&self.lock_dirs()?.run, &format!("{}.lock", self.config.network))?;
        let guard = NetworkGuard(Lock::acquire(&path, self.patience())?);
        // It is there from the beginning, so that a disk that fills up later is in nobody's way.
        let _ = self.lock_dirs()?.attachments.touch(RULESET_LOCK);
        self.store.sweep(&guard);
        self.make_owner(&guard);
        Ok(guard)
    }

    pub(super) fn links_guard(&self, id: &AttachmentId) -> Result<LinksGuard<'static>> {
        let path = self.links_lock(id)?;
        Ok(LinksGuard { id: id.clone(), held: Held::Own(Lock::acquire(&path, self.patience())?) })
    }

    /// The guard of an attachment that is to be taken back on the way to something else: `None` where somebody is at work
    /// on it. It does not wait, and so may be asked for under the network's guard.
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

    /// Works under the guard of one attachment's links, whose file goes afterwards.
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

    /// Removes the locks of attachments that a killed run left: a file that nobody holds.
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
        let name = format!("{}.lock", id.host_link(&self.config.network));
        self.lock_path(&self.lock_dirs()?.attachments, &name)
    }

    fn ruleset_lock(&self) -> Result<PathBuf> {
        self.lock_path(&self.lock_dirs()?.attachments, RULESET_LOCK)
    }

    fn lock_path(&self, dir: &StateDir, name: &str) -> Result<PathBuf> {
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

    fn lock_dirs(&self) -> Result<&LockDirs> {
        self.locks.as_ref().ok_or_else(|| Error::new(Kind::Internal, "this engine is read-only"))
    }
}

/// Whether a lock could not be had because its file cannot be made. Then there is none, and nobody holds it.
pub(super) fn no_file_can_be_made(error: &Error) -> bool {
    matches!(error.kind(), Kind::Io | Kind::DiskFull | Kind::ReadOnly)
}
