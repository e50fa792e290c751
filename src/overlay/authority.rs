//! The folder of the certificate authority. For VXLAN there are no certificates, and it only keeps the hosts' numbers.
//!
//! ```text
//! authority.yaml    ranges and lighthouses
//! ca.crt, ca.key    the authority's certificate and key
//! issued/N/         a host's number, claimed by making the folder: its request, and its public key and certificates
//! lighthouses/NAME/ a lighthouse's certificate
//! revoked           fingerprints, a line each
//! ```
//!
//! nebula-cert signs one number twice without a word, and then both hosts lose packets. Making a folder can succeed only once, also if two
//! people sign at the same time, and it is never removed: a number that was lost is not given again.

use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::nebula;
use super::papers::{
    Carrier, Credentials, Fingerprint, Identity, Invitation, JoinRequest, Lighthouse, One, Pem, UdpEndpoint,
    read, write,
};
use crate::error::{Error, Kind, Result, io};
use crate::file;
use crate::kernel::execute::Executor;
use crate::model::config::{Config, Overlay, OverlayKind, Peer, Peers};
use crate::model::types::HostName;
use crate::state::lock::Lock;

/// Memory in KiB, passes and threads by which a passphrase is turned into a key: Nebula's own defaults need 2 GiB.
const ARGON: [&str; 6] = ["-argon-memory", "65536", "-argon-iterations", "3", "-argon-parallelism", "2"];

/// In the folder of a number whose host is revoked.
const REVOKED: &str = "revoked";

/// An authority.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    record: Record,
}

/// The contents of `authority.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    flatnet_authority: One,
    kind: OverlayKind,
    range: Ipv4Net,
    subnet_prefix: u8,
    network: Ipv4Net,
    lighthouses: Vec<Lighthouse>,
}

/// What a new authority certifies.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What carries packets between hosts.
    pub kind: OverlayKind,
    /// Its name.
    pub name: HostName,
    /// The addresses of Flatnet on all hosts.
    pub range: Ipv4Net,
    /// The prefix length of a host's part.
    pub subnet_prefix: u8,
    /// The hosts' own addresses.
    pub network: Ipv4Net,
    /// How long its certificate is valid, in hours.
    pub hours: u32,
}

/// How a request is signed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// How long a certificate is valid. Default: as long as the authority's.
    pub hours: Option<u32>,
    /// The passphrase of the authority's key.
    pub passphrase: Option<&'a str>,
    /// Whether hosts of an overlay of kind `vxlan` may have others than private addresses.
    pub force: bool,
}

/// Which number a host gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberRequest {
    /// The first that nobody has claimed.
    Auto,
    /// This one.
    Number(u16),
}

impl std::str::FromStr for NumberRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Number).map_err(|_| "use `auto` or a number such as 2".to_owned()),
        }
    }
}

impl Authority {
    /// Makes an authority in `folder`, which must not hold one. Its key is encrypted if there is a passphrase.
    pub fn create(
        folder: &Path,
        scope: &Scope,
        passphrase: Option<&str>,
        executor: &mut impl Executor,
    ) -> Result<Self> {
        let record = Record {
            flatnet_authority: One,
            kind: scope.kind,
            range: scope.range,
            subnet_prefix: scope.subnet_prefix,
            network: scope.network,
            lighthouses: Vec::new(),
        };
        // The ranges must suit each other.
        record.config(1)?;
        make_folder(folder)?;
        let authority = Self { folder: folder.to_owned(), record };
        // What is half made would be in the way of the next attempt.
        authority.fill(scope, passphrase, executor).inspect_err(|_| drop(fs::remove_dir_all(folder)))?;
        Ok(authority)
    }

    /// Makes key and certificate, if there are any.
    fn fill(&self, scope: &Scope, passphrase: Option<&str>, executor: &mut impl Executor) -> Result<()> {
        if scope.kind == OverlayKind::Vxlan {
            return self.save();
        }
        let path = |name: &str| self.folder.join(name).display().to_string();
        let (certificate, key) = (path("ca.crt"), path("ca.key"));
        let hours = format!("{}h", scope.hours);
        let (network, range) = (scope.network.to_string(), scope.range.to_string());
        let mut arguments =
            vec!["ca", "-name", scope.name.as_str(), "-networks", &network, "-unsafe-networks", &range];
        arguments.extend(["-duration", &hours, "-out-crt", &certificate, "-out-key", &key]);
        match passphrase {
            Some(passphrase) => {
                arguments.push("-encrypt");
                arguments.extend(ARGON);
                nebula::cert_with_passphrase(&arguments, passphrase, executor)?;
            }
            None => drop(nebula::cert(&arguments, None, executor)?),
        }
        self.save()
    }

