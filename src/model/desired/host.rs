//! The desired state of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::OverlayRoute;
use crate::model::config::{Config, Peer};
use crate::model::plan::TableElement;
use crate::model::types::{
    IfName, LinkAlias, LinkGroup, Mac, NetworkName, Owner, PortMode, SysctlKey, TableName,
};

/// The file in the network's state directory with the owner mark.
pub const OWNER_FILE: &str = "owner";
/// The unit of the resolver.
pub const RESOLVER_UNIT: &str = "flatnet-dns.service";

/// What `auto` in the configuration means on this host, and what its kernel supports. The default is a host with
/// nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The hash of the configuration for which these were observed.
    pub config_hash: String,
    /// The MTU of the bridge and of every container.
    pub mtu: u32,
    /// The interface towards the outside.
    pub uplink: Option<String>,
    /// Hosts outside that may open connections to containers.
    pub ingress_gateways: Vec<Ipv4Addr>,
    /// The links to the ingress gateways, as far as there is a route.
    #[serde(default)]
    pub gateway_links: Vec<GatewayLink>,
    /// Whether the kernel supports IPv6.
    #[serde(default)]
    pub ipv6: bool,
    /// This host's own addresses, except the bridge's, that containers use as name servers.
    #[serde(default)]
    pub resolvers: Vec<Ipv4Addr>,
    /// The ports of the HTTP gateway, if it runs on this host.
    #[serde(default)]
    pub gateway_ports: Vec<u16>,
    /// The hosts of an overlay of kind `vxlan`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Peer>,
    /// Where containers reach the HTTP gateway: at the bridge's address, or on Windows.
    #[serde(default)]
    pub gateway_address: Option<Ipv4Addr>,
    /// The address of Windows, as WSL2 in NAT mode sees it.
    #[serde(default)]
    pub windows: Option<Ipv4Addr>,
    /// How the resolver is started; `None` if containers have no names.
    #[serde(default)]
    pub resolver: Option<Resolver>,
    /// The program of the service for rootless Podman, if Flatnet has to start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<PathBuf>,
    /// Whether the kernel supports policy routing (`ip rule`).
    #[serde(default)]
    pub policy_routing: bool,
    /// Whether nft supports `fib daddr type local`.
    pub fib: bool,
    /// This host's addresses, except loopback and the bridge's; only kept without `fib`.
    #[serde(default)]
    pub host_addresses: Vec<Ipv4Addr>,
}

/// The route to one ingress gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayLink {
    /// The host.
    pub address: Ipv4Addr,
    /// The outgoing link.
    pub dev: IfName,
    /// This host's source address towards it, by which a changed route is noticed without running a program.
    pub source: Ipv4Addr,
}

/// The attached containers, as far as this host's state depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// How each container's host link is attached.
    pub modes: BTreeMap<IfName, PortMode>,
    /// The elements of the containers.
    pub elements: BTreeSet<TableElement>,
}

impl Attached {
    /// Whether containers have a port on the bridge, or may get one.
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
    /// The owner mark of this Flatnet, if known.
    pub owner: Option<Owner>,
    /// Whether the owner mark is unreadable; then what exists is treated as this Flatnet's.
    pub owner_unknown: bool,
    /// The file that holds the owner mark.
    pub owner_file: PathBuf,
    /// The name of the nft tables.
    pub table: TableName,
    /// The bridge.
    pub bridge: IfName,
    /// The bridge's fixed MAC.
    pub mac: Mac,
    /// The MTU in bytes.
    pub mtu: u32,
    /// The bridge's alias, with the owner mark.
    pub alias: LinkAlias,
    /// The group of the network's links, the bridge among them.
    pub group: LinkGroup,
    /// Whether containers have a port on the bridge, or may get one.
    pub bridged: bool,
    /// The bridge ports of attached containers.
    pub ports: BTreeSet<IfName>,
    /// The bridge's address: with the subnet's prefix length if the subnet is on-link at the bridge, else /32.
    pub address: Ipv4Net,
    /// Packets to unassigned addresses of this subnet are rejected.
    pub subnet: Ipv4Net,
    /// The addresses of Flatnet on all hosts.
    pub range: Ipv4Net,
    /// Kernel settings, in the order in which they are made.
    pub settings: Vec<Setting>,
    /// The nft transaction that makes the tables.
    pub ruleset: String,
    /// The elements of attached containers.
    pub elements: BTreeSet<TableElement>,
    /// How the resolver is started; `None` if containers have no names.
    pub resolver: Option<Resolver>,
    /// The program of the service for rootless Podman, if Flatnet has to start it.
    pub service: Option<PathBuf>,
    /// The directory of the files of names, of all networks of this host.
    pub names: PathBuf,
    /// The way to containers of other hosts.
    pub overlay: Option<OverlayRoute>,
}

/// How the resolver, which is one for all networks of this host, is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolver {
    /// As a unit of systemd.
    Unit,
    /// By Flatnet, apart from its caller.
    Process {
        /// The program, Flatnet's own.
        program: PathBuf,
        /// The directory of the files of names.
        names: PathBuf,
    },
}

/// A kernel setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The sysctl.
    pub key: SysctlKey,
    /// Its desired value.
    pub value: u32,
    /// Whether it belongs to the bridge and is removed with it.
    pub of_bridge: bool,
    /// The reason.
    pub why: &'static str,
}

impl HostState {
    /// Whether the owner mark `found` is another Flatnet's.
    #[must_use]
    pub fn is_anothers(&self, found: &Owner) -> bool {
        self.owner.as_ref() != Some(found) && !self.owner_unknown
    }

    /// The desired state by `config` and `facts` for the owner mark `owner` and the containers `attached`, with
    /// the matching `ruleset`.
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
            range: config.range,
            settings: settings(&config.bridge, bridged, isolated),
            ruleset,
            bridged,
            ports: ports.map(|(host_link, _)| host_link).collect(),
            elements: attached.elements,
            resolver: facts.resolver.clone().filter(|_| config.names.enabled),
            service: facts.service.clone(),
            names: config.paths.names(),
            overlay: config.overlay.as_ref().map(|overlay| OverlayRoute::new(config, overlay, facts)),
        }
    }
}

/// This host answers ARP between isolated bridge ports, and between bridge ports and containers with their own link.
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
