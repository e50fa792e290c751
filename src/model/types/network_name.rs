//! Network names.

use super::TableName;
use super::pattern::{is_name, pattern};
use crate::error::Result;

pattern!(NETWORK_NAME, "network name", r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", 64, |text| is_name(text, "", "_.-"));

/// A network's name, as in `podman run --network`: at most 64 characters of CNI's set. It names a directory below the
/// state directory and, through [`NetworkName::table`], the nft tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkName(String);

impl NetworkName {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self> {
        NETWORK_NAME.check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The name of the nft tables: `flatnet` for the network `flatnet`, else `flatnet-NAME`, since a bare `ip`
    /// or `filter` would be an nft keyword or another program's table.
    #[must_use]
    pub fn table(&self) -> TableName {
        TableName::of(self)
    }
}

super::string_newtype!(NetworkName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_name_avoids_reserved_names() {
        assert_eq!(NetworkName::parse("flatnet").unwrap().table().as_str(), "flatnet");
        assert_eq!(NetworkName::parse("filter").unwrap().table().as_str(), "flatnet-filter");
        for name in ["", "..", "a/b", "a b", "-x"] {
            assert!(NetworkName::parse(name).is_err(), "{name:?}");
        }
    }
}
