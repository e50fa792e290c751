//! The desired state of one attachment.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::HostFacts;
use crate::model::config::{Config, Egress};
use crate::model::plan::{Element, FlowFilter, TableElement};
use crate::model::types::{
    Addresses, AttachmentId, IfName, LinkAlias, LinkGroup, Mac, NetnsPath, PortMapping, PortMode, SysctlKey,
    TableName, are_of_one_family,
};

/// The routes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// The default route, after those of other networks, and the range of Flatnet.
    Default,
    /// Only the range of Flatnet: in 0.1.0, if the container already had a default route.
    RangeOnly,
}

/// The desired state of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentState {
    /// The attachment.
    pub id: AttachmentId,
    /// The name of the nft tables.
    pub table: TableName,
    /// The bridge.
    pub bridge: IfName,
    /// How the host's end is attached.
    pub mode: PortMode,
    /// The host's end of the veth pair.
    pub host_link: IfName,
    /// The group of the network's links.
    pub group: LinkGroup,
    /// The link's alias, which marks it as Flatnet's.
    pub alias: LinkAlias,
    /// Whether the kernel supports IPv6, so that the link must be set to have no IPv6 address.
    pub ipv6: bool,
    /// The MTU in bytes.
    pub mtu: u32,
    /// The container's namespace.
    pub netns: NetnsPath,
    /// The container's MAC.
    pub mac: Mac,
    /// The container's addresses.
    pub addresses: Addresses,
    /// The destinations of its routes.
    pub routes_to: Vec<IpNet>,
    /// The next hops: the bridge's addresses, one of each family.
    pub next_hops: Vec<IpAddr>,
    /// Ingress gateways, whose packets are answered through Flatnet whatever the default route.
    pub answers_to: Vec<IpAddr>,
    /// Whether packets from its flat address use a routing table of their own, so that connections that came in
    /// by Flatnet are answered through Flatnet.
    pub own_table: bool,
    /// Whether its IPv6 address uses that table, too: the kernel may lack policy routing for it.
    pub own_table6: bool,
    /// Its published ports.
    pub ports: Vec<PortMapping>,
    /// Conntrack entries of the previous users of its address and ports, to be deleted.
    pub flows_to_end: Vec<FlowFilter>,
}

impl AttachmentState {
    /// The desired state by `config` and `facts` of a container with `addresses`.
    #[expect(clippy::too_many_arguments, reason = "each is one decision that was made before")]
    #[must_use]
    pub fn new(
        config: &Config,
        facts: &HostFacts,
        id: &AttachmentId,
        netns: &NetnsPath,
        addresses: &Addresses,
        mac: Option<Mac>,
        ports: &[PortMapping],
        routes: Routes,
    ) -> Self {
        let leaves = config.egress == Egress::Masquerade;
        let ingress_gateways = facts.ingress_gateways.iter().copied();
        let mapping = facts.ipv6_mapping(config).filter(|_| addresses.ipv6().is_some());
        let next_hop6 = mapping.map(|mapping| mapping.address_of(config.bridge_address()).into());
        let range6: Option<IpNet> = mapping.map(|mapping| mapping.prefix().into());
        let mut routes_to = vec![config.range.into()];
        routes_to.extend(range6);
        if routes == Routes::Default {
            routes_to.insert(0, Ipv4Net::default().into());
            routes_to.extend(mapping.map(|_| IpNet::from(Ipv6Net::default())));
        }
        Self {
            table: config.network.table(),
            bridge: config.bridge.clone(),
            mode: config.port_mode(),
            host_link: id.host_link(&config.network),
            group: LinkGroup::of_network(&config.network),
            alias: LinkAlias::of_attachment(&config.network, id),
            ipv6: facts.ipv6,
            mtu: facts.mtu,
            netns: netns.clone(),
            mac: mac.unwrap_or_else(|| Mac::of_container(addresses.ipv4())),
            addresses: addresses.clone(),
            routes_to,
            next_hops: std::iter::once(config.bridge_address().into()).chain(next_hop6).collect(),
            // If only answers leave by Flatnet, another network may lead to the ingress gateways for everything else.
            answers_to: ingress_gateways.filter(|_| leaves).map(IpAddr::from).collect(),
            own_table: facts.policy_routing && (!leaves || !ports.is_empty()),
            own_table6: facts.containers_ipv6.as_ref().is_some_and(|facts| facts.policy_routing),
            ports: ports.to_vec(),
            flows_to_end: Vec::new(),
            id: id.clone(),
        }
    }

    /// The MAC of the host's end. On a routed link both ends have the same MAC, so that no ARP is needed: a
    /// link without ARP sends to its own MAC.
    #[must_use]
    pub fn host_mac(&self) -> Mac {
        match self.mode {
            PortMode::Routed => self.mac,
            PortMode::Plain | PortMode::Isolated => Mac::of_host_link(self.addresses.ipv4()),
        }
    }

    /// The next hop for `destination`, which has its family.
    #[must_use]
    pub fn next_hop(&self, destination: IpAddr) -> Option<IpAddr> {
        self.next_hops.iter().copied().find(|&hop| are_of_one_family(hop, destination))
    }

    /// Whether it has the answer routes of this version. An attachment by 0.1.0 gets them when it is changed over.
    #[must_use]
    pub fn has_answer_routes(&self) -> bool {
        self.mode != PortMode::Isolated
    }

    /// The setting that lets this host send from 127.0.0.1 over the container's link; `None` if no port is published
    /// there.
    #[must_use]
    pub fn route_localnet(&self) -> Option<SysctlKey> {
        let at_loopback = |port: &PortMapping| {
            port.host_ip.is_none_or(|address| address.is_loopback() || address == Ipv4Addr::UNSPECIFIED)
        };
        let desired = self.mode == PortMode::Routed && self.ports.iter().any(at_loopback);
        desired.then(|| SysctlKey::ipv4_conf(&self.host_link, "route_localnet"))
    }

    /// The setting that makes this host forward packets from the container's link.
    #[must_use]
    pub fn forwarding(&self) -> SysctlKey {
        SysctlKey::ipv4_conf(&self.host_link, "forwarding")
    }

    /// Its elements in the tables.
    pub fn elements(&self) -> impl Iterator<Item = TableElement> + '_ {
        elements(self.mode, &self.host_link, self.mac, &self.addresses, &self.ports).map(|element| {
            TableElement { table: self.table.clone(), element, container_id: self.id.container_id.clone() }
        })
    }
}

/// The elements of a container with this link, MAC, addresses and published ports.
pub fn elements<'a>(
    mode: PortMode,
    dev: &IfName,
    mac: Mac,
    addresses: &'a Addresses,
    ports: &'a [PortMapping],
) -> impl Iterator<Item = Element> + use<'a> {
    let dev = dev.clone();
    let bindings = addresses.iter().map(move |address| match mode {
        PortMode::Routed => Element::Binding { dev: dev.clone(), address },
        PortMode::Plain | PortMode::Isolated => Element::FrameBinding { mac, address },
    });
    let arp = mode.is_bridged().then(|| Element::ArpBinding { mac, address: addresses.ipv4() });
    let published = ports.iter().flat_map(|&port| {
        let at = port.host_ip;
        let at_family = move |address: &IpAddr| at.is_none_or(|at| are_of_one_family(at, *address));
        let host_ip = port.host_ip.filter(|at| !at.is_unspecified());
        let port = PortMapping { host_ip, ..port };
        addresses.iter().filter(at_family).map(move |address| Element::Published { port, address })
    });
    bindings.chain(arp).chain(published)
}
