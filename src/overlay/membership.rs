//! The commands by which a host joins the overlay, takes a list of revoked certificates, and leaves.

use std::path::{Path, PathBuf};

use super::nebula::{self, HostFiles};
use super::papers::{Fingerprint, Invitation, Pem};
use super::task::Task;
use crate::error::{Error, Kind, Result, io};
use crate::kernel::execute::Executor;
use crate::model::command::Command;
use crate::model::config::{self, Config, Overlay};

const UNIT: &str = include_str!("../../templates/flatnet-overlay.service");
const UNIT_NAME: &str = "flatnet-overlay.service";
const UNITS: &str = "/etc/systemd/system";
/// The paths in the template of the unit.
const IN_UNIT: (&str, &str) = ("/etc/flatnet/overlay/nebula.yml", "/usr/local/bin/flatnet");

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
}

impl ThisHost<'_> {
    fn files(&self) -> HostFiles {
        HostFiles::beside(self.path)
    }

    fn flatnet(&self, verb: &str) -> Command {
        Command::new(self.flatnet.iter().map(String::as_str).chain([verb]))
    }

    /// The configuration's text.
    fn text(&self) -> Result<String> {
        std::fs::read_to_string(self.path).map_err(io("read the configuration", self.path))
    }

    /// The commands by which it joins.
    pub fn join(&self, invitation: &Invitation, executor: &mut impl Executor) -> Result<Vec<Task>> {
        let files = self.files();
        self.refuse_other_range(invitation)?;
        self.refuse_containers_of_another_subnet(invitation)?;
        refuse_foreign_certificate(invitation, &files, executor)?;
        let text = with_overlay(&self.text()?, invitation);
        let after = config::parse(&text, self.path)?;
        let overlay =
            after.overlay.as_ref().ok_or_else(|| Error::new(Kind::Internal, "the overlay is missing"))?;
        let nebula = nebula::host_configuration(
            &after,
            overlay,
            &invitation.lighthouses,
            &invitation.revoked,
            &files,
        )?;
        let configuration = files.nebula().display().to_string();
        let mut tasks = vec![
            Task::put(&files.ca(), "644", &invitation.ca.to_string(), "whose certificates count"),
            Task::put(
                &files.certificate(),
                "644",
                &invitation.certificate.to_string(),
                "which addresses this host may use",
            ),
            Task::put(&files.nebula(), "644", &nebula, "Nebula's configuration"),
            Task::new(
                Command::new(["nebula", "-test", "-config", &configuration]),
                "Nebula accepts it, and the certificate is that of this host's key",
            ),
        ];
        if self.is_up && after.subnet != self.config.subnet {
            let why = "the bridge gets an address of the new subnet";
            tasks.push(Task::new(self.flatnet("down"), why).undone_by(self.flatnet("up")));
        }
        tasks.push(Task::put(
            self.path,
            "644",
            &text,
            "this host's number, and the subnet that follows from it",
        ));
        if self.has_systemd {
            let text_of_unit =
                UNIT.replace(IN_UNIT.0, &configuration).replace(IN_UNIT.1, &self.flatnet.join(" "));
            tasks.push(Task::put(&unit(), "644", &text_of_unit, "starts Nebula, now and at each boot"));
            tasks.push(Task::new(Command::new(["systemctl", "daemon-reload"]), "systemd reads the unit"));
        }
        tasks.push(Task::new(self.flatnet("up"), "the ruleset and the routes for other hosts"));
        if self.has_systemd {
            let stop = Command::new(["systemctl", "disable", "--now", UNIT_NAME]);
            tasks.push(
                Task::new(Command::new(["systemctl", "enable", UNIT_NAME]), "at each boot").undone_by(stop),
            );
            tasks.push(Task::new(
                Command::new(["systemctl", "restart", UNIT_NAME]),
                "starts Nebula with these files",
            ));
        }
        Ok(tasks)
    }

    /// The commands by which it leaves. Its containers keep their addresses, which are this host's own again.
    pub fn leave(&self) -> Result<Vec<Task>> {
        if self.config.overlay.is_none() {
            return Err(Error::new(Kind::BadValue, "this host has joined no overlay"));
        }
        let files = self.files();
        let mut tasks = Vec::new();
        if self.has_systemd && unit().exists() {
            let start = Command::new(["systemctl", "enable", "--now", UNIT_NAME]);
            tasks.push(
                Task::new(Command::new(["systemctl", "disable", "--now", UNIT_NAME]), "ends Nebula")
                    .undone_by(start),
            );
            tasks.extend(Task::delete(&unit(), "644", "its unit"));
            tasks.push(Task::new(Command::new(["systemctl", "daemon-reload"]), "systemd forgets the unit"));
        }
        let text = without_overlay(&self.text()?);
        config::parse(&text, self.path)?;
        tasks.push(Task::put(self.path, "644", &text, "no other hosts"));
        tasks.push(Task::new(self.flatnet("up"), "the ruleset and the routes without other hosts"));
        let kept = [
            (files.nebula(), "644"),
            (files.certificate(), "644"),
            (files.ca(), "644"),
            (files.public_key(), "644"),
            (files.key(), "600"),
        ];
        tasks
            .extend(kept.iter().filter_map(|(path, mode)| {
                Task::delete(path, mode, "what this host needed for the overlay")
            }));
        Ok(tasks)
    }

    /// The commands by which it no longer talks to hosts with these certificates.
    pub fn block(&self, revoked: &[Fingerprint]) -> Result<Vec<Task>> {
        let path = self.files().nebula();
        let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
        let text = with_blocked(&text, revoked).ok_or_else(|| {
            Error::new(Kind::BadValue, format!("{} has no line `  blocklist: [..]`", path.display()))
                .remedy("Run `flatnet overlay join` again with a new invitation")
        })?;
        let mut tasks = vec![Task::put(&path, "644", &text, "Nebula closes tunnels of these certificates")];
        if self.has_systemd {
            tasks.push(Task::new(Command::new(["systemctl", "reload", UNIT_NAME]), "Nebula reads it"));
        }
        Ok(tasks)
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

/// The path of the unit.
fn unit() -> PathBuf {
    Path::new(UNITS).join(UNIT_NAME)
}

/// An error unless the certificate is the host's and its authority's.
fn refuse_foreign_certificate(
    invitation: &Invitation,
    files: &HostFiles,
    executor: &mut impl Executor,
) -> Result<()> {
    let found = nebula::certificate(&invitation.certificate, executor)?;
    let subnets = found.details.unsafe_networks.unwrap_or_default();
    if subnets != [invitation.subnet] {
        return Err(Error::new(Kind::BadValue, format!("the certificate is not for {}", invitation.subnet)));
    }
    if !files.key().exists() {
        return Err(Error::new(
            Kind::BadValue,
            format!("{} is missing: this host has made no request", files.key().display()),
        )
        .remedy("Run `flatnet overlay request`, and have it signed"));
    }
    Ok(())
}

/// The configuration with the section of the overlay and its subnet.
fn with_overlay(text: &str, invitation: &Invitation) -> String {
    let Invitation { kind, number, subnet, network, .. } = invitation;
    let mut lines: Vec<String> = without_overlay(text).lines().map(str::to_owned).collect();
    let subnet = format!("subnet: {subnet}");
    match lines.iter_mut().find(|line| line.starts_with("subnet:")) {
        Some(line) => *line = subnet,
        None => lines.push(subnet),
    }
    let kind = match kind {
        config::OverlayKind::Nebula => "nebula",
    };
    let default = Overlay::new(invitation.kind, *number).network;
    let network = if *network == default { String::new() } else { format!("  network: {network}\n") };
    format!("{}\noverlay:\n  kind: {kind}\n  number: {number}\n{network}", lines.join("\n"))
}

/// The configuration without the section of the overlay.
fn without_overlay(text: &str) -> String {
    let mut is_inside = false;
    let kept = text.lines().filter(|line| {
        is_inside = line.starts_with("overlay:") || is_inside && line.starts_with([' ', '\t']);
        !is_inside
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// Nebula's configuration with these certificates in its list, besides those that are there.
fn with_blocked(text: &str, revoked: &[Fingerprint]) -> Option<String> {
    const LIST: &str = "  blocklist: [";
    let line = text.lines().find(|line| line.starts_with(LIST))?;
    let listed = line.strip_prefix(LIST)?.strip_suffix(']')?;
    let mut all: Vec<Fingerprint> =
        listed.split(", ").filter_map(|one| one.trim_matches('"').parse().ok()).collect();
    all.extend(revoked.iter().cloned());
    all.sort();
    all.dedup();
    let all: Vec<String> = all.iter().map(|one| format!("\"{one}\"")).collect();
    Some(text.replace(line, &format!("{LIST}{}]", all.join(", "))))
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
        let invitation: Invitation = super::super::papers::read(
            "flatnet_invitation: 1\nkind: nebula\nhost: bob\nnumber: 2\nrange: 10.87.0.0/16\nsubnet: 10.87.2.0/24\nnetwork: 10.86.0.0/16\nlighthouses: []\nrevoked: []\n\
             ca: &c |\n  -----BEGIN NEBULA CERTIFICATE V2-----\n  AAAA\n  -----END NEBULA CERTIFICATE V2-----\ncertificate: *c\n",
            "invitation",
        )
        .unwrap();
        let joined = with_overlay(text, &invitation);
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
