//! The desired state of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::OverlayRoute;
use crate::model::config::{Config, Peer};
use crate::model::plan::TableElement;
use crate::model::types::{
    Addresses, IfName, Ipv6Mapping, LinkAlias, LinkGroup, Mac, NetworkName, Owner, PortMode, SysctlKey,
    TableName,
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
    /// What containers' IPv6 depends on; `None` if the configuration has `ipv6: off`, or the kernel no IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers_ipv6: Option<Ipv6Facts>,
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

impl HostFacts {
    /// The IPv6 addresses of containers; `None` if they have none here.
    #[must_use]
    pub fn ipv6_mapping(&self, config: &Config) -> Option<Ipv6Mapping> {
        // Below this MTU the kernel has no IPv6 on a link.
        const SMALLEST_MTU: u32 = 1280;
        let enabled = self.containers_ipv6.as_ref().is_some_and(|facts| facts.enabled);
        config.ipv6_mapping().filter(|_| enabled && self.mtu >= SMALLEST_MTU)
    }

    /// The addresses of a container that is assigned `address`; `with_ipv6` unless its namespace has no IPv6.
    #[must_use]
    pub fn addresses(&self, config: &Config, address: Ipv4Addr, with_ipv6: bool) -> Addresses {
        let addresses = config.addresses(address);
        match self.ipv6_mapping(config).filter(|_| with_ipv6) {
            Some(mapping) => addresses.with_ipv6(mapping.address_of(address)),
            None => addresses,
        }
    }
}

/// What containers' IPv6 depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Facts {
    /// Whether links of this host can have IPv6 addresses.
    pub enabled: bool,
    /// The settings `accept_ra` of links, and of later ones, that take addresses and routes from router advertisements only as
    /// long as this host does not forward.
    #[serde(default)]
    pub advertised: Vec<SysctlKey>,
    /// Whether the kernel supports policy routing (`ip -6 rule`).
    #[serde(default)]
    pub policy_routing: bool,
    /// Whether nft supports `reject`.
    #[serde(default)]
    pub reject: bool,
    /// This host's addresses, except loopback, link-local ones and the bridge's; only kept without `fib`.
    #[serde(default)]
    pub host_addresses: Vec<Ipv6Addr>,
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
    /// What containers' IPv6 needs of this host; `None` if they have none.
    pub ipv6: Option<Ipv6State>,
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

/// What containers' IPv6 needs of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6State {
    /// The bridge's address, a /128.
    pub address: Ipv6Net,
    /// Packets to unassigned addresses of this subnet are rejected.
    pub subnet: Ipv6Net,
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
        let mapping = facts.ipv6_mapping(config);
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
            ipv6: mapping.map(|mapping| Ipv6State {
                address: mapping.address_of(bridge_address).into(),
                subnet: mapping.net_of(config.subnet),
            }),
            settings: settings(
                &config.bridge,
                bridged,
                isolated,
                mapping.and(facts.containers_ipv6.as_ref()),
            ),
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
fn settings(bridge: &IfName, bridged: bool, isolated: bool, ipv6: Option<&Ipv6Facts>) -> Vec<Setting> {
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
    match ipv6 {
        Some(facts) => settings.extend(ipv6_settings(bridge, facts)),
        None => settings.push(of_bridge(
            SysctlKey::ipv6_conf(bridge, "disable_ipv6"),
            1,
            "no IPv6 between this host and containers",
        )),
    }
    settings.push(Setting {
        key: SysctlKey::ip_forward(),
        value: 1,
        of_bridge: false,
        why: "this host forwards packets of containers",
    });
    settings
}

/// The settings for IPv6. Forwarding is the last one: the kernel then deletes the routes of router advertisements, except on
/// links that take them although this host forwards.
fn ipv6_settings(bridge: &IfName, facts: &Ipv6Facts) -> Vec<Setting> {
    let ipv6 = |dev, setting| SysctlKey::ipv6_conf(dev, setting);
    let of_bridge = |setting, value, why| Setting { key: ipv6(bridge, setting), value, of_bridge: true, why };
    let of_host = |key, value, why| Setting { key, value, of_bridge: false, why };
    let mut settings = vec![
        of_bridge(
            "addr_gen_mode",
            1,
            "no link-local address, so that no container finds neighbours or routers",
        ),
        of_bridge("disable_ipv6", 0, "the containers' next hop has an IPv6 address"),
        of_bridge("accept_ra", 0, "this host takes no routes from containers"),
        of_bridge("autoconf", 0, "this host takes no addresses from containers"),
        of_bridge("accept_redirects", 0, "this host takes no routes from containers"),
        of_bridge("keep_addr_on_down", 1, "the next hop's address stays when the bridge is down"),
    ];
    let own = ipv6(bridge, "accept_ra");
    settings.extend(facts.advertised.iter().filter(|&key| *key != own).map(|key| {
        let why = "this host keeps its own routes from router advertisements when it forwards";
        of_host(key.clone(), 2, why)
    }));
    settings.push(of_host(SysctlKey::ipv6_forwarding(), 1, "this host forwards IPv6 packets of containers"));
    settings
}
