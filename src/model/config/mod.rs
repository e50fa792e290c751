//! The configuration, `/etc/flatnet/flatnet.yaml`.
//!
//! [`load`] rejects files that others can write to, unknown fields and invalid values, and names file, line, field, value
//! and remedy. This is the only user of `serde_yaml`.

mod auto;
mod drive;
mod gateway;
mod load;
mod locate;
mod names;
mod overlay;
mod peers;
mod problem;
mod rootless;
mod validate;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use auto::{IngressGateways, Ipv6, Mtu, Uplink};
pub use drive::drive;
pub use gateway::{Expose, Gateway, LONGEST_HOLD, Tls};
pub use load::{DEFAULT_PATH, installed, load, load_for_user, parse};
pub use names::Names;
pub use overlay::{OVERLAY_MTU, Overlay, OverlayKind, ROUTES_PORT, VXLAN_PORT};
pub use peers::{Peer, Peers};
pub use rootless::{Allowance, Rootless, SERVE_GROUP, SERVE_LOCK, SERVE_SOCKET};

use crate::error::{Error, Kind, Result};
use crate::model::types::{Addresses, IfName, Ipv6Mapping, NetworkName, PortMode, Protocol};

/// Flatnet's configuration. Every field has a default, so an empty file is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The network's name, as in `podman run --network`.
    #[schemars(with = "String")]
    pub network: NetworkName,
    /// The bridge on this host; at most 15 characters.
    #[schemars(with = "String")]
    pub bridge: IfName,
    /// The addresses of Flatnet on all hosts. There is no NAT between two of them.
    #[schemars(with = "String")]
    pub range: Ipv4Net,
    /// This host's part of the range.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// The bridge's address, which is the containers' next hop. Default: the first address of the subnet.
    #[schemars(with = "Option<Ipv4Addr>")]
    pub bridge_address: Option<Ipv4Addr>,
    /// The addresses assigned to containers. Default: all of the subnet except network, bridge and broadcast.
    pub allocate: Option<AllocateRange>,
    /// Addresses of the subnet that are never assigned.
    pub reserved: Vec<Ipv4Addr>,
    /// The containers' IPv6 addresses: `off`, `auto` (unique local addresses that follow from the range), or a prefix that is
    /// routed to this host: a /48 for the range, or a /64 for this host's subnet.
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6: Ipv6,
    /// The MTU: `auto` (that of the uplink) or a number of bytes from 576 to 65535.
    pub mtu: Mtu,
    /// The interface towards the outside: `auto` (that of the default route), `none`, or a name.
    pub uplink: Uplink,
    /// Hosts outside that may open connections to containers: `auto` or a list of IPv4 addresses. On WSL2 in NAT
    /// mode `auto` is the default route's next hop, which is Windows; elsewhere it is no host.
    pub ingress_gateways: IngressGateways,
    /// What happens to packets from containers to the outside.
    pub egress: Egress,
    /// The source ports of masqueraded TCP, UDP and SCTP connections. Services of this host and published ports must be
    /// outside this range: a container could receive their packets.
    pub masquerade_ports: PortRange,
    /// How containers of this host reach one another.
    pub bridging: Bridging,
    /// Ports of this host that containers may use, in addition to ping and DNS at the bridge's address.
    pub host_ports: Vec<HostPort>,
    /// Names of containers, which Flatnet's resolver answers.
    pub names: Names,
    /// Name servers and search domains of containers.
    pub dns: Dns,
    /// Time limits.
    pub limits: Limits,
    /// Paths of programs. Default: search /usr/sbin, /usr/bin, /sbin and /bin.
    pub tools: ToolPaths,
    /// Where Flatnet writes.
    pub paths: Paths,
    /// The HTTP gateway, through which browsers of the LAN reach containers by name.
    #[serde(deserialize_with = "gateway::section")]
    pub gateway: Gateway,
    /// The way to containers of other hosts. Default: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<Overlay>,
    /// The users whose rootless Podman may attach containers. Default: nobody but root.
    #[serde(skip_serializing_if = "is_default")]
    pub rootless: Rootless,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The first and the last address assigned to containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllocateRange {
    /// The first address.
    pub from: Ipv4Addr,
    /// The last address, inclusive.
    pub to: Ipv4Addr,
}

