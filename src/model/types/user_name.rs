//! Names of this host's users.

use std::num::NonZeroU32;

use super::pattern::{is_made_of, pattern};
use super::{Caller, ContainerId, ContainerName};
use crate::error::Result;

pattern!(USER_NAME, "user name", r"^[A-Za-z0-9_][A-Za-z0-9_\-]*$", 32, |text| {
    is_made_of(text, "_-") && !text.starts_with('-')
});

/// The name of a user. It has no dot: `web.alice` is the container `web` of alice, and of nobody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

impl UserName {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self> {
        USER_NAME.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(UserName);

/// A user of this host whose containers are attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// The number.
    pub uid: NonZeroU32,
}

impl User {
    /// Who asks, as requests and receipts say it.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::User(self.uid)
    }

    /// Whose container Flatnet calls `id`; `None` for one of root's.
    #[must_use]
    pub fn of(id: &ContainerId) -> Option<Self> {
        let (uid, rest) = id.as_str().strip_prefix('u')?.split_once('.')?;
        let (name, _) = rest.split_once('.')?;
        // A number has one form.
        let uid = uid.parse().ok().filter(|number: &NonZeroU32| number.to_string() == uid)?;
        Some(Self { name: name.parse().ok()?, uid })
    }

    /// What Flatnet calls the user's container `id`: no ID of another user, or of root's Podman, is like it.
    pub fn container_id(&self, id: &ContainerId) -> Result<ContainerId> {
        ContainerId::parse(&format!("u{}.{}.{id}", self.uid, self.name))
    }

    /// What Flatnet calls the user's container `name`, and its alias.
    pub fn container_name(&self, name: &ContainerName) -> Result<ContainerName> {
        ContainerName::parse(&format!("{name}.{}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_a_user_are_told_apart_by_uid_and_name() {
        let alice = User { name: "alice".parse().unwrap(), uid: NonZeroU32::new(1001).unwrap() };
        let id = alice.container_id(&"0123456789ab".parse().unwrap()).unwrap();
        assert_eq!(id.as_str(), "u1001.alice.0123456789ab");
        assert_eq!(alice.container_name(&"web".parse().unwrap()).unwrap().as_str(), "web.alice");
        assert_eq!(alice.caller(), Caller::User(alice.uid));
        assert_eq!((User::of(&id), Caller::of(&id)), (Some(alice.clone()), alice.caller()));
        for roots in ["0123456789ab", "u1001.alice", "u01.alice.x", "u0.root.x", "u1001.-.x", "u1001.a_b"] {
            assert_eq!(Caller::of(&roots.parse().unwrap()), Caller::Root, "{roots}");
        }
    }

    #[test]
    fn user_name_has_no_dot() {
        for name in ["", "a.b", "-a", "a b", "ä", "root;", &"a".repeat(33)] {
            assert!(UserName::parse(name).is_err(), "{name:?}");
        }
        assert!(UserName::parse("alice_2-x").is_ok());
    }
}
