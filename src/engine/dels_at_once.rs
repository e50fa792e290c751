//! DELs at once: one transaction of `nft` deletes the set elements of all that wait.
//!
//! A DEL that has to wait for the network's guard leaves a file `CONTAINER_ID@IFNAME.leaving`. The one that gets the guard locks these
//! files, and its `nft` holds the locks: it deletes the elements of all of them, and then the files. Each DEL deletes its own links. As for
//! conntrack entries (`flows.rs`): if nobody holds the lock of an existing file, the other's `nft` failed or was killed, and the DEL
//! deletes its elements itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Engine, NetworkGuard};
use crate::error::Result;
use crate::model::plan::Op;
use crate::model::types::AttachmentId;
use crate::state::lease::Leases;
use crate::state::lock::{self, Lock};

/// The suffix of the files.
const LEAVING: &str = ".leaving";
/// How long to sleep between two looks at a file.
const LOOK_AGAIN: Duration = Duration::from_micros(300);

/// Who deletes a DEL's set elements.
pub(super) enum Elements {
    /// It does itself, with those of others.
    Own(Others),
    /// Another DEL does, or has done it.
    Anothers,
}

/// The set elements of DELs that wait.
#[derive(Default)]
pub(super) struct Others {
    /// Their deletions.
    pub(super) ops: Vec<Op>,
    /// Their files.
    pub(super) files: Vec<Lock>,
}

impl Others {
    /// They were deleted.
    pub(super) fn are_deleted(self) {
        self.files.into_iter().for_each(Lock::remove);
    }
}

impl Engine {
    /// The network's guard for the DEL of `id`, whose links' guard the caller holds, and who deletes the elements.
    pub(super) fn network_guard_of_del(&mut self, id: &AttachmentId) -> Result<(NetworkGuard, Elements)> {
        let mut waited = false;
        let network = self.network_guard_or(|engine| {
            // On a full disk it waits without.
            waited = engine.lock_dirs().is_ok_and(|dirs| dirs.attachments().touch(&file_name(id)).is_ok());
        });
        let own = waited.then(|| self.leaving_path(id)).transpose()?;
        let network = network.inspect_err(|_| {
            if let Some(path) = &own {
                let _ = std::fs::remove_file(path);
            }
        })?;
        if let Some(path) = own {
            match path.exists().then(|| Lock::try_acquire(&path)).transpose()? {
                // Another one holds it, or has removed it.
                Some(None) | None => return Ok((network, Elements::Anothers)),
                Some(Some(own)) => own.remove(),
            }
        }
        let others = self.others_that_leave(id, &network)?;
        Ok((network, Elements::Own(others)))
    }

    /// The DELs besides that of `own` that wait for the network's guard, and what they delete.
    fn others_that_leave(&mut self, own: &AttachmentId, network: &NetworkGuard) -> Result<Others> {
        let mut others = Others::default();
        let dir = self.lock_dirs()?.attachments();
        let names = dir.names(LEAVING)?;
        if names.is_empty() {
            return Ok(others);
        }
        let leases = self.store.leases()?;
        for name in names {
            let Some((id, file)) = self.waiting(&name)?.filter(|(id, _)| id != own) else { continue };
            // Without a receipt its own DEL looks for what is there.
            if let Some(ops) = self.elements_to_delete(&id, &leases, network)? {
                others.ops.extend(ops);
                others.files.push(file);
            }
        }
        Ok(others)
    }

    /// The DEL that left the file `name` and waits, with the file's lock. Removes the file if its DEL was killed: the container may be
    /// attached again by now.
    fn waiting(&self, name: &str) -> Result<Option<(AttachmentId, Lock)>> {
        let path = self.lock_dirs()?.attachments().path().join(name);
        let Some(file) = Lock::try_acquire(&path)? else { return Ok(None) };
        let id = name.strip_suffix(LEAVING).and_then(AttachmentId::of_file_stem);
        let waits = id.filter(|id| self.links_lock(id).is_ok_and(|links| lock::is_held(&links)));
        let Some(id) = waits else {
            file.remove();
            return Ok(None);
        };
        Ok(Some((id, file)))
    }

    /// Removes the files of killed DELs.
    pub(super) fn sweep_leaving(&self) -> Result<()> {
        for name in self.lock_dirs()?.attachments().names(LEAVING)? {
            self.waiting(&name)?;
        }
        Ok(())
    }

    /// The deletions of the elements of an attachment that is leaving.
    fn elements_to_delete(
        &mut self,
        id: &AttachmentId,
        leases: &Leases,
        _: &NetworkGuard,
    ) -> Result<Option<Vec<Op>>> {
        let Some((receipt, _)) = self.store.receipt(id)? else { return Ok(None) };
        self.store.note_leaving(id);
        let mut ops = self.undo_of(&receipt, leases);
        ops.retain(|op| matches!(op, Op::ElementDel(_)));
        Ok(Some(ops))
    }

    /// Waits until the elements of `id`, which another DEL deletes, are gone; returns whether they are. If not, this is the only run that
    /// deletes them.
    pub(super) fn elements_are_gone(&self, id: &AttachmentId) -> bool {
        let Ok(path) = self.leaving_path(id) else { return false };
        let deadline = Instant::now() + self.patience();
        while path.exists() {
            match Lock::try_acquire(&path) {
                Ok(Some(file)) => {
                    file.remove();
                    return false;
                }
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }

    fn leaving_path(&self, id: &AttachmentId) -> Result<PathBuf> {
        self.lock_path(self.lock_dirs()?.attachments(), &file_name(id))
    }
}

fn file_name(id: &AttachmentId) -> String {
    id.file_stem() + LEAVING
}
