//! The commands by which a host joins the overlay, takes a list of revoked certificates, and leaves.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::nebula::{self, HostFiles};
use super::papers::{Carrier, Credentials, Fingerprint, Invitation, Pem};

use super::vxlan::PeerTerms;
use ipnet::Ipv4Net;

use crate::error::{Error, Kind, Result, io};
use crate::kernel::execute::Executor;
use crate::kernel::{observe, tools};
use crate::model::command::Command;
use crate::model::config::{self, Config, Overlay, OverlayKind};
use crate::setup::task::Task;
use crate::setup::units;

const UNIT: &str = include_str!("../../templates/flatnet-overlay.service.in");
const UNITS: &str = "/etc/systemd/system";
/// The paths in the template of the unit.
const IN_UNIT: (&str, &str, &str) =
    ("/etc/flatnet/overlay/nebula.yml", "/usr/local/bin/flatnet", "/usr/bin/nebula");

/// This host, as far as joining and leaving change it.
#[derive(Debug)]
pub struct ThisHost<'a> {
    /// Its configuration.
    pub config: &'a Config,
    /// Where that is.
    pub path: &'a Path,
    /// `flatnet` with the options for this configuration.
    pub flatnet: Vec<String>,
    /// Whether its bridge exists.
    pub is_up: bool,
    /// The containers that have an address of its subnet.
    pub attached: Vec<String>,
    /// Whether systemd runs.
    pub has_systemd: bool,
    /// Its addresses, except the bridge's.
    pub addresses: Vec<Ipv4Addr>,
    /// Other networks of Flatnet.
    pub other_networks: Vec<String>,
}

