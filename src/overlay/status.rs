//! The overlay as this host sees it: its certificate, the lighthouses, the other hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::console::{self, Tunnel};
use super::nebula::{self, Certificate, HostFiles};
use super::papers::Pem;
use crate::error::{Error, Kind, Result, io};
use crate::kernel::execute::Executor;
use crate::model::config::{Config, Overlay, OverlayKind};
use crate::names::ask::{OtherHosts, PresentHost};

/// The overlay as this host sees it.
#[derive(Debug, Serialize)]
pub struct OverlayStatus {
    /// This host's number.
    pub number: u16,
    /// The version of Nebula's program.
    pub nebula: String,
    /// This host's certificate.
    pub certificate: CertificateStatus,
    /// Why Nebula's tunnels are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_tunnels: Option<String>,
    /// The lighthouses with a tunnel.
    pub lighthouses: Vec<HostStatus>,
    /// The other hosts with a tunnel, or whose resolver answers, by number.
    pub hosts: Vec<HostStatus>,
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
    /// The address of its bridge, or a lighthouse's own.
    pub address: IpAddr,
    /// How its packets travel, if there is a tunnel.
    pub path: Option<TunnelPath>,
    /// Its certificate, if there is a tunnel.
    pub certificate: Option<CertificateStatus>,
    /// How long its resolver took to answer, in milliseconds; none if it did not.
    pub round_trip: Option<f64>,
    /// The version of Flatnet there, if it answers.
    pub version: Option<String>,
}

/// How packets to a host travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum TunnelPath {
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
        let Certificate { details, fingerprint } = certificate;
        let shown = |text: &str| crate::model::types::shown(text);
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
        let overlay = config.overlay.as_ref().ok_or_else(|| {
            Error::new(Kind::BadValue, "this host has joined no overlay")
                .remedy("docs/setup/second-host.md says how hosts are connected")
        })?;
        if overlay.kind == OverlayKind::Vxlan {
            let what = "VXLAN carries packets between hosts, and has no tunnels to show";
            return Err(Error::new(Kind::BadValue, what).remedy(format!(
                "{} names the hosts; `flatnet plan` says whether the kernel knows them",
                overlay.peers_file().display()
            )));
        }
        let nebula = nebula::refuse_old(executor)?;
        let certificate = own_certificate(files, executor)?;
        let present = match OtherHosts::of(config) {
            // Without its bridge this host has no address to ask from.
            Some(others) => others.present(&others.all()).unwrap_or_default(),
            None => BTreeMap::new(),
        };
        let (tunnels, no_tunnels) = match console::tunnels(files, executor) {
            Ok(tunnels) => (tunnels, None),
            Err(error) => (Vec::new(), Some(error.to_line())),
        };
        let (hosts, lighthouses) = sort(config, overlay, tunnels, present);
        Ok(Self {
            number: overlay.number,
            nebula,
            certificate: certificate.into(),
            no_tunnels,
            lighthouses,
            hosts,
        })
    }
}

/// This host's certificate.
pub fn own_certificate(files: &HostFiles, executor: &mut (impl Executor + ?Sized)) -> Result<Certificate> {
    let path = files.certificate();
    let text = std::fs::read_to_string(&path).map_err(io("read the certificate", &path))?;
    nebula::certificate(&Pem::parse(&text)?, executor)
}

/// Hosts by number, and lighthouses.
fn sort(
    config: &Config,
    overlay: &Overlay,
    tunnels: Vec<Tunnel>,
    present: BTreeMap<u16, PresentHost>,
) -> (Vec<HostStatus>, Vec<HostStatus>) {
    let number_of = |tunnel: &Tunnel| {
        let is_at = |number: &u16| tunnel.vpn_addrs.contains(&overlay.address_of(*number).into());
        (1..=config.hosts()).find(is_at)
    };
    let (mut hosts, mut lighthouses) = (BTreeMap::new(), Vec::new());
    for number in present.keys() {
        hosts.insert(*number, HostStatus::without_tunnel(config, *number));
    }
    for tunnel in tunnels {
        if let Some(number) = number_of(&tunnel) {
            let host = hosts.entry(number).or_insert_with(|| HostStatus::without_tunnel(config, number));
            host.take(tunnel);
        } else if let Some(&address) = tunnel.vpn_addrs.first() {
            let mut lighthouse =
                HostStatus { number: None, address, ..HostStatus::without_tunnel(config, 0) };
            lighthouse.take(tunnel);
            lighthouses.push(lighthouse);
        }
    }
    for (number, PresentHost { round_trip, version }) in present {
        if let Some(host) = hosts.get_mut(&number) {
            host.round_trip = Some(round_trip.as_secs_f64() * 1000.0);
            host.version = version;
        }
    }
    lighthouses.sort_by_key(|lighthouse| lighthouse.address);
    (hosts.into_values().collect(), lighthouses)
}

impl HostStatus {
    fn without_tunnel(config: &Config, number: u16) -> Self {
        Self {
            number: Some(number),
            address: config.bridge_address_of(number).into(),
            path: None,
            certificate: None,
            round_trip: None,
            version: None,
        }
    }

    fn take(&mut self, tunnel: Tunnel) {
        let Tunnel { vpn_addrs: _, current_remote, current_relays_to_me, cert } = tunnel;
        // After a relayed tunnel became direct, the relays stay listed.
        self.path = Some(if current_remote.is_empty() {
            TunnelPath::Relayed { by: current_relays_to_me }
        } else {
            TunnelPath::Direct { to: crate::model::types::shown(&current_remote) }
        });
        self.certificate = cert.map(CertificateStatus::from);
    }
}
