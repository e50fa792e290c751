//! The desired state of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::model::config::Config;
use crate::model::plan::TableElement;
use crate::model::types::{
    IfName, LinkAlias, LinkGroup, Mac, NetworkName, Owner, PortMode, SysctlKey, TableName,
};

/// The file of the network's state directory that says which Flatnet it belongs to.
pub const OWNER_FILE: &str = "owner";

/// What `auto` in the configuration means on this host, and what its kernel can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Of the configuration that they were found for.
    pub config_hash: String,
    /// Bytes, of the bridge and of every container.
    pub mtu: u32,
    /// The interface towards the world.
    pub uplink: Option<String>,
    /// Who may open connections to containers from outside.
    pub ingress_gateways: Vec<Ipv4Addr>,
    /// By which interface each of them is reached, as far as there is a way to it.
    #[serde(default)]
    pub gateway_links: Vec<GatewayLink>,
    /// Whether the kernel speaks IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// This host's own addresses, but the bridge's, at which containers are told to ask for names.
    #[serde(default)]
    pub resolvers: Vec<Ipv4Addr>,
    /// What the HTTP gateway listens on, where it runs on this host.
    #[serde(default)]
    pub gateway_ports: Vec<u16>,
    /// Whether the kernel can decide ways by the sender's address (`ip rule`).
    #[serde(default)]
    pub policy_routing: bool,
    /// Whether the ruleset can ask the kernel which addresses are this host's (`fib daddr type local`).
    pub fib: bool,
    /// This host's addresses but loopback and the bridge's; kept only where the kernel cannot be asked.
    #[serde(default)]
    pub host_addresses: Vec<Ipv4Addr>,
}

/// The way to one host that may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayLink {
    /// The host.
    pub address: Ipv4Addr,
    /// Out of which link.
    pub dev: IfName,
    /// This host's address towards it, by which a change of the way is noticed without a program.
    pub source: Ipv4Addr,
}

/// Who is attached, as far as this host's state depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// What the host's end of each container's link is.
    pub modes: BTreeMap<IfName, PortMode>,
    /// What the tables hold for the containers.
    pub elements: BTreeSet<TableElement>,
}

impl Attached {
    /// Whether containers have a port in the bridge, or may get one.
    #[must_use]
    pub fn is_bridged(&self, config: &Config) -> bool {
        config.port_mode().is_bridged() || self.modes.values().any(|mode| mode.is_bridged())
    }
}

/// The desired state of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostState {
    /// The network.
    pub network: NetworkName,
    /// Which Flatnet this is, where that is known.
    pub owner: Option<Owner>,
    /// Whether that may not be read: then what is there is taken for this one's.
    pub owner_unknown: bool,
    /// The file that says so.
    pub owner_file: PathBuf,
    /// The name of the nft tables.
    pub table: TableName,
    /// The bridge.
    pub bridge: IfName,
    /// Its fixed address.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// The mark by which it is known as ours, and as this Flatnet's.
    pub alias: LinkAlias,
    /// The group of the network's links, the bridge among them.
    pub group: LinkGroup,
    /// Whether containers have a port in the bridge, or may get one.
    pub bridged: bool,
    /// The ports of the containers that have one.
    pub ports: BTreeSet<IfName>,
    /// Its address: with the subnet's prefix length where the subnet is at the bridge, else alone.
    pub address: Ipv4Net,
    /// What is refused where no container has it.
    pub subnet: Ipv4Net,
    /// Settings of the kernel, in the order in which they are made.
    pub settings: Vec<Setting>,
    /// The text that makes the tables.
    pub ruleset: String,
    /// What the tables hold for the containers that are attached.
    pub elements: BTreeSet<TableElement>,
}

/// One setting of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The sysctl.
    pub key: SysctlKey,
    /// Its desired value.
    pub value: u32,
    /// Whether it belongs to the bridge and goes with it.
    pub of_bridge: bool,
    /// Why.
    pub why: &'static str,
}

impl HostState {
    /// Whether what bears the mark `found` belongs to another Flatnet.
    #[must_use]
    pub fn is_anothers(&self, found: &Owner) -> bool {
        self.owner.as_ref() != Some(found) && !self.owner_unknown
    }

    /// What `config` means with `facts` for the Flatnet `owner` while `attached` are there, with the `ruleset` that follows
    /// from the same.
    #[must_use]
    pub fn new(
        config: &Config,
        facts: &HostFacts,
        owner: Option<&Owner>,
        attached: Attached,
        ruleset: String,
    ) -> Self {
        let bridged = attached.is_bridged(config);
        let isolated = attached.modes.values().any(|&mode| mode == PortMode::Isolated);
        let ports = attached.modes.into_iter().filter(|(_, mode)| mode.is_bridged());
        let bridge_address = config.bridge_address();
        Self {
            network: config.network.clone(),
            owner: owner.cloned(),
            owner_unknown: false,
            owner_file: config.paths.state.join(config.network.as_str()).join(OWNER_FILE),
            table: config.network.table(),
            bridge: config.bridge.clone(),
            mac: Mac::of_container(bridge_address),
            mtu: facts.mtu,
            alias: LinkAlias::of_bridge(&config.network, owner),
            group: LinkGroup::of_network(&config.network),
            address: if bridged { config.bridge_net() } else { Ipv4Net::from(bridge_address) },
            subnet: config.subnet,
            settings: settings(&config.bridge, bridged, isolated),
            ruleset,
            bridged,
            ports: ports.map(|(host_link, _)| host_link).collect(),
            elements: attached.elements,
        }
    }
}

/// Between ports of the bridge that are isolated from one another this host answers ARP; between those and containers
/// with a link of their own, it does too.
fn settings(bridge: &IfName, bridged: bool, isolated: bool) -> Vec<Setting> {
    let of_bridge = |key, value, why| Setting { key, value, of_bridge: true, why };
    let ipv4 = |setting| SysctlKey::ipv4_conf(bridge, setting);
    let mut settings = Vec::new();
    if bridged {
        let why_pvlan = if isolated {
            "this host answers ARP for containers, which are isolated from one another"
        } else {
            "containers answer one another's ARP themselves"
        };
        settings.extend([
            of_bridge(ipv4("proxy_arp_pvlan"), u32::from(isolated), why_pvlan),
            of_bridge(
                ipv4("proxy_arp"),
                1,
                "this host answers ARP for containers that are not in the bridge",
            ),
            of_bridge(SysctlKey::ipv4_neigh(bridge, "proxy_delay"), 0, "answers ARP without delay"),
            of_bridge(ipv4("send_redirects"), 0, "containers have no other router"),
            of_bridge(ipv4("accept_redirects"), 0, "this host takes no routes from containers"),
            of_bridge(ipv4("forwarding"), 1, "this host forwards packets from the bridge"),
            of_bridge(
                ipv4("route_localnet"),
                1,
                "published ports answer at 127.0.0.1; the ruleset drops 127/8 from outside",
            ),
        ]);
    }
    settings.extend([
        of_bridge(
            SysctlKey::ipv6_conf(bridge, "disable_ipv6"),
            1,
            "no IPv6 between this host and containers",
        ),
        Setting {
            key: SysctlKey::ip_forward(),
            value: 1,
            of_bridge: false,
            why: "this host forwards packets of containers",
        },
    ]);
    settings
}
