//! Network names.

use super::pattern::pattern;
use crate::error::Result;

pattern!(NETWORK_NAME, "network name", r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", 64);

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
        TableName(if self.0 == "flatnet" { self.0.clone() } else { format!("flatnet-{}", self.0) })
    }
}

super::string_newtype!(NetworkName);

pattern!(TABLE_NAME, "nft table", r"^flatnet(-[A-Za-z0-9_.\-]+)?$", 72);

/// The name of a network's nft tables of the families `inet` and `arp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl TableName {
    fn parse(text: &str) -> Result<Self> {
        TABLE_NAME.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(TableName);

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
