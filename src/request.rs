//! What both protocols ask of the engine, and what it answers: [`crate::cni`] and [`crate::netavark`] make a [`Request`], and
//! [`Engine::attach`](crate::engine::Engine::attach) makes an [`Attached`] of it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::types::{AttachmentId, ContainerName, IfName, Mac, NetnsPath, PortMapping};

/// A container is to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose interface.
    pub id: AttachmentId,
    /// Its namespace.
    pub netns: NetnsPath,
    /// Its name, where the runtime told it.
    pub name: Option<ContainerName>,
    /// Other names of it on this network.
    pub aliases: Vec<ContainerName>,
    /// This address and no other (`--ip`).
    pub ip: Option<Ipv4Addr>,
    /// This MAC (`--mac-address`).
    pub mac: Option<Mac>,
    /// Its published ports.
    pub ports: Vec<PortMapping>,
}

/// A container is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The bridge.
    pub bridge: IfName,
    /// Its MAC.
    pub bridge_mac: Mac,
    /// The host's end of the veth pair.
    pub host_link: IfName,
    /// Its MAC.
    pub host_mac: Mac,
    /// The container's end.
    pub if_name: IfName,
    /// Its MAC.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// Its namespace.
    pub netns: NetnsPath,
    /// Its address, with the subnet's prefix length.
    pub address: Ipv4Net,
    /// The next hop.
    pub gateway: Ipv4Addr,
    /// Where its routes lead: `0.0.0.0/0`, unless it had a default route already, and the range of Flatnet.
    pub routes_to: Vec<Ipv4Net>,
}
