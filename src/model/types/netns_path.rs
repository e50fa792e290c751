//! Paths of network namespaces.

use super::pattern::{bad, is_made_of, pattern};
use crate::error::Result;

pattern!(NETNS_PATH, "network namespace path", r"^(/[A-Za-z0-9_.\-]+)+$", 512, |text| {
    text.strip_prefix('/').is_some_and(|path| path.split('/').all(|part| is_made_of(part, "_.-")))
});

/// An absolute path without `..`, such as `/run/netns/x`, `/proc/42/ns/net` or `/proc/42/fd/7`.
/// [`crate::kernel::observe::netns`] checks whether it names a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsPath(String);

impl NetnsPath {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self> {
        NETNS_PATH.check(text)?;
        if text.len() > 512 || text.split('/').any(|part| part == ".." || part == ".") {
            return Err(bad(
                "network namespace path",
                text,
                "it must be absolute, without . and .., and have at most 512 characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name for `ip -n`, if the path is in `/run/netns`, where iproute2 looks.
    #[must_use]
    pub fn iproute2_name(&self) -> Option<&str> {
        let name = self.0.strip_prefix("/run/netns/").or_else(|| self.0.strip_prefix("/var/run/netns/"))?;
        (!name.contains('/') && !name.starts_with('-')).then_some(name)
    }
}

super::string_newtype!(NetnsPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iproute2_name_is_taken_from_netns_path() {
        let name = |path: &str| NetnsPath::parse(path).unwrap().iproute2_name().map(str::to_owned);
        assert_eq!(name("/run/netns/netns-1"), Some("netns-1".into()));
        assert_eq!(name("/var/run/netns/x"), Some("x".into()));
        assert_eq!(name("/proc/42/ns/net"), None);
        assert_eq!(name("/proc/42/fd/12"), None);
        assert_eq!(name("/run/netns/-all"), None);
    }

    #[test]
    fn unsafe_netns_paths_are_rejected() {
        for path in ["", "x", "/a/../b", "/a b", "/a;b", "/a\n", "//a", "/a/", "/./a"] {
            assert!(NetnsPath::parse(path).is_err(), "{path:?}");
        }
    }
}
