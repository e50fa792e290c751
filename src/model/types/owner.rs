//! Owner marks, which distinguish several Flatnets on one kernel.

use super::pattern::{is_name, pattern};
use crate::error::Result;

pattern!(OWNER, "owner mark", r"^[A-Za-z0-9][A-Za-z0-9.\-]*-[0-9a-f]{12}$", 48, |text| {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.rsplit_once('-').is_some_and(|(name, digits)| {
        is_name(name, "", ".-") && digits.len() == 12 && digits.bytes().all(is_digit)
    })
});

/// A Flatnet's owner mark: a readable name and a random number, as in `Debian-3f9a1c2b4d5e`. All WSL2
/// distributions share one network namespace, and each may have a Flatnet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(String);

impl Owner {
    /// The length to which the given name is truncated.
    const LONGEST_NAME: usize = 32;

    /// A new mark from the valid characters of `name` (a host or WSL2 distribution) and `random`.
    #[must_use]
    pub fn new(name: &str, random: [u8; 6]) -> Self {
        let may_stand = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let name: String = name.chars().filter(may_stand).take(Self::LONGEST_NAME).collect();
        let name = name.trim_start_matches(['.', '-']);
        let name = if name.is_empty() { "flatnet" } else { name };
        let digits = crate::hex::digits(&random);
        Self(format!("{name}-{digits}"))
    }

    fn parse(text: &str) -> Result<Self> {
        OWNER.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(Owner);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_mark_is_safe_for_any_name() {
        for (name, wanted) in [
            ("Ubuntu-24.04", "Ubuntu-24.04-00010203ff05"),
            ("a b\"; flush ruleset", "abflushruleset-00010203ff05"),
            ("--", "flatnet-00010203ff05"),
            ("", "flatnet-00010203ff05"),
            ("ああ", "flatnet-00010203ff05"),
        ] {
            let owner = Owner::new(name, [0, 1, 2, 3, 255, 5]);
            assert_eq!(owner.as_str(), wanted);
            assert_eq!(owner.as_str().parse::<Owner>().unwrap(), owner);
        }
        let long = Owner::new(&"a".repeat(99), [0; 6]);
        assert!(Owner::parse(long.as_str()).is_ok());
    }
}
