//! What both sides saw, read.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::VERSION;
use super::facts::Facts;
use super::observed::{Address, Observed, Process};
use crate::error::{Error, Kind, Result};

/// How WSL2 is joined to Windows' network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Windows is a router between WSL2 and the world.
    Nat,
    /// WSL2 has Windows' own addresses.
    Mirrored,
    /// A way without routes: virtioproxy, none, bridged.
    Other(String),
}

/// Everything that is decided on.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// What Windows saw.
    pub(super) seen: &'a Observed,
    /// What WSL2 told.
    pub(super) facts: Facts,
    /// How both are joined.
    pub(super) mode: Mode,
    /// eth0's address.
    pub(super) eth0: Option<Ipv4Addr>,
}

impl<'a> View<'a> {
    pub(super) fn new(seen: &'a Observed) -> Result<Self> {
        let facts: Facts = serde_json::from_str(&seen.facts).map_err(|error| {
            Error::new(Kind::Decode, "standard input is not what Windows' scripts send: `facts`")
                .remedy("It must be what `flatnet windows facts` prints")
                .source(error)
        })?;
        if [seen.version, facts.version] != [VERSION; 2] {
            let versions = format!("{}, {} and {VERSION}", seen.version, facts.version);
            return Err(Error::new(
                Kind::Decode,
                format!("standard input is of scripts, facts and a program of versions {versions}"),
            )
            .remedy(super::REMEDY));
        }
        let mode = match facts.mode.as_deref().map(str::trim) {
            // Before WSL 2.0.4 there was no wslinfo, and no other mode.
            None | Some("nat") => Mode::Nat,
            Some("mirrored") => Mode::Mirrored,
            Some(other) => Mode::Other(other.to_owned()),
        };
        let eth0 = facts.eth0;
        Ok(Self { seen, facts, mode, eth0 })
    }

    /// Windows' end of the link to WSL2: the adapter in whose network eth0 is. By its name, its device, or the route that goes
    /// by it, where another network has the same addresses.
    pub(super) fn switch(&self) -> Option<&'a Address> {
        let eth0 = self.eth0?;
        let candidates: Vec<&Address> = self
            .holding(eth0)
            .filter(|address| address.switch != Some(false) && !self.leads_out(address.interface))
            .collect();
        let first = |is: &dyn Fn(&Address) -> bool| candidates.iter().find(|address| is(address)).copied();
        first(&|address| address.alias.contains("WSL"))
            .or_else(|| {
                first(&|address| address.switch == Some(true) || address.alias.starts_with("vEthernet"))
            })
            .or_else(|| first(&|address| self.is_routed_by(address)))
            .or_else(|| candidates.first().copied().filter(|_| candidates.len() == 1))
    }

    /// Adapters whose network has this address, which is not their own.
    pub(super) fn holding(&self, address: Ipv4Addr) -> impl Iterator<Item = &'a Address> + use<'a> {
        self.seen.addresses.iter().filter(move |own| {
            let network = Ipv4Net::new(own.address, own.prefix_length);
            own.prefix_length > 0
                && own.address != address
                && network.is_ok_and(|network| network.contains(&address))
        })
    }

    /// Whether the subnet is routed through this adapter's network already.
    fn is_routed_by(&self, address: &Address) -> bool {
        let Ok(network) = Ipv4Net::new(address.address, address.prefix_length) else {
            return false;
        };
        self.seen.routes.iter().any(|route| {
            route.destination == self.seen.settings.subnet
                && route.interface == address.interface
                && network.contains(&route.next_hop)
        })
    }

    /// Whether it bears a default route, which WSL2's adapter never does.
    fn leads_out(&self, interface: u32) -> bool {
        self.seen
            .routes
            .iter()
            .any(|route| route.destination.prefix_len() == 0 && route.interface == interface)
    }

    /// Whether it is Windows' end of a link to WSL2. That of a mode before may still be there, without leading anywhere.
    pub(super) fn is_wsl(&self, interface: u32) -> bool {
        let is_switch =
            self.mode == Mode::Nat && self.switch().is_some_and(|switch| switch.interface == interface);
        let named = |address: &Address| {
            address.interface == interface && address.switch != Some(false) && address.alias.contains("WSL")
        };
        is_switch || self.seen.addresses.iter().any(named)
    }

    /// What an adapter is called.
    pub(super) fn alias(&self, interface: u32) -> String {
        let named = self.seen.addresses.iter().find(|address| address.interface == interface);
        named.map_or_else(
            || format!("interface {interface}"),
            |address| format!("{} (interface {interface})", address.alias),
        )
    }

    /// Whether a container answers, or the bridge behind which it would be.
    pub(super) fn is_open_to_the_bridge(&self) -> bool {
        self.seen.probes.container == Some(true) || self.seen.probes.bridge == Some(true)
    }

    /// A line for PowerShell that calls the scripts.
    pub(super) fn script(&self, verb: &str) -> String {
        let path = self.seen.settings.file.replace("settings.psd1", "flatnet.ps1").replace('\'', "''");
        format!("& '{path}' {verb}")
    }

    /// A command in the distribution, as it is typed on Windows.
    pub(super) fn in_wsl(&self, command: &str) -> String {
        format!("wsl -d {} -u root --exec {command}", self.seen.settings.distribution)
    }

    /// The process of this number.
    pub(super) fn process(&self, pid: u32) -> Option<&'a Process> {
        self.seen.processes.iter().find(|process| process.pid == pid)
    }

    /// The gateway's ports, as in the names of rules.
    pub(super) fn ports(&self) -> String {
        self.seen.settings.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}
