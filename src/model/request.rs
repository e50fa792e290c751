//! Requests of the plugin protocols and their results. [`crate::faces::cni`] and [`crate::faces::netavark`]
//! parse a [`Request`]; [`Engine::attach`](crate::engine::Engine::attach) returns an [`Attached`].

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::model::config::Dns;
use crate::model::types::{
    Addresses, AttachmentId, Caller, ContainerName, IfName, Mac, NetnsPath, PortMapping, are_of_one_family,
    shown,
};

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
    /// The requested addresses (`--ip`).
    pub ips: Vec<IpAddr>,
    /// The requested MAC (`--mac-address`).
    pub mac: Option<Mac>,
    /// The published ports.
    pub ports: Vec<PortMapping>,
    /// Who asks.
    pub caller: Caller,
    /// How many containers of the caller may be attached; `None` for as many as there are addresses.
    pub most: Option<u16>,
}

/// An attached container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The container's addresses with the subnet's prefix length.
    pub addresses: Addresses,
    /// The next hops, one of each family.
    pub next_hops: Vec<IpAddr>,
    /// The destinations of the routes: `0.0.0.0/0`, and the range of Flatnet.
    pub routes_to: Vec<IpNet>,
    /// Name servers and search domains for its resolv.conf.
    pub dns: Dns,
}

impl Attached {
    /// The next hop for `destination`, which has its family.
    #[must_use]
    pub fn next_hop(&self, destination: IpNet) -> Option<IpAddr> {
        self.next_hops.iter().copied().find(|&hop| are_of_one_family(hop, destination.addr()))
    }
}

/// Parses an address, with or without a prefix length.
pub(crate) fn address(text: &str) -> Result<IpAddr> {
    let bare = text.split('/').next().unwrap_or_default();
    bare.parse().map_err(|_| not_ipv4(&shown(text)))
}

/// The error for an address that is not IPv4.
pub(crate) fn not_ipv4(address: &str) -> Error {
    Error::new(Kind::Unsupported, format!("\"{address}\" is not an IPv4 address"))
        .remedy("Remove --ip6, or write `ipv6: auto` into the configuration")
}

/// How many further names a container may have on a network.
const MOST_ALIASES: usize = 256;

/// Parses a container's further names.
pub(crate) fn aliases(texts: &[String]) -> Result<Vec<ContainerName>> {
    refuse_many_aliases(texts.len())?;
    let failed = |error: Error| Error::new(Kind::BadValue, format!("--network-alias: {}", error.message()));
    texts.iter().map(|text| text.parse().map_err(failed)).collect()
}

/// An error if there are too many aliases.
pub(crate) fn refuse_many_aliases(count: usize) -> Result<()> {
    if count <= MOST_ALIASES {
        return Ok(());
    }
    let what = format!("--network-alias: there are {count}, and at most {MOST_ALIASES} are possible");
    Err(Error::new(Kind::BadValue, what))
}
