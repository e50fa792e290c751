//! The section `overlay`: the way to containers of other hosts.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::problem::{Problem, problem};
use crate::model::types::{HostNumbers, IfName};

/// The bytes that an overlay adds to a packet fit into a frame beside so many, also over a VPN or a modem.
pub const OVERLAY_MTU: u32 = 1300;
/// The UDP port of VXLAN.
pub const VXLAN_PORT: u16 = 4789;
/// Where the hosts of an overlay of kind `vxlan` are by default.
const PEERS: &str = "/etc/flatnet/overlay/peers.yaml";

/// The TCP port, at a host's bridge address, at which other hosts ask for its routes.
pub const ROUTES_PORT: u16 = 8787;

/// The way to containers of other hosts. `flatnet overlay join` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// What carries packets between hosts.
    pub kind: OverlayKind,
    /// This host's number, which no other host has. Its `subnet` is that part of `range`.
    pub number: u16,
    /// The hosts' own addresses: this host's is the one of its number.
    #[schemars(with = "String")]
    #[serde(default = "network")]
    pub network: Ipv4Net,
    /// The interface to other hosts; at most 15 characters.
    #[schemars(with = "String")]
    #[serde(default = "interface")]
    pub interface: IfName,
    /// With `kind: vxlan`: the file with the hosts. Default: /etc/flatnet/overlay/peers.yaml.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<PathBuf>,
}

/// What carries packets between hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OverlayKind {
    /// Nebula: encrypted; certificates say which host has which addresses.
    Nebula,
    /// The kernel's VXLAN, for a trusted LAN: not encrypted, and nothing proves who sent a packet.
    Vxlan,
}

impl fmt::Display for OverlayKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nebula => "nebula",
            Self::Vxlan => "vxlan",
        })
    }
}

impl FromStr for OverlayKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = [Self::Nebula, Self::Vxlan];
        kinds
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| "use nebula or vxlan".to_owned())
    }
}

fn network() -> Ipv4Net {
    "10.86.0.0/16".parse().unwrap_or_else(|_| unreachable!("a constant that parses"))
}

fn interface() -> IfName {
    IfName::parse("flatnet-ov0").unwrap_or_else(|_| unreachable!("a constant that parses"))
}

impl Overlay {
    /// The overlay of the host with this number, otherwise by default.
    #[must_use]
    pub fn new(kind: OverlayKind, number: u16) -> Self {
        Self { kind, number, network: network(), interface: interface(), peers: None }
    }

    /// The file with the hosts of an overlay of kind `vxlan`.
    #[must_use]
    pub fn peers_file(&self) -> &Path {
        self.peers.as_deref().unwrap_or(Path::new(PEERS))
    }

    /// The number by which VXLAN tells overlays apart: the first 24 bits of the network.
    #[must_use]
    pub fn vni(&self) -> u32 {
        self.network.network().to_bits() >> 8
    }

    /// This host's own address in the overlay.
    #[must_use]
    pub fn address(&self) -> Ipv4Net {
        Ipv4Net::new_assert(self.address_of(self.number), self.network.prefix_len())
    }

    /// The own address of the host with this number.
    #[must_use]
    pub fn address_of(&self, number: u16) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.network().to_bits().saturating_add(u32::from(number)))
    }
}

impl Config {
    /// The numbers that hosts of `range` may have, and what follows from each.
    #[must_use]
    pub fn host_numbers(&self) -> HostNumbers {
        HostNumbers::new(self.range, self.subnet)
    }

    /// What Windows and ingress gateways route to this host: its subnet or, where hosts are connected, the range.
    #[must_use]
    pub fn routed(&self) -> Ipv4Net {
        if self.overlay.is_some() { self.range } else { self.subnet }
    }

    /// How many hosts `range` has room for.
    #[must_use]
    pub fn hosts(&self) -> u16 {
        self.host_numbers().count()
    }

    /// The subnet of the host with this number.
    #[must_use]
    pub fn subnet_of(&self, number: u16) -> Ipv4Net {
        self.host_numbers().subnet_of(number)
    }

    /// The bridge's address on the host with this number.
    #[must_use]
    pub fn bridge_address_of(&self, number: u16) -> Ipv4Addr {
        self.host_numbers().bridge_address_of(number)
    }

    /// The number of the other host whose own address, that of its bridge, this is.
    #[must_use]
    pub fn other_host_at(&self, address: Ipv4Addr) -> Option<u16> {
        let own = self.overlay.as_ref()?.number;
        self.host_numbers().host_at(address).filter(|number| *number != own)
    }
}

