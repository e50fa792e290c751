//! Container IDs.

use super::User;
use super::pattern::{is_name, pattern};
use crate::error::Result;

pattern!(CONTAINER_ID, "container ID", r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", 128, |text| is_name(
    text, "", "_.-"
));

/// How many characters of an ID go into an nft comment (which holds fewer than 128 bytes).
const COMMENT_LENGTH: usize = 64;

/// A container ID as the CNI specification has it (`^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`), at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self> {
        CONTAINER_ID.check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The first 12 characters, as Podman shows them, that of a user's container to the user.
    #[must_use]
    pub fn short(&self) -> &str {
        let id = self.in_podman();
        id.get(..12).unwrap_or(id)
    }

    /// The ID as its Podman has it, that of a user's container without Flatnet's prefix.
    #[must_use]
    pub fn in_podman(&self) -> &str {
        User::of(self).and_then(|_| self.0.splitn(3, '.').nth(2)).unwrap_or(&self.0)
    }

    /// The name that a container has by its ID: the first 12 characters, with the user's name if it is a user's.
    #[must_use]
    pub fn name(&self) -> String {
        User::of(self)
            .map_or_else(|| self.short().to_owned(), |user| format!("{}.{}", self.short(), user.name))
    }

    /// A shell command in root's shell that has the Podman of this container do `what` to it. A user's Podman runs in a session of its own: it
    /// may be configured to run anything, which could type at root's terminal.
    #[must_use]
    pub fn by_podman(&self, what: &str) -> String {
        let command = format!("podman {what} {}", self.short());
        User::of(self).map_or_else(|| command.clone(), |User { name, uid }| {
            format!("setsid --wait runuser -u {name} -- sh -c 'cd ~{name}; HOME=$PWD XDG_RUNTIME_DIR=/run/user/{uid} {command}'")
        })
    }

    /// What the table of routes calls it: the first 12 characters, with the UID as eight more hexadecimal digits if it is a user's.
    /// Users' Podmans choose the IDs, but no ID of another's is like it.
    #[must_use]
    pub fn in_routes(&self) -> String {
        User::of(self)
            .map_or_else(|| self.short().to_owned(), |user| format!("{}{:08x}", self.short(), user.uid))
    }

    /// The first 64 characters: the comment on each nft element of this container.
    #[must_use]
    pub fn comment(&self) -> &str {
        self.0.get(..COMMENT_LENGTH).unwrap_or(&self.0)
    }
}

super::string_newtype!(ContainerId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_id_is_short_without_its_prefix() {
        let id = ContainerId::parse("u1001.alice.0123456789abcdef").unwrap();
        assert_eq!((id.short(), id.name().as_str()), ("0123456789ab", "0123456789ab.alice"));
        assert_eq!((id.in_podman(), id.in_routes().as_str()), ("0123456789abcdef", "0123456789ab000003e9"));
        assert_eq!(
            id.by_podman("restart"),
            "setsid --wait runuser -u alice -- sh -c 'cd ~alice; HOME=$PWD XDG_RUNTIME_DIR=/run/user/1001 podman restart 0123456789ab'"
        );
        let id = ContainerId::parse("0123456789abcdef").unwrap();
        assert_eq!((id.short(), id.name().as_str()), ("0123456789ab", "0123456789ab"));
        assert_eq!(
            (id.in_routes().as_str(), id.by_podman("restart").as_str()),
            ("0123456789ab", "podman restart 0123456789ab")
        );
    }

    #[test]
    fn container_id_follows_cni_specification() {
        assert!(ContainerId::parse("buildah-buildah1811_x.y").is_ok());
        assert_eq!(ContainerId::parse(&"a".repeat(128)).unwrap().comment().len(), 64);
        for id in ["", "-x", "../x", "a/b", "a b", "a\"; flush ruleset", &"a".repeat(129), "é"] {
            assert!(ContainerId::parse(id).is_err(), "{id:?}");
        }
    }
}
