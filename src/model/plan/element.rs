//! Elements of nft sets and maps.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::model::types::{ContainerId, IfName, Mac, PortMapping, TableName};

/// An element of a set or map in one of our tables, with its container's ID as comment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableElement {
    /// The table's name.
    pub table: TableName,
    /// The element.
    pub element: Element,
    /// The container.
    pub container_id: ContainerId,
}

/// The kinds of elements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// Set `bindings` of `inet`: packets from this link may have this source address.
    #[serde(rename = "port_binding")]
    Binding {
        /// The host's end of the container's link.
        dev: IfName,
        /// The container's address.
        address: IpAddr,
    },
    /// Set `frame_bindings` of `inet`: frames from this MAC into the bridge may have this source address.
    /// Receipts of 0.1.0, whose set was named `bindings`, call it `binding`.
    #[serde(rename = "binding")]
    FrameBinding {
        /// The container's MAC.
        mac: Mac,
        /// The container's address.
        address: IpAddr,
    },
    /// Set `bindings` of `arp`: this MAC may claim this address.
    ArpBinding {
        /// The container's MAC.
        mac: Mac,
        /// The container's address.
        address: Ipv4Addr,
    },
    /// Map `published_anywhere` of `inet` or, for one host address, `published_at_address`.
    Published {
        /// Port of the host and of the container.
        port: PortMapping,
        /// The container's address.
        address: IpAddr,
    },
}

impl Element {
    /// The container's address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Binding { address, .. }
            | Self::FrameBinding { address, .. }
            | Self::Published { address, .. } => *address,
            Self::ArpBinding { address, .. } => (*address).into(),
        }
    }
}