    /// Opens the authority in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("authority.yaml");
        let text = fs::read_to_string(&path).map_err(io("read", &path)).map_err(|error| {
            error.remedy("Make an authority with `flatnet overlay ca`, or name its folder with --ca")
        })?;
        let record = read(&text, &format!("authority ({})", path.display()))?;
        Ok(Self { folder: folder.to_owned(), record })
    }

    /// What carries packets between its hosts.
    #[must_use]
    pub fn kind(&self) -> OverlayKind {
        self.record.kind
    }

    /// Whether its key is encrypted.
    pub fn needs_passphrase(&self) -> Result<bool> {
        if self.record.kind == OverlayKind::Vxlan {
            return Ok(false);
        }
        let path = self.folder.join("ca.key");
        Ok(fs::read_to_string(&path).map_err(io("read", &path))?.contains("ENCRYPTED"))
    }

    /// The lighthouses so far.
    #[must_use]
    pub fn lighthouses(&self) -> &[Lighthouse] {
        &self.record.lighthouses
    }

    /// The fingerprints of revoked certificates. A line that is none is an error: a list that is cut short would let hosts in.
    pub fn revoked(&self) -> Result<Vec<Fingerprint>> {
        let path = self.folder.join("revoked");
        match fs::read_to_string(&path) {
            Ok(text) => text.lines().map(str::parse).collect(),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(cause) => Err(io("read", &path)(cause)),
        }
    }

    /// Only one run at a time changes the folder.
    fn alone(&self) -> Result<Lock> {
        Lock::acquire(&self.folder.join("lock"), Duration::from_secs(60))
    }

    /// Signs a host's request. A number is given once; only the host that has it gets it again, with the same key, to renew its
    /// certificate, or to tell its new address in the LAN.
    pub fn sign(
        &self,
        request: &JoinRequest,
        wanted: NumberRequest,
        terms: &Terms<'_>,
        executor: &mut impl Executor,
    ) -> Result<Invitation> {
        let _alone = self.alone()?;
        match &request.identity {
            other if other.kind() != self.record.kind => {
                let what = format!(
                    "the request is for kind {}, but the authority is for {}",
                    other.kind(),
                    self.record.kind
                );
                return Err(Error::new(Kind::BadValue, what)
                    .remedy(format!("Make it with `flatnet overlay request --kind {}`", self.record.kind)));
            }
            Identity::Nebula { public_key } if !public_key.is_public_key() => {
                return Err(Error::new(Kind::BadValue, "the request has no public key of X25519")
                    .remedy("Make it with `flatnet overlay request`"));
            }
            Identity::Nebula { .. } => self.refuse_known_key(request, wanted)?,
            Identity::Vxlan { address } => self.refuse_address(request, *address, wanted, terms.force)?,
        }
        let number = self.claim(request, wanted)?;
        let config = self.record.config(number)?;
        let overlay = overlay_of(&config)?;
        let carrier = match &request.identity {
            Identity::Nebula { public_key } => {
                Carrier::Nebula(self.credentials(request, public_key, &config, terms, executor)?)
            }
            Identity::Vxlan { .. } => Carrier::Vxlan(self.peers()?),
        };
        Ok(Invitation {
            flatnet_invitation: One,
            host: request.host.clone(),
            number,
            range: config.range,
            subnet: config.subnet,
            network: overlay.network,
            carrier,
        })
    }

    /// Certifies `public_key` as that of the host of `config`.
    fn credentials(
        &self,
        request: &JoinRequest,
        public_key: &Pem,
        config: &Config,
        terms: &Terms<'_>,
        executor: &mut impl Executor,
    ) -> Result<Credentials> {
        let overlay = overlay_of(config)?;
        let networks = overlay.address().to_string();
        let containers = config.subnet.to_string();
        let folder = self.folder.join("issued").join(overlay.number.to_string());
        let key = folder.join("host.pub");
        put(&key, &public_key.to_string())?;
        let key = key.display().to_string();
        let mut arguments = vec!["-in-pub", &key, "-name", request.host.as_str(), "-networks", &networks];
        arguments.extend(["-unsafe-networks", &containers]);
        let certificate = self.certify(&arguments, terms.hours, terms.passphrase, executor)?;
        let issued = nebula::certificate(&certificate, executor)?;
        put(&folder.join(format!("{}.crt", issued.fingerprint)), &certificate.to_string())?;
        Ok(Credentials {
            lighthouses: self.record.lighthouses.clone(),
            revoked: self.revoked()?,
            ca: self.certificates()?,
            certificate,
        })
    }

    /// The hosts of an overlay of kind `vxlan` that are not revoked.
    pub fn peers(&self) -> Result<Peers> {
        let room = self.record.config(1)?.hosts();
        let peer = |number: u16| {
            let holder = self.holder(number).filter(|_| !self.is_revoked(number))?;
            match holder.identity {
                Identity::Vxlan { address } => Some(Peer { number, host: holder.host, address }),
                Identity::Nebula { .. } => None,
            }
        };
        Ok(Peers { force: false, hosts: (1..=room).filter_map(peer).collect() })
    }

    fn is_revoked(&self, number: u16) -> bool {
        self.folder.join("issued").join(number.to_string()).join(REVOKED).exists()
    }

    /// VXLAN has no keys: a host is known by its name and address. An error if another one has them, or if packets would leave private networks.
    fn refuse_address(
        &self,
        request: &JoinRequest,
        address: Ipv4Addr,
        wanted: NumberRequest,
        force: bool,
    ) -> Result<()> {
        let config = self.record.config(1)?;
        let asked = Peer { number: 1, host: request.host.clone(), address };
        let Peers { hosts, .. } = self.peers()?;
        let is_it = |peer: &Peer| {
            peer.host == asked.host
                && (peer.address == address || wanted == NumberRequest::Number(peer.number))
        };
        let others: Vec<Peer> = hosts.into_iter().filter(|peer| !is_it(peer)).collect();
        if let Some(other) = others.iter().find(|peer| peer.host == asked.host || peer.address == address) {
            let what = format!(
                "number {} is that of host {} at {}, which has this name or address",
                other.number, other.host, other.address
            );
            return Err(Error::new(Kind::BadValue, what).remedy(format!(
                "If that host has moved, sign with --number {}. If this is another, make its request with another --name, or revoke that one",
                other.number
            )));
        }
        asked.check_address(&config, force)?;
        Peers { force, hosts: others }.check(&config)
    }

    /// Makes a lighthouse's certificate for `key`, and tells later hosts where it is. One of this name that is known keeps its own address.
    pub fn add_lighthouse(
        &mut self,
        name: &HostName,
        at: &UdpEndpoint,
        key: &Path,
        passphrase: Option<&str>,
        executor: &mut impl Executor,
    ) -> Result<(Lighthouse, Pem)> {
        if self.record.kind == OverlayKind::Vxlan {
            let what = "hosts of an overlay of kind vxlan need no lighthouse: a file names them";
            return Err(Error::new(Kind::BadValue, what));
        }
        let _alone = self.alone()?;
        // Another run may have added one.
        self.record = Self::open(&self.folder)?.record;
        let folder = self.folder.join("lighthouses").join(name.as_str());
        // One that is known gets another certificate, for the address that it has.
        let known =
            if folder.exists() { Some(own_address(&folder.join("host.crt"), executor)?) } else { None };
        let address = known.unwrap_or_else(|| self.lighthouse_address());
        if self.record.lighthouses.iter().any(|other| other.at == *at && other.address != address) {
            let what = format!("there is another lighthouse at {at} already");
            return Err(Error::new(Kind::BadValue, what));
        }
        let lighthouse = Lighthouse { address, at: at.clone() };
        let networks = format!("{}/{}", lighthouse.address, self.record.network.prefix_len());
        let key = key.display().to_string();
        let arguments = ["-in-pub", &key, "-name", name.as_str(), "-networks", &networks];
        let certificate = self.certify(&arguments, None, passphrase, executor)?;
        if known.is_none() {
            make_folder(&folder)?;
        }
        put(&folder.join("host.crt"), &certificate.to_string())?;
        self.record.lighthouses.retain(|other| other.address != address);
        self.record.lighthouses.push(lighthouse.clone());
        self.save()?;
        Ok((lighthouse, certificate))
    }

    /// Revokes all certificates of the host with this number, and returns their fingerprints.
    pub fn revoke(&self, number: u16) -> Result<Vec<Fingerprint>> {
        let _alone = self.alone()?;
        let folder = self.folder.join("issued").join(number.to_string());
        let entries = fs::read_dir(&folder)
            .map_err(|_| Error::new(Kind::BadValue, format!("no host has the number {number}")))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let issued: Vec<Fingerprint> =
            names.filter_map(|name| name.strip_suffix(".crt")?.parse().ok()).collect();
        let mut revoked = self.revoked()?;
        revoked.extend(issued.iter().cloned());
        revoked.sort();
        revoked.dedup();
        let text: String = revoked.iter().map(|print| format!("{print}\n")).collect();
        put(&self.folder.join("revoked"), &text)?;
        put(&folder.join(REVOKED), "")?;
        Ok(issued)
    }

    /// An error if the request's key is that of a revoked host, or of one with another name or number: revoking one number would leave
    /// the other.
    fn refuse_known_key(&self, request: &JoinRequest, wanted: NumberRequest) -> Result<()> {
        let hosts = self.record.config(1)?.hosts();
        let holder = |number: u16| {
            let holder = self.holder(number).filter(|holder| holder.identity == request.identity)?;
            Some((number, holder))
        };
        let Some((number, holder)) = (1..=hosts).find_map(holder) else { return Ok(()) };
        let what = if self.is_revoked(number) {
            format!("the key of this request is that of host {number}, which is revoked")
        } else if holder.host != request.host {
            format!("the key of this request is that of host {number}, which is called {}", holder.host)
        } else if !matches!(wanted, NumberRequest::Number(other) if other != number) {
            return Ok(());
        } else {
            let what = format!("the key of this request is that of host {number}");
            return Err(Error::new(Kind::BadValue, what)
                .remedy(format!("To renew its certificate use --number {number}; for another number the host needs another key")));
        };
        Err(Error::new(Kind::BadValue, what).remedy(
            "Make a new key on the host: `flatnet overlay leave`, or remove host.key and host.pub from /etc/flatnet/overlay; then `flatnet overlay request`",
        ))
    }

    /// The authority's certificates.
    pub fn certificates(&self) -> Result<Pem> {
        let path = self.folder.join("ca.crt");
        Pem::parse(&fs::read_to_string(&path).map_err(io("read", &path))?)
    }

    /// Runs `nebula-cert sign`.
    fn certify(
        &self,
        arguments: &[&str],
        hours: Option<u32>,
        passphrase: Option<&str>,
        executor: &mut impl Executor,
    ) -> Result<Pem> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let (certificate, key, hours) =
            (path("ca.crt"), path("ca.key"), hours.map(|hours| format!("{hours}h")));
        let mut all = vec!["sign", "-ca-crt", &certificate, "-ca-key", &key, "-out-crt", "-"];
        all.extend(arguments);
        if let Some(hours) = &hours {
            all.extend(["-duration", hours]);
        }
        let said = match passphrase {
            Some(passphrase) => nebula::cert_with_passphrase(&all, passphrase, executor)?,
            None => nebula::cert(&all, None, executor)?,
        };
        Pem::parse(&said)
    }

    /// Claims a number for the host of `request`.
    fn claim(&self, request: &JoinRequest, wanted: NumberRequest) -> Result<u16> {
        let hosts = self.record.config(1)?.hosts();
        match wanted {
            NumberRequest::Auto => {
                // Signed again, because the first attempt failed or the certificate ends.
                let is_held = |number: &u16| {
                    !self.is_revoked(*number) && self.holder(*number).is_some_and(|holder| holder == *request)
                };
                let held = (1..=hosts).find(is_held);
                if let Some(number) = held {
                    return Ok(number);
                }
                for number in 1..=hosts {
                    if self.claim_one(request, number)? == Claim::Made {
                        return Ok(number);
                    }
                }
                Err(Error::new(Kind::BadValue, format!("all {hosts} numbers are taken")))
            }
            NumberRequest::Number(number) if !(1..=hosts).contains(&number) => {
                let what = format!(
                    "{number} is not between 1 and {hosts}, the hosts that range {} has room for",
                    self.record.range
                );
                Err(Error::new(Kind::BadValue, what))
            }
            NumberRequest::Number(number) => match self.claim_one(request, number)? {
                Claim::Made | Claim::Same => Ok(number),
                Claim::Anothers(host) => Err(Error::new(
                    Kind::BadValue,
                    format!("number {number} is that of host {host}, for ever"),
                )
                .remedy("Use --number auto")),
            },
        }
    }

    fn claim_one(&self, request: &JoinRequest, number: u16) -> Result<Claim> {
        let folder = self.folder.join("issued").join(number.to_string());
        let issued = self.folder.join("issued");
        fs::create_dir_all(&issued).map_err(io("make", &issued))?;
        let text = write(request, "who has this number")?;
        let moved = |holder: &JoinRequest| {
            holder.host == request.host && matches!(holder.identity, Identity::Vxlan { .. })
        };
        match fs::create_dir(&folder) {
            Ok(()) => {
                put(&folder.join("request.yaml"), &text)?;
                Ok(Claim::Made)
            }
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(match self.holder(number) {
                Some(holder) if self.is_revoked(number) => {
                    Claim::Anothers(format!("{}, which is revoked", holder.host))
                }
                Some(holder) if holder == *request => Claim::Same,
                Some(holder) if moved(&holder) => {
                    put(&folder.join("request.yaml"), &text)?;
                    Claim::Same
                }
                Some(holder) => Claim::Anothers(holder.host.to_string()),
                None => Claim::Anothers("(unknown: its signing was interrupted)".to_owned()),
            }),
            Err(cause) => Err(io("make", &folder)(cause)),
        }
    }

    /// Who has a number.
    fn holder(&self, number: u16) -> Option<JoinRequest> {
        let path = self.folder.join("issued").join(number.to_string()).join("request.yaml");
        read(&fs::read_to_string(path).ok()?, "request").ok()
    }

    /// Counted down from the end of the network, where no host's number leads.
    fn lighthouse_address(&self) -> Ipv4Addr {
        let last = self.record.network.broadcast().to_bits().saturating_sub(1);
        let count = u32::try_from(self.record.lighthouses.len()).unwrap_or(u32::MAX);
        Ipv4Addr::from_bits(last.saturating_sub(count))
    }

    fn save(&self) -> Result<()> {
        put(
            &self.folder.join("authority.yaml"),
            &write(&self.record, "Flatnet's certificate authority; `flatnet overlay` writes it")?,
        )
    }
}

