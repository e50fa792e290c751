//! Who asks for an attachment.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{ContainerId, User};

/// Who calls Flatnet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// Root.
    #[default]
    Root,
    /// The user with this UID.
    User(NonZeroU32),
}

impl Caller {
    /// Who attached the container that Flatnet calls `id`.
    #[must_use]
    pub fn of(id: &ContainerId) -> Self {
        User::of(id).map_or(Self::Root, |user| user.caller())
    }

    /// Whether it is root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        *self == Self::Root
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::User(uid) => write!(f, "user {uid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_round_trips_and_uid_0_is_root_only() {
        for (caller, text) in
            [(Caller::Root, r#""root""#), (Caller::User(NonZeroU32::new(1000).unwrap()), r#"{"user":1000}"#)]
        {
            assert_eq!(serde_json::to_string(&caller).unwrap(), text);
            assert_eq!(serde_json::from_str::<Caller>(text).unwrap(), caller);
        }
        assert!(serde_json::from_str::<Caller>(r#"{"user":0}"#).is_err());
    }
}
