//! Host names of services.

use super::pattern::bad;
use crate::error::Result;

/// The length limits of a name and of each label (RFC 1035).
const LONGEST: (usize, usize) = (253, 63);

/// A lower-case host or domain name: labels of letters, digits, `-` and `_`. It is written into nginx's
/// configuration, URLs and the route table, where none of these characters is special.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// Checks `text` and converts it to lower case.
    pub fn parse(text: &str) -> Result<Self> {
        let name = text.to_ascii_lowercase();
        if name.len() > LONGEST.0 || !name.split('.').all(is_label) {
            return Err(bad("host name", text, "use letters, digits, - and _, in parts separated by dots"));
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(bad("host name", text, "it is an address, at which the gateway itself answers"));
        }
        Ok(Self(name))
    }

    /// Whether it is a single label, to be completed by a domain.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        !self.0.contains('.')
    }

    /// Whether it is `domain`, or a name in it.
    #[must_use]
    pub fn is_in(&self, domain: &Self) -> bool {
        self.0.strip_suffix(&domain.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The name `self` in `domain`.
    pub fn within(&self, domain: &Self) -> Result<Self> {
        Self::parse(&format!("{self}.{domain}"))
    }
}

super::string_newtype!(HostName);

fn is_label(label: &str) -> bool {
    (1..=LONGEST.1).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A [`HostName`], or `*.` and one for every name below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern(String);

impl HostPattern {
    /// Checks `text` and converts it to lower case.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix("*.") {
            Some(rest) => Ok(Self(format!("*.{}", HostName::parse(rest)?))),
            None => Ok(Self(HostName::parse(text)?.0)),
        }
    }

    /// The name without `*.`, and whether it had one.
    #[must_use]
    pub fn parts(&self) -> (&str, bool) {
        self.0.strip_prefix("*.").map_or((&self.0, false), |rest| (rest, true))
    }
}

impl From<HostName> for HostPattern {
    fn from(name: HostName) -> Self {
        Self(name.0)
    }
}

super::string_newtype!(HostPattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_lowercased() {
        for (text, name) in [("Forgejo.Local", "forgejo.local"), ("my_app", "my_app"), ("a-b.c", "a-b.c")] {
            assert_eq!(HostName::parse(text).unwrap().as_str(), name);
        }
        assert_eq!(HostPattern::parse("*.Git.example.org").unwrap().parts(), ("git.example.org", true));
        let long = HostName::parse(&["a"; 127].join(".")).unwrap();
        assert!(long.within(&HostName::parse("local").unwrap()).is_err(), "the whole is too long");
    }

    #[test]
    fn invalid_host_names_are_rejected() {
        for text in [
            "",
            ".",
            "a..b",
            "a.",
            ".a",
            "a b",
            "a;b",
            "a{",
            "a\"b",
            "a\nb",
            "a$b",
            "~a",
            "a/b",
            "a:80",
            "é",
            "-a",
            "a-",
            "10.87.1.2",
            "*",
            "*.a",
            "a<b",
        ] {
            assert!(HostName::parse(text).is_err(), "{text:?}");
        }
        for text in ["*", "*.", "**.a", "a.*.b", "*a.b", "*.10.0.0.1"] {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
