//! What has to be looked at again.

use std::collections::BTreeSet;

use super::podman::Change;
use crate::types::ContainerId;

/// What has to be looked at again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// These containers.
    pub containers: BTreeSet<ContainerId>,
    /// These are gone.
    pub gone: BTreeSet<ContainerId>,
    /// All containers, whatever else is said.
    pub everything: bool,
}

impl Changed {
    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether nothing has.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what one event says. An ID is never used again, so that what is gone stays gone.
    pub fn note(&mut self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Of(id) => {
                self.containers.insert(id);
            }
            Change::Gone(id) => {
                self.gone.insert(id);
            }
            Change::Unclear => self.everything = true,
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        let Self { containers, gone, everything } = other;
        self.containers.extend(containers);
        self.gone.extend(gone);
        self.everything |= everything;
    }

    /// The containers that there are to ask about.
    #[must_use]
    pub fn to_ask(&self) -> BTreeSet<ContainerId> {
        self.containers.difference(&self.gone).cloned().collect()
    }
}
