//! What names an attachment.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ContainerId, IfName};

/// A container's interface on this network: CNI's key of an attachment, (container ID, ifname).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttachmentId {
    /// The container.
    pub container_id: ContainerId,
    /// The interface inside it, `eth0` as a rule.
    pub if_name: IfName,
}

impl AttachmentId {
    /// The name of the host's end of the veth pair: `fn` and 12 hexadecimal digits of a SHA-256 over network,
    /// ID and ifname; the same in every version of Flatnet.
    #[must_use]
    pub fn host_link(&self, network: &super::NetworkName) -> IfName {
        let mut hash = Sha256::new();
        for part in [network.as_str(), self.container_id.as_str(), self.if_name.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let number = hash.finalize().iter().take(6).fold(0, |number, &byte| number << 8 | u64::from(byte));
        IfName::of_number(number)
    }

    /// How a message calls it: by the container's name, where that is known, and by its ID.
    #[must_use]
    pub fn label(&self, name: &str) -> String {
        if name.is_empty() { self.to_string() } else { format!("{name} {self}") }
    }

    /// What its receipt and its lock are called: `CONTAINER_ID@IFNAME`, unambiguous since neither holds an `@`.
    #[must_use]
    pub fn file_stem(&self) -> String {
        format!("{}@{}", self.container_id, self.if_name)
    }
}

impl AttachmentId {
    /// The attachment whose [`AttachmentId::file_stem`] is `text`.
    #[must_use]
    pub fn of_file_stem(text: &str) -> Option<Self> {
        let (container_id, if_name) = text.split_once('@')?;
        Some(Self { container_id: container_id.parse().ok()?, if_name: if_name.parse().ok()? })
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.container_id.short(), self.if_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::NetworkName;

    #[test]
    fn host_link_name_is_stable_across_versions() {
        let id = AttachmentId {
            container_id: ContainerId::parse("abc").unwrap(),
            if_name: IfName::parse("eth0").unwrap(),
        };
        let name = id.host_link(&NetworkName::parse("flatnet").unwrap());
        assert_eq!(name.as_str(), "fn76dac0ffaa3e");
        assert_eq!(id.file_stem(), "abc@eth0");
        assert_eq!(AttachmentId::of_file_stem("abc@eth0"), Some(id));
        assert_eq!(AttachmentId::of_file_stem("abc"), None);
        assert_eq!(AttachmentId::of_file_stem("a b@eth0"), None);
    }
}
