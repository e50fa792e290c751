//! Link aliases, which mark Flatnet's links.

use super::pattern::{is_made_of, pattern};
use super::{AttachmentId, NetworkName, Owner};
use crate::error::Result;

pattern!(ALIAS, "link alias", r"^flatnet/[A-Za-z0-9_./\-]+$", 248, |text| {
    text.strip_prefix("flatnet/").is_some_and(|rest| is_made_of(rest, "_./-"))
});

/// The alias (`ip link set DEV alias TEXT`) of one of our links; it names the link's owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAlias(String);

impl LinkAlias {
    /// The alias of a network's bridge: `flatnet/NETWORK/OWNER`; `flatnet/NETWORK` if the owner is not known
    /// yet, and on a bridge of Flatnet 0.1.0.
    #[must_use]
    pub fn of_bridge(network: &NetworkName, owner: Option<&Owner>) -> Self {
        Self(owner.map_or_else(|| format!("flatnet/{network}"), |owner| format!("flatnet/{network}/{owner}")))
    }

    /// Whether `text` is an alias of any Flatnet.
    #[must_use]
    pub fn is_flatnets(text: &str) -> bool {
        text.starts_with("flatnet/")
    }

    /// The owner of the bridge of `network` with the alias `text`; `Some(None)` if the alias names none.
    #[must_use]
    pub fn bridge_in(text: &str, network: &NetworkName) -> Option<Option<Owner>> {
        match text.strip_prefix("flatnet/")?.strip_prefix(network.as_str())? {
            "" => Some(None),
            rest => rest.strip_prefix('/')?.parse().ok().map(Some),
        }
    }

    /// The network of the bridge with the alias `text`.
    #[must_use]
    pub fn network_of_bridge(text: &str) -> Option<NetworkName> {
        let network = text.strip_prefix("flatnet/")?.split('/').next()?.parse().ok()?;
        Self::bridge_in(text, &network).map(|_| network)
    }

    /// The alias of an attachment's host link: `flatnet/NETWORK/CONTAINER_ID/IFNAME`.
    #[must_use]
    pub fn of_attachment(network: &NetworkName, id: &AttachmentId) -> Self {
        Self(format!("flatnet/{network}/{}/{}", id.container_id, id.if_name))
    }

    /// The attachment of the link with the alias `text`; `None` if it is not one of `network`.
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
    fn bridge_alias_names_its_owner() {
        let network = NetworkName::parse("flatnet").unwrap();
        let owner = Owner::new("Debian", [7; 6]);
        for owner in [None, Some(owner)] {
            let alias = LinkAlias::of_bridge(&network, owner.as_ref());
            assert_eq!(LinkAlias::bridge_in(alias.as_str(), &network), Some(owner));
            assert_eq!(LinkAlias::network_of_bridge(alias.as_str()), Some(network.clone()));
        }
        for text in ["", "flatnet/other", "flatnet/flatnet2", "flatnet/flatnet/c/eth0", "flatnet/flatnet/x"] {
            assert_eq!(LinkAlias::bridge_in(text, &network), None, "{text}");
        }
        for text in ["", "flatnet/", "virbr", "flatnet/flatnet/c/eth0", "flatnet/a b"] {
            assert_eq!(LinkAlias::network_of_bridge(text), None, "{text}");
        }
    }

    #[test]
    fn link_alias_names_its_attachment() {
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
