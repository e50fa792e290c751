//! How many requests of one user are worked on at once.

use std::num::NonZeroU32;
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::model::config::SERVE_LOCK;
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// How many requests of one user are worked on at once. The others are told to come again.
const MOST: u32 = 8;

/// A slot of a user's, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _lock: Lock,
}

/// A free slot of the user's.
pub(super) fn take(uid: NonZeroU32) -> Result<Slot> {
    let directory = locks()?;
    for number in 0..MOST {
        if let Some(lock) = Lock::try_acquire(&directory.path().join(format!("{uid}.{number}")))? {
            return Ok(Slot { _lock: lock });
        }
    }
    Err(Error::new(
        Kind::TryLater,
        "the service for rootless Podman is busy with other requests of this user",
    ))
}

/// The directory of the locks of the service.
pub(super) fn locks() -> Result<StateDir> {
    let directory = Path::new(SERVE_LOCK).parent().unwrap_or(Path::new("/"));
    StateDir::create(directory)
}
