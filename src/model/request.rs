//! Requests of the plugin protocols and their results. [`crate::faces::cni`] and [`crate::faces::netavark`]
//! parse a [`Request`]; [`Engine::attach`](crate::engine::Engine::attach) returns an [`Attached`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, Kind, Result};
use crate::model::types::{AttachmentId, ContainerName, IfName, Mac, NetnsPath, PortMapping, shown};

/// The request to attach a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The container and its interface.
    pub id: AttachmentId,
    /// The container's network namespace.
    pub netns: NetnsPath,
    /// The container's name, if the runtime gave it.
    pub name: Option<ContainerName>,
    /// Other names of the container on this network.
    pub aliases: Vec<ContainerName>,
    /// The requested address (`--ip`).
    pub ip: Option<Ipv4Addr>,
    /// The requested MAC (`--mac-address`).
    pub mac: Option<Mac>,
    /// The published ports.
    pub ports: Vec<PortMapping>,
}

/// An attached container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The bridge.
    pub bridge: IfName,
    /// The bridge's MAC.
    pub bridge_mac: Mac,
    /// The host's end of the veth pair.
    pub host_link: IfName,
    /// The host link's MAC.
    pub host_mac: Mac,
    /// The container's end.
    pub if_name: IfName,
    /// The container's MAC.
    pub mac: Mac,
    /// The MTU in bytes.
    pub mtu: u32,
    /// The container's network namespace.
    pub netns: NetnsPath,
    /// The container's address with the subnet's prefix length.
    pub address: Ipv4Net,
    /// The next hop.
    pub next_hop: Ipv4Addr,
    /// The destinations of the routes: `0.0.0.0/0`, and the range of Flatnet.
    pub routes_to: Vec<Ipv4Net>,
}

/// The only address among `all`, if any. A runtime may repeat it, as Podman does in `network reload`.
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

/// Parses an IPv4 address, with or without a prefix length.
pub(crate) fn address(text: &str) -> Result<Ipv4Addr> {
    let bare = text.split('/').next().unwrap_or_default();
    bare.parse().map_err(|_| {
        Error::new(Kind::Unsupported, format!("\"{}\" is not an IPv4 address", shown(text)))
            .remedy("IPv6 is not supported: remove --ip6")
    })
}

/// Parses another name of a container.
pub(crate) fn alias(text: &str) -> Result<ContainerName> {
    let failed = |error: Error| Error::new(Kind::BadValue, format!("--network-alias: {}", error.message()));
    text.parse().map_err(failed)
}
