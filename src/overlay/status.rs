//! The overlay as this host sees it: which other hosts there are, how packets get to them, until when.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::console::{self, Tunnel};
use super::membership::not_joined;
use super::nebula::{self, Certificate, HostFiles};
use super::papers::Pem;
use crate::error::{Result, io};
use crate::kernel::execute::Executor;
use crate::model::config::{Config, Overlay, OverlayKind, Peers};
use crate::model::types::shown;
use crate::names::ask::{OtherHosts, PresentHost};
use crate::routes::publish::published;

/// The overlay as this host sees it.
#[derive(Debug, Serialize)]
pub struct OverlayStatus {
    /// What carries packets.
    pub kind: OverlayKind,
    /// This host's number.
    pub number: u16,
    /// Nebula, if it carries packets.
    pub nebula: Option<NebulaStatus>,
    /// The other hosts that are there or are known, by number.
    pub hosts: Vec<HostStatus>,
}

/// Nebula on this host.
#[derive(Debug, Serialize)]
pub struct NebulaStatus {
    /// The version of its program.
    pub version: String,
    /// This host's certificate.
    pub certificate: CertificateStatus,
    /// Why its tunnels are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_tunnels: Option<String>,
    /// The lighthouses with a tunnel.
    pub lighthouses: Vec<HostStatus>,
    /// The own addresses of those that Nebula's configuration names and that have none.
    pub silent_lighthouses: Vec<IpAddr>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    /// The host's name.
    pub name: String,
    /// Its beginning: RFC 3339.
    pub begins: String,
    /// Its end: RFC 3339.
    pub ends: String,
    /// The SHA-256 by which it is revoked.
    pub fingerprint: String,
}

/// Another host, or a lighthouse.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    /// Its number; none for a lighthouse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u16>,
    /// Its name, if it is known.
    pub name: Option<String>,
    /// The address of its bridge, or a lighthouse's own.
    pub address: IpAddr,
    /// How packets get there, if that is known.
    pub path: Option<HostPath>,
    /// Its certificate, if there is a tunnel.
    pub certificate: Option<CertificateStatus>,
    /// How long its resolver took to answer, in milliseconds; none if it did not.
    pub round_trip: Option<f64>,
    /// The version of Flatnet there, if it answers.
    pub version: Option<String>,
    /// When `flatnet gateway watch` had its last answer, if the host is away: RFC 3339.
    pub away_since: Option<String>,
}

/// How packets get to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum HostPath {
    /// To this address and UDP port.
    Direct {
        /// `ADDRESS:PORT`.
        to: String,
    },
    /// By lighthouses, which relay.
    Relayed {
        /// Their own addresses.
        by: Vec<IpAddr>,
    },
}

impl From<Certificate> for CertificateStatus {
    fn from(certificate: Certificate) -> Self {
        let Certificate { details, fingerprint, public_key: _ } = certificate;
        Self {
            name: shown(&details.name),
            begins: shown(&details.not_before),
            ends: shown(&details.not_after),
            fingerprint: fingerprint.to_string(),
        }
    }
}

impl OverlayStatus {
    /// Asks the other hosts, then Nebula: asking makes tunnels.
    pub fn find(config: &Config, files: &HostFiles, executor: &mut (impl Executor + ?Sized)) -> Result<Self> {
        let overlay = config.overlay.as_ref().ok_or_else(not_joined)?;
        let mut hosts = Hosts { config, by_number: BTreeMap::new() };
        hosts.add_published();
        let nebula = match overlay.kind {
            OverlayKind::Vxlan => {
                hosts.add_peers(&Peers::load(overlay.peers_file(), config)?, overlay.number);
                hosts.ask();
                None
            }
            OverlayKind::Nebula => {
                let version = nebula::refuse_old(executor)?;
                let certificate = own_certificate(files, executor)?.into();
                hosts.ask();
                let (tunnels, no_tunnels) = match console::tunnels(files, executor) {
                    Ok(tunnels) => (tunnels, None),
                    Err(error) => (Vec::new(), Some(error.to_line())),
                };
                let lighthouses = hosts.add_tunnels(tunnels, overlay);
                let has_tunnel =
                    |address: &IpAddr| lighthouses.iter().any(|lighthouse| lighthouse.address == *address);
                let text = std::fs::read_to_string(files.nebula()).unwrap_or_default();
                let silent_lighthouses = match no_tunnels {
                    None => lighthouses_in(&text).into_iter().filter(|one| !has_tunnel(one)).collect(),
                    Some(_) => Vec::new(),
                };
                Some(NebulaStatus { version, certificate, no_tunnels, lighthouses, silent_lighthouses })
            }
        };
        let hosts = hosts.by_number.into_values().collect();
        Ok(Self { kind: overlay.kind, number: overlay.number, nebula, hosts })
    }
}

