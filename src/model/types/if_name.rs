//! Names of network interfaces.

use super::pattern::{bad, is_name, pattern};
use crate::error::Result;

pattern!(IF_NAME, "interface name", r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", 15, |text| is_name(text, "_", "_.-"));

/// A network interface name: 1 to 15 characters of `A-Z a-z 0-9 _ . -`, not starting with `-` or `.`, and not
/// `lo`, `all` or `default`, which are special to the kernel and to `sysctl`. Deliberately narrower than the
/// kernel's `dev_valid_name` and the CNI specification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(String);

impl IfName {
    /// `fn` and the 12 hexadecimal digits of `number`, a 48-bit value.
    pub(super) fn of_number(number: u64) -> Self {
        Self(format!("fn{number:012x}"))
    }

    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self> {
        IF_NAME.check(text)?;
        if ["lo", "all", "default"].contains(&text) {
            return Err(bad("interface name", text, "the name is reserved"));
        }
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(IfName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_interface_names_are_accepted() {
        for name in ["eth0", "flatnet-br0", "a", "eth0.100", "_x", "fn0123456789ab"] {
            assert_eq!(IfName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn unsafe_interface_names_are_rejected() {
        for name in [
            "",
            "-a",
            ".",
            "..",
            "lo",
            "all",
            "default",
            "a/b",
            "a b",
            "a:1",
            "%d",
            "a;b",
            "a\"",
            "a\n",
            "0123456789abcdef",
            "é",
        ] {
            assert!(IfName::parse(name).is_err(), "{name:?}");
        }
    }
}