impl ThisHost<'_> {
    pub(super) fn files(&self) -> HostFiles {
        HostFiles::beside(self.path)
    }

    /// The unit of Nebula.
    fn unit(&self) -> String {
        format!("{}.service", units::name("flatnet-overlay", &self.config.network))
    }

    fn unit_path(&self) -> PathBuf {
        Path::new(UNITS).join(self.unit())
    }

    pub(super) fn flatnet(&self, verb: &str) -> Command {
        Command::new(self.flatnet.iter().map(String::as_str).chain([verb]))
    }

    /// The configuration's text.
    fn text(&self) -> Result<String> {
        std::fs::read_to_string(self.path).map_err(io("read the configuration", self.path))
    }

    /// The commands by which it joins, or by which what it needs for that is renewed. `terms` are for VXLAN.
    pub fn join(
        &self,
        invitation: &Invitation,
        terms: PeerTerms,
        executor: &mut impl Executor,
    ) -> Result<Vec<Task>> {
        self.refuse_other_range(invitation)?;
        self.refuse_other_kind(invitation)?;
        self.refuse_taken_addresses(invitation)?;
        self.refuse_other_networks()?;
        self.refuse_containers_of_another_subnet(invitation)?;
        let text = self.with_overlay(&self.text()?, invitation);
        let after = config::parse(&text, self.path)?;
        let is_moved = self.is_up && after.subnet != self.config.subnet;
        let mut tasks = match &invitation.carrier {
            Carrier::Nebula(credentials) => self.nebula_files(invitation, credentials, &after, executor)?,
            Carrier::Vxlan(peers) => vec![self.put_own_peers(&after, peers, terms)?],
        };
        if is_moved {
            let why = "the bridge gets an address of the new subnet";
            tasks.push(Task::new(self.flatnet("down"), why).undone_by([self.flatnet("up")]));
        }
        let mut yaml =
            self.put_configuration(&text, "this host's number, and the subnet that follows from it");
        if self.is_up && !is_moved {
            yaml = yaml.undone_by([self.flatnet("up")]);
        }
        tasks.push(yaml);
        let mut up = Task::new(self.flatnet("up"), "the ruleset and the routes for other hosts");
        if !self.is_up || is_moved {
            up = up.undone_by([self.flatnet("down")]);
        }
        tasks.push(up);
        if self.has_systemd && invitation.carrier.kind() == OverlayKind::Nebula {
            tasks.extend(self.nebula_unit()?);
        }
        Ok(tasks)
    }

    /// Writes what Nebula needs, and checks it.
    fn nebula_files(
        &self,
        invitation: &Invitation,
        credentials: &Credentials,
        after: &Config,
        executor: &mut impl Executor,
    ) -> Result<Vec<Task>> {
        let files = self.files();
        let overlay =
            after.overlay.as_ref().ok_or_else(|| Error::new(Kind::Internal, "the overlay is missing"))?;
        refuse_foreign_certificate(invitation, credentials, overlay, &files, executor)?;
        let Credentials { lighthouses, revoked, ca, certificate } = credentials;
        // What `flatnet overlay block` added stays, also if the invitation is older.
        let blocked =
            std::fs::read_to_string(files.nebula()).map(|text| blocked_in(&text)).unwrap_or_default();
        let blocked: BTreeSet<Fingerprint> = revoked.iter().cloned().chain(blocked).collect();
        let blocked: Vec<Fingerprint> = blocked.into_iter().collect();
        let nebula = nebula::host_configuration(after, overlay, lighthouses, &blocked, &files)?;
        let configuration = files.nebula().display().to_string();
        // While one authority replaces another, a host trusts both.
        let trusted = match self.trusted()? {
            Some(own) if !own.contains(ca) => {
                return Err(Error::new(Kind::BadValue, "the invitation is of another authority than those that this host trusts")
                    .remedy("If it replaces this host's, run `flatnet overlay trust FILE` with its ca.crt first; otherwise `flatnet overlay leave`"));
            }
            Some(own) => own,
            None => ca.clone(),
        };
        let mut ca = Task::put(&files.ca(), "644", &trusted.to_string(), "whose certificates count");
        if self.has_systemd && self.unit_path().exists() {
            // With the files as they were.
            ca = ca.undone_by([systemctl(&["reload-or-restart", &self.unit()])]);
        }
        Ok(vec![
            ca,
            Task::put(
                &files.certificate(),
                "644",
                &certificate.to_string(),
                "which addresses this host may use",
            ),
            Task::put(&files.nebula(), "644", &nebula, "Nebula's configuration"),
            Task::new(
                Command::new(["nebula", "-test", "-config", &configuration]),
                "Nebula accepts it, and the certificate is that of this host's key",
            )
            .or_advise("Is this the invitation for this host's own request, and is overlay/host.key the key of that request? `flatnet overlay request` prints the request"),
        ])
    }

    /// Starts Nebula, now and at each boot.
    fn nebula_unit(&self) -> Result<Vec<Task>> {
        let configuration = self.files().nebula().display().to_string();
        let had_unit = self.unit_path().exists();
        let program = tools::find("nebula")?.display().to_string();
        let unit = UNIT
            .replace(IN_UNIT.0, &configuration)
            .replace(IN_UNIT.1, &self.flatnet.join(" "))
            .replace(IN_UNIT.2, &program);
        // Nebula takes new certificates and lighthouses without losing a packet.
        let is_same = std::fs::read_to_string(self.unit_path()).is_ok_and(|before| before == unit);
        let start = if is_same && self.config.overlay.is_some() { "reload-or-restart" } else { "restart" };
        let reload = systemctl(&["daemon-reload"]);
        let put = Task::put(&self.unit_path(), "644", &unit, "starts Nebula, now and at each boot");
        let enable = Task::new(systemctl(&["enable", &self.unit()]), "at each boot");
        let disable = (!had_unit).then(|| systemctl(&["disable", "--now", &self.unit()]));
        Ok(vec![
            put.undone_by([reload.clone()]),
            Task::new(reload, "systemd reads the unit"),
            enable.undone_by(disable),
            Task::new(systemctl(&[start, &self.unit()]), "Nebula uses these files"),
        ])
    }

    /// The commands by which it leaves. Its containers keep their addresses, which are this host's own again.
    pub fn leave(&self) -> Result<Vec<Task>> {
        let Some(overlay) = &self.config.overlay else {
            return Err(not_joined().remedy("Nothing is to be done: it has left, or never joined"));
        };
        let is_vxlan = overlay.kind == OverlayKind::Vxlan;
        let has_interface = !observe::link_is_gone(overlay.interface.as_str());
        let has_unit = self.has_systemd && self.unit_path().exists();
        if !is_vxlan && !has_unit && has_interface {
            // Without the rules of the overlay other hosts would reach everything here.
            let what = format!("Nebula still runs: its interface {} exists", overlay.interface);
            return Err(Error::new(Kind::BadValue, what).remedy(
                "Nebula was started by hand: end it, as with `pkill -x nebula`, then run this again",
            ));
        }
        let files = self.files();
        let mut tasks = Vec::new();
        if has_unit {
            let start = systemctl(&["enable", "--now", &self.unit()]);
            let end = Task::new(systemctl(&["disable", "--now", &self.unit()]), "ends Nebula");
            tasks.push(end.undone_by([start]));
            let reload = systemctl(&["daemon-reload"]);
            let delete = Task::delete(&self.unit_path(), "644", "its unit");
            tasks.extend(delete.map(|delete| delete.undone_by([reload.clone()])));
            tasks.push(Task::new(reload, "systemd forgets the unit"));
        }
        let text = without_overlay(&self.text()?);
        config::parse(&text, self.path)?;
        tasks.push(self.put_configuration(&text, "no other hosts").undone_by([self.flatnet("up")]));
        if is_vxlan && has_interface {
            // Before the rules of the overlay go.
            let del = Command::new(["ip", "link", "del", "dev", overlay.interface.as_str()]);
            tasks.push(Task::new(del, "no packets of other hosts"));
        }
        let range = self.config.range.to_string();
        tasks.push(Task::new(
            Command::new(["ip", "route", "flush", "exact", &range, "type", "unreachable", "proto", "87"]),
            "other hosts' containers are no longer rejected",
        ));
        tasks.push(Task::new(self.flatnet("up"), "the ruleset without other hosts"));
        let peers = overlay.peers_file().to_owned();
        for path in [peers, files.nebula(), files.certificate(), files.ca(), files.public_key()] {
            tasks.extend(Task::delete(&path, "644", "what this host needed for the overlay"));
        }
        if is_vxlan {
            return Ok(tasks);
        }
        // Last, because nothing may print them to restore them.
        let private = [files.console_key(), files.console_host_key(), files.key()];
        let public = [files.console_key(), files.console_host_key()].map(|key| key.with_extension("key.pub"));
        let all = private.into_iter().chain(public).chain([files.console_known_hosts()]);
        let all: Vec<String> = all.map(|path| path.display().to_string()).collect();
        let remove = Command::new(["rm", "-f"].into_iter().chain(all.iter().map(String::as_str)));
        tasks.push(Task::new(remove, "the host's private keys; its number stays its own"));
        Ok(tasks)
    }

    /// The authorities whose certificates count here; none before it joined.
    fn trusted(&self) -> Result<Option<Pem>> {
        let path = self.files().ca();
        match std::fs::read_to_string(&path) {
            Ok(text) => Pem::parse(&text).map(Some),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(io("read", &path)(cause)),
        }
    }

    /// The commands by which certificates of these authorities count here, too, or they alone.
    pub fn trust(&self, authorities: &Pem, is_only: bool, executor: &mut impl Executor) -> Result<Vec<Task>> {
        let trusted = self.trusted()?.ok_or_else(not_joined)?;
        if is_only {
            self.refuse_own_exclusion(authorities, executor)?;
        }
        let all = if is_only { authorities.clone() } else { trusted.and(authorities) };
        Ok(self.reloaded(Task::put(&self.files().ca(), "644", &all.to_string(), "whose certificates count")))
    }

    /// An error if this host's own certificate would count no longer.
    fn refuse_own_exclusion(&self, authorities: &Pem, executor: &mut impl Executor) -> Result<()> {
        let own = self.files().certificate().display().to_string();
        let verify = ["verify", "-ca", "/dev/stdin", "-crt", &own];
        nebula::cert(&verify, Some(&authorities.to_string()), executor).map(drop).map_err(|cause| {
            Error::new(
                Kind::BadValue,
                "this host's own certificate is not of that authority, so other hosts would be cut off",
            )
            .source(cause)
            .remedy("Join with an invitation of that authority first")
        })
    }

    /// `change`, and Nebula reads its files again.
    fn reloaded(&self, change: Task) -> Vec<Task> {
        let mut tasks = vec![change];
        if self.has_systemd {
            tasks.push(Task::new(systemctl(&["reload", &self.unit()]), "Nebula reads it"));
        }
        tasks
    }

    /// The commands by which it no longer talks to hosts with these certificates.
    pub fn block(&self, revoked: &[Fingerprint]) -> Result<Vec<Task>> {
        let overlay = self.config.overlay.as_ref().ok_or_else(not_joined)?;
        if overlay.kind == OverlayKind::Vxlan {
            let what = "hosts of an overlay of kind vxlan have no certificates";
            return Err(Error::new(Kind::BadValue, what).remedy(
                "Take the host out of the file with the hosts: `flatnet overlay peers --drop FILE`",
            ));
        }
        let path = self.files().nebula();
        let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
        let text = with_blocked(&text, revoked).ok_or_else(|| {
            Error::new(Kind::BadValue, format!("{} has no line `  blocklist: [..]`", path.display()))
                .remedy("Run `flatnet overlay join` again with a new invitation")
        })?;
        Ok(self.reloaded(Task::put(&path, "644", &text, "Nebula closes tunnels of these certificates")))
    }

    /// Packets with these source addresses are accepted from the overlay only.
    fn refuse_taken_addresses(&self, invitation: &Invitation) -> Result<()> {
        let is_taken = |address: &&Ipv4Addr| {
            invitation.network.contains(*address) && self.config.overlay.is_none()
                || invitation.range.contains(*address) && !self.config.subnet.contains(*address)
        };
        let Some(address) = self.addresses.iter().find(is_taken) else { return Ok(()) };
        let what = format!(
            "this host has the address {address} outside of Flatnet, which the overlay's networks {} and {} contain",
            invitation.network, invitation.range
        );
        Err(Error::new(Kind::BadValue, what).remedy(
            "Make the certificate authority again, with --range and --network that no LAN of a host overlaps",
        ))
    }

    /// The ruleset of a network with an overlay lets other addresses of the range come by the overlay only.
    fn refuse_other_networks(&self) -> Result<()> {
        if self.other_networks.is_empty() {
            return Ok(());
        }
        let others = self.other_networks.join(", ");
        Err(Error::new(Kind::BadValue, format!("this host has other networks of Flatnet, which would be cut off: {others}"))
            .remedy("Take them down first (`flatnet down --config FILE`) and remove their state, or join with another host"))
    }

    /// Writes the configuration, with the mode that it has, and where a link leads.
    fn put_configuration(&self, text: &str, why: &'static str) -> Task {
        let path = std::fs::canonicalize(self.path).unwrap_or_else(|_| self.path.to_owned());
        let mode = std::fs::metadata(&path).map_or(0o644, |found| found.mode() & 0o777);
        Task::put(&path, &format!("{mode:o}"), text, why)
    }

    /// The configuration with the section of the overlay and its subnet.
    fn with_overlay(&self, text: &str, invitation: &Invitation) -> String {
        let Invitation { number, subnet, network, carrier, .. } = invitation;
        let kind = carrier.kind();
        let mut lines: Vec<String> = without_overlay(text).lines().map(str::to_owned).collect();
        let subnet = format!("subnet: {subnet}");
        match lines.iter_mut().find(|line| line.starts_with("subnet:")) {
            Some(line) => *line = subnet,
            None => lines.push(subnet),
        }
        let default = Overlay::new(kind, *number);
        let network =
            if *network == default.network { String::new() } else { format!("  network: {network}\n") };
        let interface = self.config.overlay.as_ref().map(|overlay| &overlay.interface);
        let interface = interface.filter(|name| **name != default.interface);
        let interface = interface.map(|name| format!("  interface: {name}\n")).unwrap_or_default();
        let peers = self.files().peers();
        let has_peers = kind == OverlayKind::Vxlan && peers != default.peers_file();
        let peers = if has_peers { format!("  peers: {}\n", peers.display()) } else { String::new() };
        format!(
            "{}\noverlay:\n  kind: {kind}\n  number: {number}\n{network}{interface}{peers}",
            lines.join("\n")
        )
    }

    fn refuse_other_range(&self, invitation: &Invitation) -> Result<()> {
        if invitation.range == self.config.range {
            return Ok(());
        }
        let what = format!(
            "the invitation is for range {}, but this host's is {}",
            invitation.range, self.config.range
        );
        Err(Error::new(Kind::BadValue, what).remedy(format!(
            "Write `range: {}` into {}",
            invitation.range,
            self.path.display()
        )))
    }

    /// A host is in one overlay.
    fn refuse_other_kind(&self, invitation: &Invitation) -> Result<()> {
        let kind = invitation.carrier.kind();
        match &self.config.overlay {
            Some(overlay) if overlay.kind != kind => {
                let what = format!(
                    "this host has joined an overlay of kind {}, and the invitation is for {kind}",
                    overlay.kind
                );
                Err(Error::new(Kind::BadValue, what).remedy("Leave it first: `flatnet overlay leave`"))
            }
            _ => Ok(()),
        }
    }

    /// A container keeps its address for as long as it runs.
    fn refuse_containers_of_another_subnet(&self, invitation: &Invitation) -> Result<()> {
        if invitation.subnet == self.config.subnet || self.attached.is_empty() {
            return Ok(());
        }
        let what = format!(
            "number {} has the subnet {}, but containers are attached with addresses of {}: {}",
            invitation.number,
            invitation.subnet,
            self.config.subnet,
            self.attached.join(", ")
        );
        Err(Error::new(Kind::ContainersAttached, what)
            .remedy("Stop them first (`podman stop NAME`); they get addresses of the new subnet when they start again"))
    }
}

