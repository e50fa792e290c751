//! The desired way to containers of other hosts.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::HostFacts;
use crate::model::config::{Config, OVERLAY_MTU, Overlay, OverlayKind, Peer};
use crate::model::types::{IfName, Mac, SysctlKey};

/// The way to containers of other hosts, that is, to the range. Without its interface they are unreachable, and their packets never leave
/// by another route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayRoute {
    /// The interface.
    pub interface: IfName,
    /// This host's own address among them.
    pub source: Ipv4Addr,
    /// What Flatnet makes the interface of. `None`: the overlay's program makes it.
    pub tunnel: Option<Tunnel>,
}

/// An interface of VXLAN, which learns nothing: its neighbours, their MACs and where they are follow from the hosts' numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The interface.
    pub link: VxlanLink,
    /// This host's own address in the overlay.
    pub address: Ipv4Net,
    /// The other hosts.
    pub peers: Vec<TunnelPeer>,
}

/// What an interface of VXLAN is made of. None of it is changed while it exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VxlanLink {
    /// Its MAC.
    pub mac: Mac,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// The overlay's number.
    pub vni: u32,
    /// This host's address in the LAN.
    pub local: Ipv4Addr,
}

/// Another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelPeer {
    /// Its address in the LAN.
    pub at: Ipv4Addr,
    /// Its own address in the overlay.
    pub address: Ipv4Addr,
    /// Its MAC there.
    pub mac: Mac,
    /// Its containers' addresses.
    pub subnet: Ipv4Net,
}

impl OverlayRoute {
    /// The way by `config`, and by the hosts in `facts` if Flatnet makes it.
    #[must_use]
    pub fn new(config: &Config, overlay: &Overlay, facts: &HostFacts) -> Self {
        Self {
            interface: overlay.interface.clone(),
            source: config.bridge_address(),
            tunnel: Tunnel::new(config, facts),
        }
    }

    /// The setting that keeps IPv6 off the interface.
    #[must_use]
    pub fn no_ipv6(&self) -> SysctlKey {
        SysctlKey::ipv6_conf(&self.interface, "disable_ipv6")
    }
}

impl Tunnel {
    /// The interface of the host of `config` to the hosts in `facts`; `None` unless Flatnet makes it.
    #[must_use]
    pub fn new(config: &Config, facts: &HostFacts) -> Option<Self> {
        let overlay = config.overlay.as_ref().filter(|overlay| overlay.kind == OverlayKind::Vxlan)?;
        let (address, hosts) = (overlay.address(), &facts.peers);
        let local = hosts.iter().find(|host| host.number == overlay.number)?.address;
        let others = hosts.iter().filter(|host| host.number != overlay.number);
        let peer = |host: &Peer| {
            let address = overlay.address_of(host.number);
            TunnelPeer {
                at: host.address,
                address,
                mac: Mac::of_host(address),
                subnet: config.subnet_of(host.number),
            }
        };
        let link =
            VxlanLink { mac: Mac::of_host(address.addr()), mtu: OVERLAY_MTU, vni: overlay.vni(), local };
        Some(Self { link, address, peers: others.map(peer).collect() })
    }
}