/// What happens to packets from containers to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// They get this host's address.
    Masquerade,
    /// They are dropped.
    None,
}

/// A range of ports, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// The first port, at least 1024.
    pub from: u16,
    /// The last port.
    pub to: u16,
}

impl PortRange {
    /// Whether `port` is in the range.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.from..=self.to).contains(&port)
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// How containers of this host reach one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bridging {
    /// Routed through this host, each container over its own link: the ruleset filters everything, no spoofing, no ARP; no
    /// broadcast and multicast.
    Routed,
    /// Over the bridge: broadcast, multicast and ARP work, but nothing is filtered between containers.
    Plain,
    /// The name of `routed` in Flatnet 0.1.0.
    Isolated,
}

/// A port of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping such as {protocol: tcp, port: 5432}")]
pub struct HostPort {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: Protocol,
    /// 1 to 65535.
    pub port: u16,
}

/// Name servers and search domains of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The servers that Flatnet's resolver asks for other names. Empty: those of this host's resolv.conf. With
    /// `names.enabled: false` they are the `nameserver` lines of containers' resolv.conf.
    pub servers: Vec<Ipv4Addr>,
    /// The `search` line of containers' resolv.conf, after `names.zone`.
    pub search: Vec<String>,
}

/// Time limits in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Kill an `ip`, `nft` or `sysctl` after this time.
    pub command_seconds: u64,
    /// Stop waiting for another process's lock after this time.
    pub lock_seconds: u64,
}

impl Limits {
    /// How long to wait for a lock.
    #[must_use]
    pub fn patience(self) -> Duration {
        Duration::from_secs(self.lock_seconds)
    }
}

/// Paths of programs: absolute, of files that only root can write to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolPaths {
    /// iproute2's `ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<PathBuf>,
    /// iproute2's `bridge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<PathBuf>,
    /// conntrack-tools' `conntrack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conntrack: Option<PathBuf>,
    /// `nft`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nft: Option<PathBuf>,
    /// procps' `sysctl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctl: Option<PathBuf>,
    /// util-linux' `nsenter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nsenter: Option<PathBuf>,
    /// util-linux' `unshare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unshare: Option<PathBuf>,
}

/// Where Flatnet writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// Leases and receipts, kept over reboots.
    pub state: PathBuf,
    /// Locks, removed by a reboot. The names of containers are in the directory with `-dns` appended.
    pub run: PathBuf,
    /// The log without journald: JSON lines.
    pub log: PathBuf,
}

impl Paths {
    /// The directory of the files of names, which the resolver reads without root: not below [`Paths::run`], which only
    /// root may enter.
    #[must_use]
    pub fn names(&self) -> PathBuf {
        let mut path = self.run.clone().into_os_string();
        path.push("-dns");
        path.into()
    }
}

/// The JSON Schema of the configuration.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

/// The configuration as YAML, which [`parse`] accepts.
pub fn to_yaml(config: &Config) -> Result<String> {
    let failed =
        |cause| Error::new(Kind::Internal, "the configuration cannot be written as YAML").source(cause);
    serde_yaml::to_string(config).map_err(failed)
}

impl Config {
    /// An error unless its values are valid, and suit one another.
    pub fn check(&self) -> Result<()> {
        load::check(self)
    }