#[derive(PartialEq, Eq)]
enum Claim {
    Made,
    Same,
    Anothers(String),
}

impl Record {
    /// The configuration of the host with this number, as far as the overlay decides it.
    fn config(&self, number: u16) -> Result<Config> {
        let overlay = Overlay { number, network: self.network, ..Overlay::new(self.kind, number) };
        let config = Config { range: self.range, overlay: Some(overlay), ..Config::default() };
        let prefix = |net: Ipv4Net| Ipv4Net::new(net.addr(), self.subnet_prefix);
        let bad = |_| Error::new(Kind::BadValue, format!("/{} is not a prefix length", self.subnet_prefix));
        let config = Config { subnet: prefix(config.range).map_err(bad)?, ..config };
        let config = Config { subnet: config.subnet_of(number), ..config };
        config.check()?;
        Ok(config)
    }
}

fn overlay_of(config: &Config) -> Result<&Overlay> {
    config.overlay.as_ref().ok_or_else(|| Error::new(Kind::Internal, "this configuration has no overlay"))
}

/// The own address in the certificate of a lighthouse.
fn own_address(certificate: &Path, executor: &mut impl Executor) -> Result<Ipv4Addr> {
    let text = fs::read_to_string(certificate).map_err(io("read", certificate))?;
    let networks = nebula::certificate(&Pem::parse(&text)?, executor)?.details.networks.unwrap_or_default();
    networks
        .first()
        .map(Ipv4Net::addr)
        .ok_or_else(|| Error::new(Kind::ForeignFile, format!("{} names no address", certificate.display())))
}

/// Makes a folder that only root enters. It must not exist.
fn make_folder(folder: &Path) -> Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(io("make", parent))?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder).map_err(io("make", folder))
}

fn put(path: &Path, text: &str) -> Result<()> {
    file::replace(path, text.as_bytes()).map_err(io("write", path))
}
