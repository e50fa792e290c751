//! `flatnet overlay ca`, `sign`, `lighthouse` and `revoke`: on the machine with the certificate authority.

use std::path::PathBuf;

use clap::Args;
use ipnet::Ipv4Net;
use serde_json::json;

use super::host::show;
use super::passphrase::Passphrase;
use crate::error::{Error, Kind};
use crate::faces::cli::{Options, output};
use crate::model::config::OverlayKind;
use crate::model::types::HostName;
use crate::overlay::authority::{Authority, NumberRequest, Scope, Terms};
use crate::overlay::papers::{Carrier, JoinRequest, Paper, UdpEndpoint, write};
use crate::overlay::{lighthouse, nebula, vxlan};
use crate::setup::task;

const FOLDER: &str = "/etc/flatnet/ca";
/// How long an authority's certificate is valid by default, and at most: ten years and a hundred.
const HOURS: u32 = 87_600;
const MOST_HOURS: i64 = 876_000;

/// The folder of the authority.
#[derive(Debug, Args)]
struct Folder {
    /// The folder of the certificate authority.
    #[arg(long, value_name = "DIR", default_value = FOLDER, value_parser = absolute_path)]
    ca: PathBuf,
}

/// Make a certificate authority, once for all hosts.
///
/// Whoever has its key decides which host has which addresses. Keep the folder on a machine that few people use, and a copy of
/// it somewhere else: without it no host can be added. With `--kind vxlan` there are no certificates and no key: the folder only keeps
/// the hosts' numbers, and nothing between hosts is encrypted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay ca --passphrase-file /dev/stdin\n  flatnet overlay ca --no-passphrase      # whoever reads the folder can add hosts\n  flatnet overlay ca --kind vxlan         # for one trusted LAN: not encrypted"
)]
pub(super) struct Ca {
    #[command(flatten)]
    folder: Folder,
    /// What carries packets between hosts: `nebula`, encrypted, or `vxlan`, not encrypted.
    #[arg(long, value_name = "KIND", default_value_t = OverlayKind::Nebula)]
    kind: OverlayKind,
    /// The authority's name.
    #[arg(long, value_name = "NAME", default_value = "flatnet")]
    name: HostName,
    #[command(flatten)]
    passphrase: Passphrase,
    /// Do not encrypt the key.
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,
    /// The addresses of Flatnet on all hosts.
    #[arg(long, value_name = "NET", default_value = "10.87.0.0/16")]
    range: Ipv4Net,
    /// The prefix length of a host's part of the range.
    #[arg(long, value_name = "BITS", default_value_t = 24)]
    subnet_prefix: u8,
    /// The hosts' own addresses in the overlay.
    #[arg(long, value_name = "NET", default_value = "10.86.0.0/16")]
    network: Ipv4Net,
    /// How long its certificate is valid. Default: 87600 hours, ten years. No certificate of a host outlasts it.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=MOST_HOURS))]
    hours: Option<u32>,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl Ca {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let passphrase = self.passphrase.read()?;
        let has_key = self.kind == OverlayKind::Nebula;
        if !has_key && (passphrase.is_some() || self.no_passphrase || self.hours.is_some()) {
            let what =
                "with --kind vxlan there is no key and no certificate, and so no passphrase and no end";
            return Err(Error::new(Kind::BadValue, what)
                .remedy("Leave --passphrase-file, --no-passphrase and --hours out")
                .into());
        }
        if has_key && passphrase.is_none() && !self.no_passphrase {
            return Err(Error::new(Kind::Authority, "nothing says how the authority's key is kept")
                .remedy("Name a passphrase with --passphrase-file FILE, or leave the key readable to root with --no-passphrase")
                .into());
        }
        let mut executor = options.silent_executor();
        if has_key {
            nebula::refuse_old(&mut executor)?;
        }
        let Self { kind, name, range, subnet_prefix, network, hours, .. } = self;
        let scope = Scope {
            kind: *kind,
            name: name.clone(),
            range: *range,
            subnet_prefix: *subnet_prefix,
            network: *network,
            hours: hours.unwrap_or(HOURS),
        };
        let tasks = Authority::plan_to_create(&self.folder.ca, &scope, passphrase.as_deref())?;
        if self.dry_run {
            return Ok(show(&tasks, options));
        }
        task::run(&tasks, &mut executor)?;
        let folder = self.folder.ca.display();
        if options.json {
            output::print_json(&json!({"folder": self.folder.ca}));
            return Ok(0);
        }
        if !has_key {
            output::print(&format!(
                "Wrote {folder}. Keep a copy of it: it knows which numbers are given.\n\nNext:\n  flatnet overlay sign REQUEST                              # for each host\n"
            ));
            output::note(&format!("Warning: {}", vxlan::WARNING));
            return Ok(0);
        }
        output::print(&format!(
            "Wrote {folder}. Keep a copy of it: without its key no host can be added.\n\nNext:\n  flatnet overlay lighthouse NAME --at ADDRESS:4242 FOLDER   # at least one, at a stable address\n  flatnet overlay sign REQUEST                              # for each host\n"
        ));
        if self.no_passphrase {
            output::note(&format!("Note: whoever can read {folder}/ca.key can add hosts"));
        }
        Ok(0)
    }
}

