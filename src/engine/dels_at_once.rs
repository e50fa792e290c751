//! DELs at once: one transaction of `nft` deletes the set elements of all that wait.
//!
//! | file | there while | its lock is held by |
//! | --- | --- | --- |
//! | `CONTAINER_ID@IFNAME.asks` | a DEL waits for the network's guard, and nobody has taken its elements over | that DEL |
//! | `CONTAINER_ID@IFNAME.leaving` | another DEL deletes the elements | that DEL and its `nft` |
//!
//! Who holds the network's guard may take over: it makes the second file, removes the first, and removes the second when the
//! elements are deleted. So a DEL that gets the guard and finds its first file gone knows that its elements are deleted once the
//! second is gone, too. If nobody holds the second one's lock, the other's `nft` failed or was killed, and the DEL deletes its elements itself. Each DEL deletes its own
//! links. What was taken over from a DEL that is killed then is finished by whoever undoes the attachment next; until `nft` has ended, nobody
//! releases its address or attaches its interface again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Engine, NetworkGuard};
use crate::error::Result;
use crate::model::plan::Op;
use crate::model::types::AttachmentId;
use crate::state::lease::Leases;
use crate::state::lock::{self, Existing, Lock};
use crate::state::receipt::Receipt;

const ASKS: &str = ".asks";
const LEAVING: &str = ".leaving";
/// How many DELs one transaction serves: each needs a descriptor.
const MOST: usize = 200;
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
    /// The network's guard for the DEL of `id`, whose links' guard the caller holds, and who deletes the elements. Asks others to do it only
    /// if the attachment `is_to_go`, which cannot change while the links' guard is held.
    pub(super) fn network_guard_of_del(
        &mut self,
        id: &AttachmentId,
        is_to_go: &impl Fn(&Self, Option<&Receipt>) -> bool,
    ) -> Result<(NetworkGuard, Elements)> {
        let mut asks = None;
        let network = self.network_guard_or(|engine| {
            // Without a receipt nobody else knows the elements.
            let receipt = engine.store.receipt(id).ok().flatten();
            if receipt.is_some_and(|(receipt, _)| is_to_go(engine, Some(&receipt))) {
                // On a full disk it waits without.
                let made = engine.del_file(id, ASKS).and_then(|path| Lock::try_acquire(&path));
                asks = made.ok().flatten();
            }
        });
        let is_taken_over = asks.is_some_and(|asks| {
            let is_gone = !asks.is_in_place();
            asks.remove();
            is_gone
        });
        let network = network?;
        if is_taken_over {
            return Ok((network, Elements::Anothers));
        }
        let others = self.take_over(id, &network);
        Ok((network, Elements::Own(others)))
    }

    /// Takes over the elements of the DELs besides that of `own` that wait for the network's guard. What cannot be read is left to its own DEL.
    fn take_over(&mut self, own: &AttachmentId, network: &NetworkGuard) -> Others {
        let mut others = Others::default();
        let names = self.lock_dirs().and_then(|dirs| dirs.attachments().names(ASKS)).unwrap_or_default();
        let ids = names.iter().filter_map(|name| AttachmentId::of_file_stem(name.strip_suffix(ASKS)?));
        let ids: Vec<AttachmentId> = ids.filter(|id| id != own).take(MOST).collect();
        if ids.is_empty() {
            return others;
        }
        let Ok(leases) = self.store.leases() else { return others };
        for id in ids {
            if let Some((ops, file)) = self.take_over_one(&id, &leases, network) {
                others.ops.extend(ops);
                others.files.push(file);
            }
        }
        others
    }

    fn take_over_one(
        &mut self,
        id: &AttachmentId,
        leases: &Leases,
        _: &NetworkGuard,
    ) -> Option<(Vec<Op>, Lock)> {
        let asks = self.del_file(id, ASKS).ok()?;
        match Lock::of_existing(&asks) {
            Existing::Held => {}
            // Its DEL was killed, and its container may be attached again.
            Existing::Free(stale) => {
                stale.remove();
                return None;
            }
            Existing::Missing => return None,
        }
        let leaving = self.del_file(id, LEAVING).ok()?;
        let (receipt, _) = self.store.receipt(id).ok()??;
        // An earlier one may still be deleted.
        let file = if leaving.exists() { None } else { Lock::try_acquire(&leaving).ok().flatten() }?;
        if std::fs::remove_file(&asks).is_err() {
            file.remove();
            return None;
        }
        self.store.note_leaving(id);
        let mut ops = self.undo_of(&receipt, leases);
        ops.retain(|op| matches!(op, Op::ElementDel(_)));
        Some((ops, file))
    }

    /// Waits until no other DEL deletes the elements of `id` any more; returns whether it has deleted them. If not, the caller does.
    pub(super) fn await_other_del(&self, id: &AttachmentId) -> bool {
        let Ok(path) = self.del_file(id, LEAVING) else { return false };
        let deadline = Instant::now() + self.patience();
        loop {
            match Lock::of_existing(&path) {
                Existing::Missing => return true,
                Existing::Free(file) => {
                    file.remove();
                    return false;
                }
                Existing::Held if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                Existing::Held => return false,
            }
        }
    }

    /// An error if another DEL's `nft` may still delete elements of `id`. Removes what a killed DEL left.
    pub(super) fn refuse_while_deleted(&self, id: &AttachmentId, _: &NetworkGuard) -> Result<()> {
        for kind in [ASKS, LEAVING] {
            let path = self.del_file(id, kind)?;
            match Lock::of_existing(&path) {
                Existing::Free(stale) => stale.remove(),
                // Its set elements are still being deleted.
                Existing::Held => return Err(lock::busy(&path, self.patience())),
                Existing::Missing => {}
            }
        }
        Ok(())
    }

    fn del_file(&self, id: &AttachmentId, kind: &str) -> Result<PathBuf> {
        self.lock_path(self.lock_dirs()?.attachments(), &(id.file_stem() + kind))
    }
}
