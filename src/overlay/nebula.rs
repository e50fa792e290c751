//! Nebula's programs and its configuration.
//!
//! Tested with Nebula 1.11; what its programs print and how they fail is in docs/quirks.md.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use minijinja::{Environment, context};
use serde::Deserialize;

use super::console;
use super::papers::{Fingerprint, Lighthouse, Pem};

use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{CommandFailure, Executor};
use crate::kernel::tools;
use crate::model::command::Command;
use crate::model::config::{Config, OVERLAY_MTU, Overlay};
use crate::model::types::HostName;
use crate::setup::task::Task;

/// The oldest Nebula that keeps what Flatnet promises: older ones accept packets injected into another host's flow, and
/// do not close tunnels of a revoked certificate.
const OLDEST: (u32, u32) = (1, 11);
const HOST: &str = include_str!("../../templates/nebula-host.yml.j2");
const LIGHTHOUSE: &str = include_str!("../../templates/nebula-lighthouse.yml.j2");

/// A certificate as `nebula-cert print -json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Certificate {
    /// What it certifies.
    pub details: Details,
    /// The SHA-256 by which it is revoked.
    pub fingerprint: Fingerprint,
    /// The key that it certifies, in hexadecimal digits. Nebula's console does not print it.
    #[serde(default, rename = "publicKey")]
    pub public_key: String,
}

/// What a certificate certifies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The host's name.
    pub name: String,
    /// Whether it is an authority's.
    pub is_ca: bool,
    /// Its own addresses, with the network's prefix length.
    pub networks: Option<Vec<Ipv4Net>>,
    /// Its containers' addresses.
    pub unsafe_networks: Option<Vec<Ipv4Net>>,
    /// Its beginning, in the form of RFC 3339.
    pub not_before: String,
    /// Its end, in the same form.
    pub not_after: String,
}

/// An error unless Nebula is installed and recent enough; its version.
pub fn refuse_old(executor: &mut (impl Executor + ?Sized)) -> Result<String> {
    let missing = |error: Error| {
        error.remedy(format!(
        "Install Nebula {}.{} or later: `nebula` and `nebula-cert` in /usr/bin or /usr/sbin (docs/setup/second-host.md)", OLDEST.0, OLDEST.1
    ))
    };
    for program in ["nebula", "nebula-cert"] {
        tools::find(program).map_err(missing)?;
    }
    let command = Command::new(["nebula", "-version"]);
    let said = executor.run(&command, &[])?.checked(&command)?.stdout;
    match version_in(&said) {
        Some(found) if found >= OLDEST => Ok(said.trim().trim_start_matches("Version: ").to_owned()),
        found => {
            let found =
                found.map_or_else(|| said.trim().to_owned(), |(major, minor)| format!("{major}.{minor}"));
            Err(missing(Error::new(Kind::ToolTooOld, format!("Nebula {found} is too old"))))
        }
    }
}