/// This host's certificate.
pub fn own_certificate(files: &HostFiles, executor: &mut (impl Executor + ?Sized)) -> Result<Certificate> {
    let path = files.certificate();
    let text = std::fs::read_to_string(&path).map_err(io("read the certificate", &path))?;
    nebula::certificate(&Pem::parse(&text)?, executor)
}

/// The lighthouses' own addresses in a configuration of Nebula.
fn lighthouses_in(text: &str) -> Vec<IpAddr> {
    let list = text.lines().find_map(|line| line.strip_prefix("  hosts: [")?.strip_suffix(']'));
    list.into_iter()
        .flat_map(|list| list.split(", "))
        .filter_map(|one| one.trim_matches('"').parse().ok())
        .collect()
}

/// The other hosts that are found.
struct Hosts<'a> {
    config: &'a Config,
    by_number: BTreeMap<u16, HostStatus>,
}

impl Hosts<'_> {
    fn host(&mut self, number: u16) -> &mut HostStatus {
        let address = self.config.bridge_address_of(number).into();
        self.by_number
            .entry(number)
            .or_insert_with(|| HostStatus { number: Some(number), ..HostStatus::at(address) })
    }

    /// Hosts whose routes `flatnet gateway watch` keeps.
    fn add_published(&mut self) {
        let table = published(&self.config.gateway.directory);
        for other in table.into_iter().flat_map(|table| table.hosts) {
            let host = self.host(other.number);
            host.name = Some(other.name.to_string());
            host.away_since = (!other.answers).then(|| shown(&other.since));
        }
    }

    /// The hosts that the kernel is told of.
    fn add_peers(&mut self, peers: &Peers, own: u16) {
        for peer in peers.hosts.iter().filter(|peer| peer.number != own) {
            let host = self.host(peer.number);
            host.name = Some(peer.host.to_string());
            host.path = Some(HostPath::Direct { to: peer.address.to_string() });
        }
    }

    /// Asks all that there may be.
    fn ask(&mut self) {
        // Without its bridge this host has no address to ask from.
        let present =
            OtherHosts::of(self.config).map(|others| others.present(&others.all()).unwrap_or_default());
        for (number, PresentHost { round_trip, version }) in present.into_iter().flatten() {
            let host = self.host(number);
            host.round_trip = Some(round_trip.as_secs_f64() * 1000.0);
            host.version = version;
            host.away_since = None;
        }
    }

    /// Hosts with a tunnel. Returns the lighthouses among them.
    fn add_tunnels(&mut self, tunnels: Vec<Tunnel>, overlay: &Overlay) -> Vec<HostStatus> {
        let numbers = 1..=self.config.hosts();
        let mut lighthouses = Vec::new();
        for tunnel in tunnels {
            let is_at = |number: &u16| tunnel.vpn_addrs.contains(&overlay.address_of(*number).into());
            if let Some(number) = numbers.clone().find(is_at) {
                self.host(number).take(tunnel);
            } else if let Some(&address) = tunnel.vpn_addrs.first() {
                let mut lighthouse = HostStatus::at(address);
                lighthouse.take(tunnel);
                lighthouses.push(lighthouse);
            }
        }
        lighthouses.sort_by_key(|lighthouse| lighthouse.address);
        lighthouses
    }
}

impl HostStatus {
    fn at(address: IpAddr) -> Self {
        Self {
            number: None,
            name: None,
            address,
            path: None,
            certificate: None,
            round_trip: None,
            version: None,
            away_since: None,
        }
    }

    fn take(&mut self, tunnel: Tunnel) {
        let Tunnel { vpn_addrs: _, current_remote, current_relays_to_me, cert } = tunnel;
        // After a relayed tunnel became direct, the relays stay listed.
        self.path = Some(if current_remote.is_empty() {
            HostPath::Relayed { by: current_relays_to_me }
        } else {
            HostPath::Direct { to: shown(&current_remote) }
        });
        self.certificate = cert.map(CertificateStatus::from);
        self.name =
            self.certificate.as_ref().map(|certificate| certificate.name.clone()).or(self.name.take());
    }
}
