//! The identity of a network namespace.

use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

/// A network namespace's device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetnsId {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

impl NetnsId {
    /// The namespace of an open file.
    #[must_use]
    pub fn of(found: &std::fs::Metadata) -> Self {
        Self { dev: found.dev(), ino: found.ino() }
    }
}
