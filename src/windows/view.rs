//! The observed state of Windows and the facts about WSL2, parsed.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::VERSION;
use super::facts::Facts;
use super::observed::{Address, Observed, Process};
use crate::error::{Error, Kind, Result};

/// WSL2's networking mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NetworkingMode {
    /// Windows routes between WSL2 and other networks.
    Nat,
    /// WSL2 has Windows' addresses.
    Mirrored,
    /// A mode without routes: virtioproxy, none, bridged.
    Other(String),
}

/// Everything that decisions are based on.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// The observed state of Windows.
    pub(super) observed: &'a Observed,
    /// The facts about WSL2.
    pub(super) facts: Facts,
    /// WSL2's networking mode.
    pub(super) mode: NetworkingMode,
    /// eth0's address.
    pub(super) eth0: Option<Ipv4Addr>,
}

impl<'a> View<'a> {
    pub(super) fn new(observed: &'a Observed) -> Result<Self> {
        let facts: Facts = serde_json::from_str(&observed.facts).map_err(|error| {
            Error::new(
                Kind::Decode,
                "standard input is not the observed state that Windows' scripts send: `facts`",
            )
            .remedy("`facts` must be the output of `flatnet windows facts`")
            .source(error)
        })?;
        if [observed.version, facts.version] != [VERSION; 2] {
            let versions =
                format!("scripts {}, facts {}, flatnet {VERSION}", observed.version, facts.version);
            return Err(Error::new(Kind::Decode, format!("the protocol versions differ: {versions}"))
                .remedy(super::REMEDY));
        }
        let mode = match facts.mode.as_deref().map(str::trim) {
            // WSL before 2.0.4 has no wslinfo and no other mode.
            None | Some("nat") => NetworkingMode::Nat,
            Some("mirrored") => NetworkingMode::Mirrored,
            Some(other) => NetworkingMode::Other(other.to_owned()),
        };
        let eth0 = facts.eth0;
        Ok(Self { observed, facts, mode, eth0 })
    }

    /// Windows' adapter for WSL2: one whose network includes eth0's address. Among several, it is chosen by name, by device, or by
    /// the route through it.
    pub(super) fn switch(&self) -> Option<&'a Address> {
        let eth0 = self.eth0?;
        let candidates: Vec<&Address> = self
            .holding(eth0)
            .filter(|address| address.switch != Some(false) && !self.has_default_route(address.interface))
            .collect();
        let first = |is: &dyn Fn(&Address) -> bool| candidates.iter().find(|address| is(address)).copied();
        first(&|address| address.alias.contains("WSL"))
            .or_else(|| {
                first(&|address| address.switch == Some(true) || address.alias.starts_with("vEthernet"))
            })
            .or_else(|| first(&|address| self.is_routed_by(address)))
            .or_else(|| candidates.first().copied().filter(|_| candidates.len() == 1))
    }

    /// Adapters whose network includes this address, without being their own.
    pub(super) fn holding(&self, address: Ipv4Addr) -> impl Iterator<Item = &'a Address> + use<'a> {
        self.observed.addresses.iter().filter(move |own| {
            let network = Ipv4Net::new(own.address, own.prefix_length);
            own.prefix_length > 0
                && own.address != address
                && network.is_ok_and(|network| network.contains(&address))
        })
    }

    /// Whether a route to the subnet uses this adapter's network.
    fn is_routed_by(&self, address: &Address) -> bool {
        let Ok(network) = Ipv4Net::new(address.address, address.prefix_length) else {
            return false;
        };
        self.observed.routes.iter().any(|route| {
            route.destination == self.observed.settings.subnet
                && route.interface == address.interface
                && network.contains(&route.next_hop)
        })
    }

    /// Whether the adapter has a default route, which WSL2's never has.
    fn has_default_route(&self, interface: u32) -> bool {
        self.observed
            .routes
            .iter()
            .any(|route| route.destination.prefix_len() == 0 && route.interface == interface)
    }

    /// Whether it is an adapter for WSL2. One from a previous networking mode may still exist without being connected.
    pub(super) fn is_wsl(&self, interface: u32) -> bool {
        let is_switch = self.mode == NetworkingMode::Nat
            && self.switch().is_some_and(|switch| switch.interface == interface);
        let named = |address: &Address| {
            address.interface == interface && address.switch != Some(false) && address.alias.contains("WSL")
        };
        is_switch || self.observed.addresses.iter().any(named)
    }

    /// The name of an adapter.
    pub(super) fn alias(&self, interface: u32) -> String {
        let named = self.observed.addresses.iter().find(|address| address.interface == interface);
        named.map_or_else(
            || format!("interface {interface}"),
            |address| format!("{} (interface {interface})", address.alias),
        )
    }

    /// Whether a container answers, or at least the bridge.
    pub(super) fn is_open_to_the_bridge(&self) -> bool {
        self.observed.probes.container == Some(true) || self.observed.probes.bridge == Some(true)
    }

    /// The PowerShell command that runs a verb of the scripts.
    pub(super) fn script(&self, verb: &str) -> String {
        let path = self.observed.settings.file.replace("settings.psd1", "flatnet.ps1").replace('\'', "''");
        format!("& '{path}' {verb}")
    }

    /// The Windows command that runs a command in the distribution.
    pub(super) fn in_wsl(&self, command: &str) -> String {
        format!("wsl -d {} -u root --exec {command}", self.observed.settings.distribution)
    }

    /// The process with this ID.
    pub(super) fn process(&self, pid: u32) -> Option<&'a Process> {
        self.observed.processes.iter().find(|process| process.pid == pid)
    }

    /// The gateway's ports, as the names of rules contain them.
    pub(super) fn ports(&self) -> String {
        self.observed.settings.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}