/// The first invalid value.
pub(super) fn validate(config: &Config) -> Result<(), Problem> {
    let Some(overlay) = &config.overlay else { return Ok(()) };
    let Overlay { kind, number, network, interface, peers } = overlay;
    let hosts = config.hosts();
    if !(1..=hosts).contains(number) {
        let why = format!("is not between 1 and {hosts}, the hosts that range {} has room for", config.range);
        return Err(problem(
            "overlay.number",
            number,
            why,
            "Use the number that `flatnet overlay sign` gave this host",
        ));
    }
    let expected = config.subnet_of(*number);
    if config.subnet != expected {
        let why = format!("is not that of overlay.number {number}");
        return Err(problem(
            "subnet",
            config.subnet,
            why,
            format!("Write {expected}, or the number of this subnet"),
        ));
    }
    let bridge = config.bridge_address_of(*number);
    if config.bridge_address() != bridge {
        let why = "is not the first address of the subnet, where other hosts look for this host";
        return Err(problem(
            "bridge_address",
            config.bridge_address(),
            why,
            format!("Write {bridge}, or delete the field"),
        ));
    }
    if network.addr() != network.network() {
        return Err(problem(
            "overlay.network",
            network,
            "has host bits set",
            format!("Write {}", network.trunc()),
        ));
    }
    if network.contains(&config.range.network()) || config.range.contains(&network.network()) {
        let why = format!("overlaps range {}", config.range);
        return Err(problem(
            "overlay.network",
            network,
            why,
            "Use another private range such as 10.86.0.0/16",
        ));
    }
    if network.broadcast().to_bits() - network.network().to_bits() <= u32::from(hosts) {
        let why = format!("has no address for each of the {hosts} hosts of range {}", config.range);
        return Err(problem("overlay.network", network, why, "Use a /16 such as 10.86.0.0/16"));
    }
    if *interface == config.bridge {
        return Err(problem("overlay.interface", interface, "is the bridge's name", "Write flatnet-ov0"));
    }
    if let (OverlayKind::Nebula, Some(file)) = (kind, peers) {
        return Err(problem("overlay.peers", file.display(), "is for `kind: vxlan`", "Remove it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::parse;

    fn parsed(yaml: &str) -> Result<Config, String> {
        parse(yaml, Path::new("f.yaml")).map_err(|error| error.to_line())
    }

    #[test]
    fn subnet_and_address_follow_from_number() {
        let config = parsed("subnet: 10.87.7.0/24\noverlay: {kind: nebula, number: 7}\n").unwrap();
        let overlay = config.overlay.as_ref().unwrap();
        assert_eq!(overlay.address().to_string(), "10.86.0.7/16");
        assert_eq!(config.bridge_address(), config.bridge_address_of(7));
        assert_eq!((config.routed(), Config::default().routed()), (config.range, Config::default().subnet));
        for (address, number) in [("10.87.2.1", Some(2)), ("10.87.2.2", None), ("10.87.7.1", None)] {
            assert_eq!(config.other_host_at(address.parse().unwrap()), number, "{address}");
        }
        let large = parsed("range: 10.0.0.0/8\nsubnet: 10.18.52.0/24\noverlay: {kind: nebula, number: 4660, network: 172.16.0.0/12}\n").unwrap();
        assert_eq!(large.hosts(), 65_534);
        assert_eq!(large.overlay.unwrap().address().to_string(), "172.16.18.52/12");
        let vxlan = parsed("overlay: {kind: vxlan, number: 1}\n").unwrap().overlay.unwrap();
        assert_eq!(vxlan.vni(), 0x0a_56_00);
        assert_eq!(vxlan.peers_file(), Path::new("/etc/flatnet/overlay/peers.yaml"));
    }

    #[test]
    fn what_does_not_fit_together_is_rejected() {
        for (yaml, said) in [
            ("overlay: {kind: nebula, number: 2}", "subnet: 10.87.1.0/24 is not that of overlay.number 2"),
            ("overlay: {kind: nebula, number: 0}", "overlay.number: 0 is not between 1 and 254"),
            ("overlay: {kind: nebula, number: 255}", "overlay.number: 255 is not between 1 and 254"),
            ("overlay: {kind: nebula}", "missing field `number`"),
            ("overlay: {kind: carrier-pigeon, number: 1}", "unknown variant `carrier-pigeon`"),
            ("overlay: {kind: nebula, number: 1, network: 10.87.0.0/16}", "overlaps range"),
            (
                "overlay: {kind: nebula, number: 1, network: 10.86.0.0/25}",
                "has no address for each of the 254 hosts",
            ),
            ("overlay: {kind: nebula, number: 1, network: 10.86.0.1/16}", "has host bits set"),
            ("overlay: {kind: nebula, number: 1, peers: /a}", "overlay.peers: /a is for `kind: vxlan`"),
            ("overlay: {kind: vxlan, number: 1, peers: a}", "overlay.peers: a is not an absolute path"),
            ("overlay: {kind: nebula, number: 1, interface: flatnet-br0}", "is the bridge's name"),
            (
                "bridge_address: 10.87.1.9\noverlay: {kind: nebula, number: 1}",
                "is not the first address of the subnet",
            ),
        ] {
            let error = parsed(yaml).unwrap_err();
            assert!(error.contains(said), "{yaml}: {error}");
        }
    }
}
