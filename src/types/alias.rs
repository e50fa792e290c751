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

    /// Whose link it is that bears the alias `text`; `None` where it is no attachment's to `network`.
    #[must_use]
    pub fn attachment_in(text: &str, network: &NetworkName) -> Option<AttachmentId> {
        let of = text.strip_prefix("flatnet/")?.strip_prefix(network.as_str())?.strip_prefix('/')?;
        let (container_id, if_name) = of.split_once('/')?;
        Some(AttachmentId { container_id: container_id.parse().ok()?, if_name: if_name.parse().ok()? })
    }

    fn parse(text: &str) -> Result<Self> {
        ALIAS.check(text)?;
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(LinkAlias);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_says_whose_link_it_is() {
        let network = NetworkName::parse("flatnet").unwrap();
        let id = AttachmentId { container_id: "c.1".parse().unwrap(), if_name: "eth0".parse().unwrap() };
        let alias = LinkAlias::of_attachment(&network, &id);
        assert_eq!(LinkAlias::attachment_in(alias.as_str(), &network), Some(id));
        for text in
            ["", "flatnet/flatnet", "flatnet/flatnet2/c/eth0", "flatnet/flatnet/c", "flatnet/flatnet/c/a b"]
        {
            assert_eq!(LinkAlias::attachment_in(text, &network), None, "{text}");
        }
    }
}