/// Sign the request of a new host, and print its invitation.
///
/// The host gets a number, which is its own for ever: a number is never given to another host. With the same request and number
/// it renews the certificate. With VXLAN it tells the host all hosts; the others must be told of it: `flatnet overlay peers`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay sign bob.request > bob.invitation\n  flatnet overlay sign --number 7 bob.request > bob.invitation    # also renews the certificate of host 7\n  flatnet overlay sign --hours 8760 bob.request > bob.invitation  # valid for a year\n  flatnet overlay sign --dry-run bob.request                      # which number it would get"
)]
pub(super) struct Sign {
    #[command(flatten)]
    folder: Folder,
    /// The file with the request. Default: standard input.
    #[arg(value_name = "REQUEST", value_parser = crate::faces::cli::path)]
    request: Option<PathBuf>,
    /// The host's number: `auto` for the first that is free.
    #[arg(long, value_name = "N", default_value = "auto")]
    number: NumberRequest,
    /// How long the certificate is valid, at most as long as the authority's, which is the default. Not with VXLAN.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=MOST_HOURS))]
    hours: Option<u32>,
    #[command(flatten)]
    passphrase: Passphrase,
    /// With VXLAN: also for hosts outside of private networks, where anybody on the way can read and forge packets.
    #[arg(long)]
    force: bool,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl Sign {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let authority = Authority::open(&self.folder.ca)?;
        let request: JoinRequest = Paper::Request.read(self.request.as_deref())?;
        let passphrase = self.passphrase.of_key(authority.needs_passphrase()?)?;
        let mut executor = options.silent_executor();
        if authority.kind() == OverlayKind::Nebula {
            nebula::refuse_old(&mut executor)?;
        }
        let terms = Terms { hours: self.hours, passphrase: passphrase.as_deref(), force: self.force };
        if self.dry_run {
            let signing = authority.plan_to_sign(&request, self.number, &terms, &mut executor)?;
            output::note(&format!(
                "Host {} would get number {}, and its containers addresses in {}",
                request.host, signing.number, signing.subnet
            ));
            return Ok(show(&signing.tasks, options));
        }
        let invitation = authority.sign(&request, self.number, &terms, &mut executor)?;
        match &invitation.carrier {
            Carrier::Nebula(credentials) if credentials.lighthouses.is_empty() => output::note(
                "Note: there is no lighthouse yet, and without one hosts do not find one another: `flatnet overlay lighthouse --help`",
            ),
            Carrier::Vxlan(peers) if peers.hosts.len() > 1 => output::note(
                "Note: the other hosts must be told of it. On each of them, with this invitation: flatnet overlay peers FILE",
            ),
            _ => {}
        }
        output::note(&format!(
            "Host {} has number {}: containers on it have addresses in {}",
            invitation.host, invitation.number, invitation.subnet
        ));
        let comment = format!(
            "Flatnet: the invitation of host {} ({}). It holds no secret. On that host: flatnet overlay join FILE",
            invitation.number, invitation.host
        );
        output::print(&write(&invitation, &comment)?);
        Ok(0)
    }
}

