//! Which flows the kernel shall forget.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::types::{PortMapping, Protocol};

/// Which of the flows that conntrack remembers, as options of conntrack(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowFilter {
    /// Those that this address opened.
    From(Ipv4Addr),
    /// Those that this address answers, translated or not.
    To(Ipv4Addr),
    /// Those that were opened to a port of this host, wherever they lead.
    OpenedTo {
        /// tcp, udp or sctp.
        protocol: Protocol,
        /// The address of this host.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// Those that were opened to a published port and lead to a container.
    Published {
        /// tcp, udp or sctp.
        protocol: Protocol,
        /// The port of this host.
        port: u16,
        /// The container's address.
        container: Ipv4Addr,
    },
    /// Those that a host outside opened to addresses of containers.
    Ingress {
        /// The host.
        gateway: Ipv4Addr,
        /// The containers.
        subnet: Ipv4Net,
    },
    /// Those that containers opened to a service of this host.
    ToService {
        /// The containers.
        subnet: Ipv4Net,
        /// tcp, udp or sctp.
        protocol: Protocol,
        /// The address of this host.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
}

impl FlowFilter {
    /// What an address that somebody else had before is still remembered by.
    #[must_use]
    pub fn of_address(address: Ipv4Addr) -> [Self; 2] {
        [Self::From(address), Self::To(address)]
    }

    /// What clients opened to those of `ports` that are UDP before anybody published them, or while another did, at
    /// `host_addresses`. A client of another protocol opens anew, and is let in by what holds then.
    pub fn before_publishing<'a>(
        ports: &'a [PortMapping],
        host_addresses: &'a [Ipv4Addr],
    ) -> impl Iterator<Item = Self> + 'a {
        udp(ports).flat_map(|port| {
            let at = port.host_ip.map_or_else(|| host_addresses.to_vec(), |address| vec![address]);
            at.into_iter().map(|address| Self::OpenedTo {
                protocol: port.protocol,
                address,
                port: port.host_port,
            })
        })
    }

    /// What leads to `container` by those of `ports` that are UDP.
    pub fn published(ports: &[PortMapping], container: Ipv4Addr) -> impl Iterator<Item = Self> + '_ {
        udp(ports).map(move |port| Self::Published {
            protocol: port.protocol,
            port: port.host_port,
            container,
        })
    }
}

fn udp(ports: &[PortMapping]) -> impl Iterator<Item = &PortMapping> {
    ports.iter().filter(|port| port.protocol == Protocol::Udp)
}
