//! What both protocols ask of the engine, and what it answers: [`crate::faces::cni`] and [`crate::faces::netavark`] make a [`Request`], and
//! [`Engine::attach`](crate::engine::Engine::attach) makes an [`Attached`] of it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, Kind, Result};
use crate::model::types::{AttachmentId, ContainerName, IfName, Mac, NetnsPath, PortMapping, shown};

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
    pub next_hop: Ipv4Addr,
    /// Where its routes lead: `0.0.0.0/0`, and the range of Flatnet.
    pub routes_to: Vec<Ipv4Net>,
}

/// The one address among `all`, where there is any. A runtime may name it twice: Podman does in `network reload`.
pub(crate) fn one_address(all: impl Iterator<Item = Result<Ipv4Addr>>) -> Result<Option<Ipv4Addr>> {
    let mut asked: BTreeSet<Ipv4Addr> = all.collect::<Result<_>>()?;
    if asked.len() > 1 {
        let list: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let what =
            format!("{} addresses requested ({}), but Flatnet assigns one", asked.len(), list.join(", "));
        return Err(Error::new(Kind::Unsupported, what).remedy("Give --ip once"));
    }
    Ok(asked.pop_first())
}

/// An IPv4 address, with or without a prefix length.
pub(crate) fn address(text: &str) -> Result<Ipv4Addr> {
    let bare = text.split('/').next().unwrap_or_default();
    bare.parse().map_err(|_| {
        Error::new(Kind::Unsupported, format!("\"{}\" is not an IPv4 address", shown(text)))
            .remedy("IPv6 is not supported: remove --ip6")
    })
}

/// Another name of a container.
pub(crate) fn alias(text: &str) -> Result<ContainerName> {
    let failed = |error: Error| Error::new(Kind::BadValue, format!("--network-alias: {}", error.message()));
    text.parse().map_err(failed)
}