/// Write the files of a lighthouse, by which hosts find one another.
///
/// A lighthouse is Nebula on a small machine with a stable address, which all hosts reach by UDP. It needs no privilege and no
/// Flatnet, and relays packets of hosts that do not reach one another directly. Make two. Hosts that joined before learn of it
/// from a new invitation. With the name of a known one it renews its certificate, or moves it to another address.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay lighthouse lights1 --at 203.0.113.7:4242 lights1/\n  flatnet overlay lighthouse lights1 --at 203.0.113.7:4242 lights1/ --dry-run"
)]
pub(super) struct LighthouseCommand {
    #[command(flatten)]
    folder: Folder,
    /// The lighthouse's name.
    name: HostName,
    /// The folder to write.
    #[arg(value_name = "FOLDER", value_parser = absolute_path)]
    to: PathBuf,
    /// The address or DNS name and the port of UDP by which hosts reach it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    at: UdpEndpoint,
    #[command(flatten)]
    passphrase: Passphrase,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl LighthouseCommand {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let authority = Authority::open(&self.folder.ca)?;
        let passphrase = self.passphrase.of_key(authority.needs_passphrase()?)?;
        let mut executor = options.silent_executor();
        if authority.kind() == OverlayKind::Nebula {
            nebula::refuse_old(&mut executor)?;
        }
        let _alone = (!self.dry_run).then(|| authority.alone()).transpose()?;
        // Another run may have added one.
        let authority = Authority::open(&self.folder.ca)?;
        let of = (&self.name, &self.at);
        let tasks = lighthouse::plan(&authority, of, &self.to, passphrase.as_deref(), &mut executor)?;
        if self.dry_run {
            return Ok(show(&tasks, options));
        }
        task::run(&tasks, &mut executor)?;
        let authority = Authority::open(&self.folder.ca)?;
        if options.json {
            output::print_json(&json!({"folder": self.to, "lighthouses": authority.lighthouses()}));
            return Ok(0);
        }
        let folder = self.to.display();
        output::print(&format!(
            "Wrote {folder}, with the lighthouse's private key. Copy it to that machine, then run there, in this folder:\n  nebula -config nebula.yml        # or by flatnet-lighthouse.service, which is in the folder\nHosts that joined before learn of it when their requests are signed again, and they join with that.\n"
        ));
        Ok(0)
    }
}

/// Revoke the certificates of a host, so that no host talks to it.
///
/// Prints the command to run on each host and each lighthouse; later invitations contain the list. The number stays that host's. With
/// VXLAN it prints the list of the other hosts, for `flatnet overlay peers` on each of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet overlay revoke 7\n  flatnet overlay revoke --dry-run 7")]
pub(super) struct Revoke {
    #[command(flatten)]
    folder: Folder,
    /// The host's number.
    #[arg(value_name = "N")]
    number: u16,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl Revoke {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let authority = Authority::open(&self.folder.ca)?;
        let mut executor = options.silent_executor();
        if authority.kind() == OverlayKind::Nebula {
            nebula::refuse_old(&mut executor)?;
        }
        let _alone = (!self.dry_run).then(|| authority.alone()).transpose()?;
        let (revoked, tasks) = authority.plan_to_revoke(self.number, &mut executor)?;
        if self.dry_run {
            return Ok(show(&tasks, options));
        }
        task::run(&tasks, &mut executor)?;
        if authority.kind() == OverlayKind::Vxlan {
            let peers = authority.peers()?;
            output::print(&vxlan::list(&peers)?);
            output::note("On each of these hosts, with this list: flatnet overlay peers --drop FILE");
            return Ok(0);
        }
        if options.json {
            output::print_json(&json!({"revoked": revoked}));
            return Ok(0);
        }
        let list = revoked.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        output::print(&format!(
            "Run this on every host:\n  flatnet overlay block {list}\nOn each lighthouse, write them into the list `blocklist: [\"..\", \"..\"]` of nebula.yml, then: systemctl reload flatnet-lighthouse\n"
        ));
        Ok(0)
    }
}

/// A path that programs with another working directory find, too.
fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = crate::faces::cli::path(text)?;
    std::path::absolute(&path).map_err(|cause| cause.to_string())
}