    /// The configuration with derived fields filled in.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let bridging = if self.bridging == Bridging::Plain { Bridging::Plain } else { Bridging::Routed };
        Self {
            bridge_address: Some(self.bridge_address()),
            allocate: Some(self.allocate()),
            bridging,
            ..self.clone()
        }
    }

    /// The bridge's address: the field, or the first address of the subnet.
    #[must_use]
    pub fn bridge_address(&self) -> Ipv4Addr {
        self.bridge_address.unwrap_or_else(|| next(self.subnet.network()))
    }

    /// The bridge's address with the subnet's prefix length.
    #[must_use]
    pub fn bridge_net(&self) -> Ipv4Net {
        self.with_prefix(self.bridge_address())
    }

    /// How a new container's link is attached.
    #[must_use]
    pub fn port_mode(&self) -> PortMode {
        if self.bridging == Bridging::Plain { PortMode::Plain } else { PortMode::Routed }
    }

    /// `address` with the subnet's prefix length.
    #[must_use]
    pub fn with_prefix(&self, address: Ipv4Addr) -> Ipv4Net {
        Ipv4Net::new_assert(address, self.subnet.prefix_len())
    }

    /// The IPv6 address of each address of the range; `None` if containers have no IPv6.
    #[must_use]
    pub fn ipv6_mapping(&self) -> Option<Ipv6Mapping> {
        match self.ipv6 {
            Ipv6::Off => None,
            Ipv6::Auto => Some(Ipv6Mapping::of_range(self.range)),
            Ipv6::Prefix(prefix) => Ipv6Mapping::of_prefix(prefix, self.range, self.subnet),
        }
    }

    /// The addresses of a container that is assigned `address`, without IPv6.
    #[must_use]
    pub fn addresses(&self, address: Ipv4Addr) -> Addresses {
        self.with_prefix(address).into()
    }

    /// The first and the last address assigned to containers.
    #[must_use]
    pub fn allocate(&self) -> AllocateRange {
        self.allocate.unwrap_or_else(|| AllocateRange {
            from: next(self.subnet.network()),
            to: Ipv4Addr::from_bits(self.subnet.broadcast().to_bits().saturating_sub(1)),
        })
    }

    /// Whether `address` is never assigned: network, broadcast, bridge or reserved.
    #[must_use]
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        address == self.subnet.network()
            || address == self.subnet.broadcast()
            || address == self.bridge_address()
            || self.reserved.contains(&address)
    }

    /// Every address that is assigned unrequested, in order.
    pub fn pool(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let AllocateRange { from, to } = self.allocate();
        let of_users: BTreeSet<Ipv4Addr> = self.rootless.ips().collect();
        let addresses = (from.to_bits()..=to.to_bits()).map(Ipv4Addr::from_bits);
        addresses.filter(move |address| !self.is_reserved(*address) && !of_users.contains(address))
    }
}

fn next(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits().saturating_add(1))
}

impl Default for Config {
    fn default() -> Self {
        let fixed = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("a constant that parses"));
        Self {
            network: NetworkName::parse("flatnet").unwrap_or_else(|_| unreachable!("a constant that parses")),
            bridge: IfName::parse("flatnet-br0").unwrap_or_else(|_| unreachable!("a constant that parses")),
            range: fixed("10.87.0.0/16"),
            subnet: fixed("10.87.1.0/24"),
            bridge_address: None,
            allocate: None,
            reserved: Vec::new(),
            ipv6: Ipv6::Off,
            mtu: Mtu::Auto,
            uplink: Uplink::Auto,
            ingress_gateways: IngressGateways::Auto,
            egress: Egress::Masquerade,
            masquerade_ports: PortRange { from: 61000, to: 65535 },
            bridging: Bridging::Routed,
            host_ports: Vec::new(),
            names: Names::default(),
            dns: Dns::default(),
            limits: Limits::default(),
            tools: ToolPaths::default(),
            paths: Paths::default(),
            gateway: Gateway::default(),
            overlay: None,
            rootless: Rootless::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { command_seconds: 10, lock_seconds: 10 }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            state: "/var/lib/flatnet".into(),
            run: "/run/flatnet".into(),
            log: "/var/log/flatnet/flatnet.log".into(),
        }
    }
}
