//! What the nft tables hold for containers.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::model::types::{ContainerId, IfName, Mac, PortMapping, TableName};

/// An element of a named set or map in one of our tables, with the container it belongs to as its comment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableElement {
    /// The table's name.
    pub table: TableName,
    /// What is in it.
    pub element: Element,
    /// Whose it is.
    pub container_id: ContainerId,
}

/// What an element says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// In `inet` set `bindings`: what comes in by this link may bear this address.
    #[serde(rename = "port_binding")]
    Binding {
        /// The host's end of the container's link.
        dev: IfName,
        /// The container's address.
        address: Ipv4Addr,
    },
    /// In `inet` set `frame_bindings`: what this MAC sends into the bridge may bear this address. Receipts of 0.1.0, whose
    /// set was called `bindings`, call it `binding`.
    #[serde(rename = "binding")]
    FrameBinding {
        /// The container's MAC.
        mac: Mac,
        /// The container's address.
        address: Ipv4Addr,
    },
    /// In `arp` set `bindings`: this MAC may claim this address.
    ArpBinding {
        /// The container's MAC.
        mac: Mac,
        /// The container's address.
        address: Ipv4Addr,
    },
    /// In `inet` map `published_anywhere` or, for one host address, `published_at_address`.
    Published {
        /// Port of the host and of the container.
        port: PortMapping,
        /// The container's address.
        address: Ipv4Addr,
    },
}
