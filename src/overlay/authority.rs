//! The folder of the certificate authority. For VXLAN there are no certificates, and it only keeps the hosts' numbers.
//!
//! ```text
//! authority.yaml    ranges and lighthouses
//! ca.crt, ca.key    the authority's certificate and key
//! issued/N/         a host's number, claimed by making the folder: its request, and its public key and certificates, 1.crt and so on
//! lighthouses/NAME/ a lighthouse's certificate
//! revoked           fingerprints, a line each
//! ```
//!
//! nebula-cert signs one number twice without a word, and then both hosts lose packets. Making a folder can succeed only once, also if two
//! people sign at the same time, and once something was signed it is never removed: a number that was lost is not given again.

use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::nebula;
use super::papers::{
    Carrier, Credentials, Fingerprint, Identity, Invitation, JoinRequest, Lighthouse, One, Paper, Pem,
    UdpEndpoint, certificates_in, write,
};

use crate::error::{Error, Kind, Result, io};
use crate::kernel::execute::Executor;
use crate::model::command::Command;
use crate::model::config::{Config, Overlay, OverlayKind, Peer, Peers};
use crate::model::types::HostName;
use crate::setup::task::{self, Task};
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

/// How a request would be signed.
#[derive(Debug)]
pub struct Signing {
    /// The host's number.
    pub number: u16,
    /// Its containers' addresses.
    pub subnet: Ipv4Net,
    /// What is run.
    pub tasks: Vec<Task>,
    /// Where the certificate is then.
    certificate: Option<PathBuf>,
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
    /// The commands that make an authority in `folder`, which must not exist. Its key is encrypted if there is a passphrase.
    pub fn plan_to_create(folder: &Path, scope: &Scope, passphrase: Option<&str>) -> Result<Vec<Task>> {
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
        let mut tasks = Task::folder(folder, "700", "only root enters it")?;
        let authority = Self { folder: folder.to_owned(), record };
        if scope.kind == OverlayKind::Nebula {
            tasks.push(authority.key_and_certificate(scope, passphrase));
        }
        tasks.extend(authority.save()?);
        Ok(tasks)
    }

    fn key_and_certificate(&self, scope: &Scope, passphrase: Option<&str>) -> Task {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let (certificate, key) = (path("ca.crt"), path("ca.key"));
        let hours = format!("{}h", scope.hours);
        let (network, range) = (scope.network.to_string(), scope.range.to_string());
        let mut words = vec!["nebula-cert", "ca", "-name", scope.name.as_str(), "-networks", &network];
        words.extend(["-unsafe-networks", &range]);
        words.extend(["-duration", &hours, "-out-crt", &certificate, "-out-key", &key]);
        if passphrase.is_some() {
            words.push("-encrypt");
            words.extend(ARGON);
        }
        Task::new(Command::new(words), "the authority's key and certificate")
            .with_secret(nebula::PASSPHRASE, passphrase)
            .explained_by(nebula::explained)
    }