/// The major and the minor version in `Version: 1.11.0`.
fn version_in(said: &str) -> Option<(u32, u32)> {
    let version = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Runs `nebula-cert` with `arguments` and `stdin`.
pub fn cert(
    arguments: &[&str],
    stdin: Option<&str>,
    executor: &mut (impl Executor + ?Sized),
) -> Result<String> {
    let command = Command::new(["nebula-cert"].into_iter().chain(arguments.iter().copied()));
    let command = match stdin {
        Some(text) => command.stdin(text),
        None => command,
    };
    Ok(executor.run(&command, &[])?.checked(&command).map_err(explained)?.stdout)
}

/// The variable with the passphrase of the authority's key.
pub(super) const PASSPHRASE: &str = "NEBULA_CA_PASSPHRASE";

/// What `nebula-cert` complains about, and what to do.
const COMPLAINTS: [(&str, &str, &str); 4] = [
    (
        "invalid passphrase or corrupt private key",
        "the passphrase is not that of the authority's key",
        "Give the file with the passphrase that `flatnet overlay ca` got (--passphrase-file FILE); its first line counts. If it is right, the authority's ca.key is damaged: take it from your copy of the folder",
    ),
    (
        "certificate expires after signing certificate",
        "the certificate would be valid for longer than the authority's",
        "Use a smaller --hours, or none",
    ),
    (
        "ca-key",
        "the authority's key cannot be read",
        "Restore ca.key, in the authority's folder, from your copy of it",
    ),
    (
        "ca-crt",
        "the authority's certificate cannot be read",
        "Restore ca.crt, in the authority's folder, from your copy of it",
    ),
];

/// `error` in words of Flatnet, if it is a known one of `nebula-cert`.
pub(super) fn explained(error: Error) -> Error {
    let said = CommandFailure::of(&error).filter(|failure| failure.command.program() == "nebula-cert");
    let known = said.and_then(|failure| COMPLAINTS.iter().find(|(said, ..)| failure.stderr.contains(said)));
    match known {
        Some((_, what, remedy)) => Error::new(Kind::Authority, *what).remedy(*remedy),
        None => error,
    }
}

/// The commands that make a host's key pair, unless there is one.
pub fn plan_key(files: &HostFiles) -> Result<Vec<Task>> {
    let (key, public) = (files.key(), files.public_key());
    match (key.exists(), public.exists()) {
        (true, true) => Ok(Vec::new()),
        (true, false) => {
            let what = format!("{} exists, but not its public half {}", key.display(), public.display());
            Err(Error::new(Kind::BadValue, what).remedy("Move it away, to make a new pair"))
        }
        (false, _) => {
            let mut tasks = Vec::new();
            if !files.folder.exists() {
                tasks = Task::folder(&files.folder, "755", "what this host needs for the overlay")?;
            }
            tasks.push(key_pair(&files.folder));
            Ok(tasks)
        }
    }
}

/// The command that makes a host's key pair in `folder`. It overwrites one without asking.
pub(super) fn key_pair(folder: &Path) -> Task {
    let files = HostFiles { folder: folder.to_owned() };
    let (key, public) = (files.key().display().to_string(), files.public_key().display().to_string());
    let make = Command::new(["nebula-cert", "keygen", "-out-key", &key, "-out-pub", &public]);
    Task::new(make, "the key, of which only the public half leaves this folder")
        .explained_by(explained)
        .undone_by([Command::new(["rm", "-f", &key, &public])])
}

/// An error unless all certificates in `pem` are an authority's.
pub fn refuse_hosts(pem: &Pem, executor: &mut (impl Executor + ?Sized)) -> Result<()> {
    match certificates(pem, executor)?.into_iter().find(|one| !one.details.is_ca) {
        None => Ok(()),
        Some(other) => {
            let name = crate::model::types::shown(&other.details.name);
            Err(Error::new(Kind::BadValue, format!("the certificate of {name} is not an authority's"))
                .remedy("Give the authority's ca.crt"))
        }
    }
}

/// What the first certificate in `pem` says.
pub fn certificate(pem: &Pem, executor: &mut (impl Executor + ?Sized)) -> Result<Certificate> {
    let first = certificates(pem, executor)?.into_iter().next();
    first.ok_or_else(|| Error::new(Kind::BadValue, "there is no certificate"))
}

fn certificates(pem: &Pem, executor: &mut (impl Executor + ?Sized)) -> Result<Vec<Certificate>> {
    let said =
        cert(&["print", "-json", "-path", "-"], Some(&pem.to_string()), executor).map_err(|error| {
            match CommandFailure::of(&error) {
                Some(_) => Error::new(
                    Kind::Paper,
                    "nebula-cert cannot read the certificate: it is damaged, or another thing",
                )
                .remedy("Take it, or the invitation that it came with, unchanged from where it was made"),
                None => error,
            }
        })?;
    let unreadable = |cause| {
        Error::new(Kind::Internal, "nebula-cert printed something else than certificates").source(cause)
    };
    serde_json::from_str(&said).map_err(unreadable)
}

/// Where a host keeps what it needs for the overlay.
#[derive(Clone, Debug)]
pub struct HostFiles {
    /// The folder.
    pub folder: PathBuf,
}

impl HostFiles {
    /// In the folder beside the configuration at `config`: `overlay`, or `overlay-NETWORK`.
    #[must_use]
    pub fn beside(config: &Path) -> Self {
        let stem = config
            .file_stem()
            .map_or_else(|| "flatnet".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let name = if stem == "flatnet" { "overlay".to_owned() } else { format!("overlay-{stem}") };
        Self { folder: config.with_file_name(name) }
    }

    /// The host's private key, which never leaves it.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("host.key")
    }

    /// The public half of the key.
    #[must_use]
    pub fn public_key(&self) -> PathBuf {
        self.folder.join("host.pub")
    }

    /// The host's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("host.crt")
    }

    /// The authorities' certificates.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The hosts of an overlay of kind `vxlan`.
    #[must_use]
    pub fn peers(&self) -> PathBuf {
        self.folder.join("peers.yaml")
    }

    /// The private key of whoever asks Nebula's console.
    #[must_use]
    pub fn console_key(&self) -> PathBuf {
        self.folder.join("console.key")
    }

    /// The private key of the console itself.
    #[must_use]
    pub fn console_host_key(&self) -> PathBuf {
        self.folder.join("console-host.key")
    }

    /// The console's public key, for `ssh`.
    #[must_use]
    pub fn console_known_hosts(&self) -> PathBuf {
        self.folder.join("console.known_hosts")
    }

    /// Nebula's configuration.
    #[must_use]
    pub fn nebula(&self) -> PathBuf {
        self.folder.join("nebula.yml")
    }
}

