//! What both sides saw, read.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::VERSION;
use super::facts::Facts;
use super::seen::{Address, Process, Seen};
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
    pub(super) seen: &'a Seen,
    /// What WSL2 told.
    pub(super) facts: Facts,
    /// How both are joined.
    pub(super) mode: Mode,
    /// eth0's address.
    pub(super) eth0: Option<Ipv4Addr>,
}

impl<'a> View<'a> {
    pub(super) fn new(seen: &'a Seen) -> Result<Self> {
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
            .remedy("Copy ops/windows of this program's version to Windows again, by its install.ps1"));
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

    /// Windows' end of the link to WSL2, if eth0's address lies in its network: else the way leads elsewhere.
    pub(super) fn switch(&self) -> Option<&'a Address> {
        let (way, eth0) = (self.seen.way.as_ref()?, self.eth0?);
        let network = Ipv4Net::new(way.address, way.prefix_length).ok()?;
        (network.contains(&eth0) && way.prefix_length > 0).then_some(way)
    }

    /// Whether it is Windows' end of a link to WSL2. That of a mode before may still be there, without leading anywhere.
    pub(super) fn is_wsl(&self, interface: u32) -> bool {
        let is_switch =
            self.mode == Mode::Nat && self.switch().is_some_and(|switch| switch.interface == interface);
        let named = |address: &Address| address.interface == interface && address.alias.contains("WSL");
        is_switch || self.seen.addresses.iter().any(named)
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