    /// Opens the authority in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("authority.yaml");
        let text = match fs::read_to_string(&path) {
            Err(cause) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&cause.kind()) => {
                let what = format!("there is no certificate authority in {}", folder.display());
                return Err(Error::new(Kind::Authority, what).remedy(
                    "Run this where the authority is, and name its folder with --ca if it is another; `flatnet overlay ca` makes one, once for all hosts",
                ));
            }
            text => text.map_err(io("read", &path))?,
        };
        let record = Paper::Authority.parse(&text, &path.display().to_string())?;
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
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.contains("ENCRYPTED")),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                Err(Error::new(Kind::Authority, format!("the authority's key is missing: {}", path.display()))
                    .remedy("Restore it from your copy of the folder; if there is none, make a new authority (ops/runbooks/other-hosts.md)"))
            }
            Err(cause) => Err(io("read", &path)(cause)),
        }
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

    /// Only one run at a time changes the folder, from before it makes its plan.
    pub fn alone(&self) -> Result<Lock> {
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
        let signing = self.plan_to_sign(request, wanted, terms, executor)?;
        task::run(&signing.tasks, executor)?;
        let carrier = match &signing.certificate {
            Some(path) => Carrier::Nebula(Credentials {
                lighthouses: self.record.lighthouses.clone(),
                revoked: self.revoked()?,
                ca: self.certificates()?,
                certificate: Pem::parse(&fs::read_to_string(path).map_err(io("read", path))?)?,
            }),
            None => Carrier::Vxlan(self.peers()?),
        };
        let config = self.record.config(signing.number)?;
        Ok(Invitation {
            flatnet_invitation: One,
            host: request.host.clone(),
            number: signing.number,
            range: config.range,
            subnet: config.subnet,
            network: overlay_of(&config)?.network,
            carrier,
        })
    }

    /// The commands by which that is done.
    pub fn plan_to_sign(
        &self,
        request: &JoinRequest,
        wanted: NumberRequest,
        terms: &Terms<'_>,
        executor: &mut impl Executor,
    ) -> Result<Signing> {
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
            Identity::Nebula { .. } => {
                self.refuse_known_key(request, wanted)?;
                self.refuse_longer(terms.hours, executor)?;
            }
            Identity::Vxlan { .. } if terms.hours.is_some() => {
                let what = "with kind vxlan there are no certificates, so nothing is valid for some hours";
                return Err(Error::new(Kind::BadValue, what)
                    .remedy("Leave --hours out; a host's way out is `flatnet overlay revoke`"));
            }
            Identity::Vxlan { address } => self.refuse_address(request, *address, wanted, terms.force)?,
        }
        let (number, mut tasks) = self.claim(request, wanted)?;
        let mut certificate = None;
        if let Identity::Nebula { public_key } = &request.identity {
            let (path, more) = self.certificate(request, public_key, number, terms)?;
            tasks.extend(more);
            certificate = Some(path);
        }
        Ok(Signing { number, subnet: self.record.config(number)?.subnet, tasks, certificate })
    }

    /// An error if a certificate that is valid for `hours` from now on would outlast the authority's, or if that has ended.
    fn refuse_longer(&self, hours: Option<u32>, executor: &mut impl Executor) -> Result<()> {
        let end = nebula::certificate(&self.certificates()?, executor)?.details.not_after;
        // Nebula judges what cannot be read.
        let Ok(ends) = end.parse::<Timestamp>() else { return Ok(()) };
        // Nebula compares with a later time than this.
        let left = (ends.as_second() - Timestamp::now().as_second() - 1).div_euclid(3600);
        if left < 0 {
            return Err(Error::new(Kind::Authority, format!("the authority's certificate ended at {end}")).remedy(
                "Make a new authority, which takes over without losing a packet: docs/setup/second-host.md, \"How long certificates are valid\"",
            ));
        }
        match hours {
            Some(hours) if i64::from(hours) > left => {
                let what = format!(
                    "the certificate would be valid for {hours} hours, but the authority's ends in {left}, at {end}"
                );
                Err(Error::new(Kind::Authority, what).remedy(format!(
                    "Use --hours {left} or less; without it the certificate ends when the authority's does"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The commands that certify `public_key` as that of the host with this number, and where the certificate will be.
    fn certificate(
        &self,
        request: &JoinRequest,
        public_key: &Pem,
        number: u16,
        terms: &Terms<'_>,
    ) -> Result<(PathBuf, [Task; 2])> {
        let config = self.record.config(number)?;
        let (networks, containers) = (overlay_of(&config)?.address().to_string(), config.subnet.to_string());
        let folder = self.number(number);
        let last = last_certificate(&folder);
        let path = folder.join(format!("{}.crt", last + 1));
        let key = folder.join("host.pub");
        let put = Task::put(&key, "644", &public_key.to_string(), "the host's public key");
        let key = key.display().to_string();
        let mut arguments = vec!["-in-pub", &key, "-name", request.host.as_str(), "-networks", &networks];
        arguments.extend(["-unsafe-networks", &containers]);
        let certify = self.certify(&arguments, terms.hours, &path, terms.passphrase);
        Ok((path, [put, certify]))
    }

    /// The folder of a number.
    fn number(&self, number: u16) -> PathBuf {
        self.folder.join("issued").join(number.to_string())
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
        self.number(number).join(REVOKED).exists()
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

    /// The commands that make a lighthouse's certificate at `to` for the key beside it, and by which later hosts know where it is. One
    /// of this name that is known keeps its own address. Returns what hosts will know, too.
    pub fn plan_to_add_lighthouse(
        &self,
        name: &HostName,
        at: &UdpEndpoint,
        to: &Path,
        passphrase: Option<&str>,
        executor: &mut impl Executor,
    ) -> Result<(Lighthouse, Vec<Task>)> {
        if self.record.kind == OverlayKind::Vxlan {
            let what = "hosts of an overlay of kind vxlan need no lighthouse: a file names them";
            return Err(Error::new(Kind::BadValue, what));
        }
        self.refuse_longer(None, executor)?;
        let folder = self.folder.join("lighthouses").join(name.as_str());
        let own = folder.join("host.crt");
        // One that is known gets another certificate, for the address that it has.
        let known = if folder.exists() { Some(own_address(&own, executor)?) } else { None };
        let address = known.unwrap_or_else(|| self.lighthouse_address());
        if self.record.lighthouses.iter().any(|other| other.at == *at && other.address != address) {
            let what = format!("there is another lighthouse at {at} already");
            return Err(Error::new(Kind::BadValue, what)
                .remedy("Name the address and port of this one with --at, or renew the other by its name"));
        }
        let lighthouse = Lighthouse { address, at: at.clone() };
        let networks = format!("{}/{}", lighthouse.address, self.record.network.prefix_len());
        let key = to.with_file_name("host.pub").display().to_string();
        let arguments = ["-in-pub", &key, "-name", name.as_str(), "-networks", &networks];
        let mut tasks = vec![self.certify(&arguments, None, to, passphrase)];
        if known.is_none() {
            tasks.extend(Task::folder(&folder, "700", "what the authority knows of the lighthouse")?);
        }
        tasks.push(Task::copy(to, &own, "644", "its own address stays known"));
        let mut record = self.record.clone();
        record.lighthouses.retain(|other| other.address != address);
        record.lighthouses.push(lighthouse.clone());
        tasks.extend(Self { record, folder: self.folder.clone() }.save()?);
        Ok((lighthouse, tasks))
    }

    /// The fingerprints of all certificates of the host with this number, and the commands that revoke them.
    pub fn plan_to_revoke(
        &self,
        number: u16,
        executor: &mut impl Executor,
    ) -> Result<(Vec<Fingerprint>, Vec<Task>)> {
        let folder = self.number(number);
        let entries = fs::read_dir(&folder).map_err(|_| {
            Error::new(Kind::BadValue, format!("no host has the number {number}"))
                .remedy(format!("`ls {}` lists the numbers", self.folder.join("issued").display()))
        })?;
        let mut issued: Vec<Fingerprint> = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|extension| extension == "crt") {
                issued.push(nebula::certificate(&certificates_in(&path)?, executor)?.fingerprint);
            }
        }
        issued.sort();
        let mut revoked = self.revoked()?;
        revoked.extend(issued.iter().cloned());
        revoked.sort();
        revoked.dedup();
        let text: String = revoked.iter().map(|print| format!("{print}\n")).collect();
        let list = Task::replace(&self.folder.join("revoked"), "644", &text, "later invitations contain it");
        let mark = Task::put(&folder.join(REVOKED), "644", "", "nobody gets this number");
        Ok((issued, list.into_iter().chain([mark]).collect()))
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

    /// The command that makes a certificate at `to`.
    fn certify(&self, arguments: &[&str], hours: Option<u32>, to: &Path, passphrase: Option<&str>) -> Task {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let (certificate, key, hours) =
            (path("ca.crt"), path("ca.key"), hours.map(|hours| format!("{hours}h")));
        let to = to.display().to_string();
        let mut all = vec!["nebula-cert", "sign", "-ca-crt", &certificate, "-ca-key", &key, "-out-crt", &to];
        all.extend(arguments);
        if let Some(hours) = &hours {
            all.extend(["-duration", hours]);
        }
        Task::new(Command::new(all), "the certificate")
            .undone_by([Command::new(["rm", "-f", &to])])
            .with_secret(nebula::PASSPHRASE, passphrase)
            .explained_by(nebula::explained)
    }

    /// The number for the host of `request`, and the commands that claim it.
    fn claim(&self, request: &JoinRequest, wanted: NumberRequest) -> Result<(u16, Vec<Task>)> {
        let hosts = self.record.config(1)?.hosts();
        match wanted {
            NumberRequest::Auto => {
                // Signed again, because the first attempt failed or the certificate ends.
                let is_held = |number: &u16| {
                    !self.is_revoked(*number) && self.holder(*number).is_some_and(|holder| holder == *request)
                };
                if let Some(number) = (1..=hosts).find(is_held) {
                    return Ok((number, Vec::new()));
                }
                let number = (1..=hosts).find(|number| !self.number(*number).exists());
                let number = number.ok_or_else(|| {
                    Error::new(Kind::BadValue, format!("all {hosts} numbers are taken"))
                        .remedy("Numbers are given once. Make an authority with a larger --range or a larger --subnet-prefix")
                })?;
                Ok((number, self.claim_free(request, number)?))
            }
            NumberRequest::Number(number) if !(1..=hosts).contains(&number) => {
                let what = format!(
                    "{number} is not between 1 and {hosts}, the hosts that range {} has room for",
                    self.record.range
                );
                Err(Error::new(Kind::BadValue, what))
            }
            NumberRequest::Number(number) => Ok((number, self.claim_one(request, number)?)),
        }
    }

    /// The commands that claim a free number: making a folder succeeds only once.
    fn claim_free(&self, request: &JoinRequest, number: u16) -> Result<Vec<Task>> {
        let folder = self.number(number);
        let mut tasks = Task::folder(&folder, "755", "claims the number: only one can make it")?;
        let text = write(request, "who has this number")?;
        tasks.push(Task::put(&folder.join("request.yaml"), "644", &text, "who has it"));
        Ok(tasks)
    }

    fn claim_one(&self, request: &JoinRequest, number: u16) -> Result<Vec<Task>> {
        if !self.number(number).exists() {
            return self.claim_free(request, number);
        }
        let holder = match self.holder(number) {
            Some(holder) if self.is_revoked(number) => format!("{}, which is revoked", holder.host),
            Some(holder) if holder == *request => return Ok(Vec::new()),
            Some(JoinRequest { host, identity: Identity::Vxlan { .. }, .. }) if host == request.host => {
                let path = self.number(number).join("request.yaml");
                let text = write(request, "who has this number")?;
                return Ok(vec![Task::put(&path, "644", &text, "its new address")]);
            }
            Some(holder) => holder.host.to_string(),
            None => "(unknown: its signing was interrupted)".to_owned(),
        };
        Err(Error::new(Kind::BadValue, format!("number {number} is that of host {holder}, for ever"))
            .remedy("Use --number auto"))
    }

    /// Who has a number.
    fn holder(&self, number: u16) -> Option<JoinRequest> {
        let path = self.number(number).join("request.yaml");
        Paper::Request.parse(&fs::read_to_string(path).ok()?, "its request").ok()
    }

    /// Counted down from the end of the network, where no host's number leads.
    fn lighthouse_address(&self) -> Ipv4Addr {
        let last = self.record.network.broadcast().to_bits().saturating_sub(1);
        let count = u32::try_from(self.record.lighthouses.len()).unwrap_or(u32::MAX);
        Ipv4Addr::from_bits(last.saturating_sub(count))
    }

    fn save(&self) -> Result<[Task; 3]> {
        let text = write(&self.record, "Flatnet's certificate authority; `flatnet overlay` writes it")?;
        Ok(Task::replace(&self.folder.join("authority.yaml"), "644", &text, "ranges and lighthouses"))
    }
}

impl Record {
    /// The configuration of the host with this number, as far as the overlay decides it.
    fn config(&self, number: u16) -> Result<Config> {
        let overlay = Overlay { number, network: self.network, ..Overlay::new(self.kind, number) };
        let config = Config { range: self.range, overlay: Some(overlay), ..Config::default() };
        let prefix = |net: Ipv4Net| Ipv4Net::new(net.addr(), self.subnet_prefix);
        let bad = |_| {
            Error::new(Kind::BadValue, format!("/{} is not a prefix length", self.subnet_prefix))
                .remedy("Use a --subnet-prefix such as 24, which leaves each host 253 containers")
        };
        let config = Config { subnet: prefix(config.range).map_err(bad)?, ..config };
        let config = Config { subnet: config.subnet_of(number), ..config };
        config.check()?;
        Ok(config)
    }
}

fn overlay_of(config: &Config) -> Result<&Overlay> {
    config.overlay.as_ref().ok_or_else(|| Error::new(Kind::Internal, "this configuration has no overlay"))
}

/// The number of the last certificate in the folder of a host; 0 if there is none.
fn last_certificate(folder: &Path) -> u32 {
    let names = fs::read_dir(folder).into_iter().flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".crt")?.parse().ok()).max().unwrap_or(0)
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