/// Nebula's configuration on a host.
pub fn host_configuration(
    config: &Config,
    overlay: &Overlay,
    lighthouses: &[Lighthouse],
    revoked: &[Fingerprint],
    files: &HostFiles,
) -> Result<String> {
    let others: Vec<(Ipv4Net, Ipv4Addr)> = (1..=config.hosts())
        .filter(|&number| number != overlay.number)
        .map(|number| (config.subnet_of(number), overlay.address_of(number)))
        .collect();
    render(
        HOST,
        context! {
            version => env!("CARGO_PKG_VERSION"),
            number => overlay.number,
            network => overlay.network,
            address => overlay.address().addr(),
            range => config.range,
            subnet => config.subnet,
            interface => overlay.interface,
            mtu => OVERLAY_MTU,
            ca => files.ca(),
            certificate => files.certificate(),
            key => files.key(),
            console => console::listen(),
            console_host_key => files.console_host_key(),
            console_user_key => console::user_key(files)?,
            lighthouses,
            revoked,
            others,
        },
    )
}

/// Nebula's configuration on a lighthouse.
pub fn lighthouse_configuration(
    name: &HostName,
    lighthouse: &Lighthouse,
    revoked: &[Fingerprint],
) -> Result<String> {
    render(
        LIGHTHOUSE,
        context! {
            version => env!("CARGO_PKG_VERSION"),
            name,
            port => lighthouse.at.port(),
            revoked,
        },
    )
}

fn render(template: &str, values: minijinja::Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.render_str(template, values).map_err(|cause| {
        Error::new(Kind::Internal, "a template of Nebula's configuration cannot be rendered").source(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_found_in_what_nebula_prints() {
        assert_eq!(version_in("Version: 1.11.0\n"), Some((1, 11)));
        assert_eq!(version_in("Version: 1.9.3+dfsg-1"), Some((1, 9)));
        assert_eq!(version_in("Version: unknown"), None);
    }

    #[test]
    fn files_of_a_second_network_are_apart() {
        let folder = |config: &str| HostFiles::beside(Path::new(config)).folder.display().to_string();
        assert_eq!(folder("/etc/flatnet/flatnet.yaml"), "/etc/flatnet/overlay");
        assert_eq!(folder("/etc/flatnet/lab.yaml"), "/etc/flatnet/overlay-lab");
    }
}
