//! Names of nft tables.

use super::NetworkName;
use super::pattern::{is_made_of, pattern};
use crate::error::Result;

pattern!(TABLE_NAME, "nft table", r"^flatnet(-[A-Za-z0-9_.\-]+)?$", 72, |text| {
    let network = text.strip_prefix("flatnet").and_then(|rest| rest.strip_prefix('-'));
    text == "flatnet" || network.is_some_and(|network| is_made_of(network, "_.-"))
});

/// The name of a network's nft tables of the families `inet` and `arp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl TableName {
    /// `flatnet` for the network `flatnet`, else `flatnet-NAME`, since a bare `ip` or `filter` would be an nft keyword or
    /// another program's table.
    pub(super) fn of(network: &NetworkName) -> Self {
        let network = network.as_str();
        Self(if network == "flatnet" { network.to_owned() } else { format!("flatnet-{network}") })
    }

    fn parse(text: &str) -> Result<Self> {
        TABLE_NAME.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(TableName);