/// What a network is told whose subnet is in the range of another network of this host, as of one that has joined an overlay.
#[must_use]
pub fn cut_off(subnet: Ipv4Net, range: Ipv4Net) -> String {
    format!(
        "the containers of this network are cut off: {subnet} is in {range}, which belongs to another network of this host and, with its overlay, to other hosts. Give this network a `range` and `subnet` outside of {range}"
    )
}

/// The error on a host without an overlay.
pub(super) fn not_joined() -> Error {
    Error::new(Kind::BadValue, "this host has joined no overlay").remedy(
        "Join one with `flatnet overlay join`: docs/setup/second-host.md says how hosts are connected",
    )
}

/// An error unless the certificate is the host's and its authority's, and for the addresses that the invitation names.
fn refuse_foreign_certificate(
    invitation: &Invitation,
    credentials: &Credentials,
    overlay: &Overlay,
    files: &HostFiles,
    executor: &mut impl Executor,
) -> Result<()> {
    if !files.key().exists() {
        let what = format!("{} is missing: this host has made no request", files.key().display());
        return Err(
            Error::new(Kind::BadValue, what).remedy("Run `flatnet overlay request`, and have it signed")
        );
    }
    let found = nebula::certificate(&credentials.certificate, executor)?;
    if public_key(files)?.key_digits().is_some_and(|own| own != found.public_key) {
        let Invitation { host, number, .. } = invitation;
        let what =
            format!("the invitation is for the key of host {number} ({host}), and this host has another key");
        return Err(Error::new(Kind::Paper, what).remedy(
            "Take the invitation for this host's own request, which `flatnet overlay request` prints; without one have that signed",
        ));
    }
    let networks = found.details.networks.unwrap_or_default();
    let subnets = found.details.unsafe_networks.unwrap_or_default();
    if networks != [overlay.address()] || subnets != [invitation.subnet] {
        let what = format!(
            "the certificate in the invitation is not for {} and {}",
            overlay.address(),
            invitation.subnet
        );
        return Err(Error::new(Kind::BadValue, what).remedy("Have the request signed again"));
    }
    if let Some(other) = credentials.lighthouses.iter().find(|one| !invitation.network.contains(&one.address))
    {
        let what = format!("the lighthouse {} is not in {}", other.address, invitation.network);
        return Err(Error::new(Kind::BadValue, what).remedy("Have the request signed again"));
    }
    Ok(())
}

