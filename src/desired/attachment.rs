//! The wanted state of one attachment.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::HostFacts;
use crate::config::{Bridging, Config};
use crate::plan::TableElement;
use crate::receipt::elements;
use crate::types::{AttachmentId, IfName, LinkAlias, Mac, NetnsPath, PortMapping, TableName};

/// Which routes a container is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// The default route, behind any that another network adds, and the range of Flatnet.
    Default,
    /// Only the range of Flatnet: the container has a default route already, and keeps it.
    RangeOnly,
}

/// The wanted state of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentState {
    /// Whose.
    pub id: AttachmentId,
    /// The name of the nft tables.
    pub table: TableName,
    /// The bridge.
    pub bridge: IfName,
    /// The host's end of the veth pair.
    pub host_link: IfName,
    /// Its address.
    pub host_mac: Mac,
    /// The mark by which it is known as ours.
    pub alias: LinkAlias,
    /// Whether the bridge exchanges no frames between containers.
    pub isolated: bool,
    /// Bytes.
    pub mtu: u32,
    /// The container's namespace.
    pub netns: NetnsPath,
    /// The container's MAC.
    pub mac: Mac,
    /// The container's address.
    pub address: Ipv4Net,
    /// Where its routes lead.
    pub routes_to: Vec<Ipv4Net>,
    /// The next hop: the bridge.
    pub gateway: Ipv4Addr,
    /// Its published ports.
    pub ports: Vec<PortMapping>,
}

impl AttachmentState {
    /// What `config` and `facts` make of a container that got `address`.
    #[expect(clippy::too_many_arguments, reason = "each is one decision that was made before")]
    #[must_use]
    pub fn new(
        config: &Config,
        facts: &HostFacts,
        id: &AttachmentId,
        netns: &NetnsPath,
        address: Ipv4Addr,
        mac: Option<Mac>,
        ports: &[PortMapping],
        routes: Routes,
    ) -> Self {
        Self {
            table: config.network.table(),
            bridge: config.bridge.clone(),
            host_link: id.host_link(&config.network),
            host_mac: Mac::of_host_link(address),
            alias: LinkAlias::of_attachment(&config.network, id),
            isolated: config.bridging == Bridging::Isolated,
            mtu: facts.mtu,
            netns: netns.clone(),
            mac: mac.unwrap_or_else(|| Mac::of_container(address)),
            address: config.with_prefix(address),
            routes_to: match routes {
                Routes::Default => vec![Ipv4Net::default(), config.range],
                Routes::RangeOnly => vec![config.range],
            },
            gateway: config.bridge_address(),
            ports: ports.to_vec(),
            id: id.clone(),
        }
    }

    /// What the tables hold for it.
    pub fn elements(&self) -> impl Iterator<Item = TableElement> + '_ {
        elements(self.mac, self.address.addr(), &self.ports).map(|element| TableElement {
            table: self.table.clone(),
            element,
            container_id: self.id.container_id.clone(),
        })
    }
}
