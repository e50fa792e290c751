//! Conntrack entries to delete.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::types::{PortMapping, Protocol};

/// A selection of conntrack entries, as options of conntrack(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowFilter {
    /// Entries that this address opened.
    From(IpAddr),
    /// Entries that this address answers, with or without translation.
    To(IpAddr),
    /// Entries to a port of this host, wherever they lead.
    OpenedTo {
        /// tcp, udp or sctp.
        protocol: Protocol,
        /// The address of this host.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// Entries that an outside host opened to containers.
    Ingress {
        /// The host.
        gateway: IpAddr,
        /// The containers.
        subnet: IpNet,
    },
}

impl FlowFilter {
    /// All entries of an address, including published ports.
    #[must_use]
    pub fn of_address(address: impl Into<IpAddr>) -> [Self; 2] {
        let address = address.into();
        [Self::From(address), Self::To(address)]
    }

    /// Entries that clients opened to the UDP ports of `ports` at `host_addresses` before they were published,
    /// or while another container published them. Clients of other protocols reconnect and are judged by the
    /// current rules.
    pub fn before_publishing<'a>(
        ports: &'a [PortMapping],
        host_addresses: &'a [IpAddr],
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
}

fn udp(ports: &[PortMapping]) -> impl Iterator<Item = &PortMapping> {
    ports.iter().filter(|port| port.protocol == Protocol::Udp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Op;

    fn port(protocol: Protocol, host_ip: Option<[u8; 4]>, host_port: u16) -> PortMapping {
        PortMapping { protocol, host_ip: host_ip.map(IpAddr::from), host_port, container_port: 80 }
    }

    #[test]
    fn publishing_udp_port_ends_flows_opened_to_it() {
        let own = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([127, 0, 0, 1])];
        let ports = [
            port(Protocol::Tcp, None, 80),
            port(Protocol::Udp, None, 53),
            port(Protocol::Udp, Some([127, 0, 0, 1]), 54),
            port(Protocol::Sctp, None, 55),
        ];
        let opened = |address, port| FlowFilter::OpenedTo { protocol: Protocol::Udp, address, port };
        let found: Vec<FlowFilter> = FlowFilter::before_publishing(&ports, &own).collect();
        assert_eq!(found, [opened(own[0], 53), opened(own[1], 53), opened(own[1], 54)]);
        assert_eq!(FlowFilter::before_publishing(&ports[..1], &own).count(), 0);
    }

    /// Receipts and plans are stored, so this format must stay readable.
    #[test]
    fn flow_filter_round_trips_through_json() {
        let text = r#"{"op":"flows_del","to":"10.87.1.2"}"#;
        let op = Op::FlowsDel(FlowFilter::To(IpAddr::from([10, 87, 1, 2])));
        assert_eq!(serde_json::to_string(&op).unwrap(), text);
        assert_eq!(serde_json::from_str::<Op>(text).unwrap(), op);
    }
}