fn systemctl(arguments: &[&str]) -> Command {
    Command::new(["systemctl"].into_iter().chain(arguments.iter().copied()))
}

/// The configuration without the section of the overlay.
fn without_overlay(text: &str) -> String {
    let mut is_inside = false;
    let kept = text.lines().filter(|line| {
        let goes_on = line.trim().is_empty() || line.starts_with([' ', '\t']);
        is_inside = line.starts_with("overlay:") || is_inside && goes_on;
        !is_inside
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// Nebula's configuration with these certificates in its list, besides those that are there.
fn with_blocked(text: &str, revoked: &[Fingerprint]) -> Option<String> {
    const LIST: &str = "  blocklist: [";
    let line = text.lines().find(|line| line.starts_with(LIST) && line.ends_with(']'))?;
    let mut all = blocked_in(text);
    all.extend(revoked.iter().cloned());
    all.sort();
    all.dedup();
    let all: Vec<String> = all.iter().map(|one| format!("\"{one}\"")).collect();
    Some(text.replace(line, &format!("{LIST}{}]", all.join(", "))))
}

/// The list in a configuration of Nebula.
fn blocked_in(text: &str) -> Vec<Fingerprint> {
    let list = text.lines().find_map(|line| line.strip_prefix("  blocklist: [")?.strip_suffix(']'));
    list.into_iter()
        .flat_map(|list| list.split(", "))
        .filter_map(|one| one.trim_matches('"').parse().ok())
        .collect()
}

/// What a host asks with: its public key.
pub fn public_key(files: &HostFiles) -> Result<Pem> {
    let path = files.public_key();
    Pem::parse(&std::fs::read_to_string(&path).map_err(io("read", &path))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_is_replaced_and_the_rest_is_kept() {
        let text = "# mine\nnetwork: flatnet\nsubnet: 10.87.1.0/24  # old\noverlay:\n  kind: nebula\n  number: 1\nmtu: auto\n";
        assert_eq!(
            without_overlay(text),
            "# mine\nnetwork: flatnet\nsubnet: 10.87.1.0/24  # old\nmtu: auto\n"
        );
        let invitation: Invitation = super::super::papers::Paper::Invitation.parse(
            "flatnet_invitation: 1\nkind: nebula\nhost: bob\nnumber: 2\nrange: 10.87.0.0/16\nsubnet: 10.87.2.0/24\nnetwork: 10.86.0.0/16\nlighthouses: []\nrevoked: []\n\
             ca: &c |\n  -----BEGIN NEBULA CERTIFICATE V2-----\n  AAAA\n  -----END NEBULA CERTIFICATE V2-----\ncertificate: *c\n",
            "invitation",
        )
        .unwrap();
        let (config, path) = (Config::default(), Path::new("f.yaml"));
        let host = ThisHost {
            config: &config,
            path,
            flatnet: Vec::new(),
            is_up: false,
            attached: Vec::new(),
            has_systemd: false,
            addresses: Vec::new(),
            other_networks: Vec::new(),
        };
        let joined = host.with_overlay(text, &invitation);
        assert_eq!(
            joined,
            "# mine\nnetwork: flatnet\nsubnet: 10.87.2.0/24\nmtu: auto\noverlay:\n  kind: nebula\n  number: 2\n"
        );
        config::parse(&joined, Path::new("f.yaml")).unwrap();
    }

    #[test]
    fn list_of_blocked_certificates_grows() {
        let one = |digit: char| digit.to_string().repeat(64).parse::<Fingerprint>().unwrap();
        let text = "pki:\n  blocklist: []\n";
        let first = with_blocked(text, &[one('b')]).unwrap();
        let second = with_blocked(&first, &[one('a'), one('b')]).unwrap();
        assert_eq!(second, format!("pki:\n  blocklist: [\"{}\", \"{}\"]\n", one('a'), one('b')));
        assert_eq!(with_blocked("pki: {}\n", &[one('a')]), None);
    }
}
