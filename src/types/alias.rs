//! Link aliases, by which Flatnet knows what is its own.

use super::{AttachmentId, NetworkName};
use crate::error::Result;

super::pattern::pattern!(ALIAS, "link alias", r"^flatnet/[A-Za-z0-9_./\-]+$", 248);

/// The alias (`ip link set DEV alias TEXT`) on each link of ours: whose link it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAlias(String);

impl LinkAlias {
    /// Of a network's bridge: `flatnet/NETWORK`.
    #[must_use]
    pub fn of_bridge(network: &NetworkName) -> Self {
        Self(format!("flatnet/{network}"))
    }

    /// Of the host's end of an attachment: `flatnet/NETWORK/CONTAINER_ID/IFNAME`.
    #[must_use]
    pub fn of_attachment(network: &NetworkName, id: &AttachmentId) -> Self {
        Self(format!("flatnet/{network}/{}/{}", id.container_id, id.if_name))
    }

    fn parse(text: &str) -> Result<Self> {
        ALIAS.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(LinkAlias);
