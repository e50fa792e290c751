//! Nebula's console, which alone knows the tunnels: SSH at a loopback address, for who has a key that only root can read.

use std::net::IpAddr;

use serde::Deserialize;

use super::nebula::{Certificate, HostFiles};

use crate::error::{Error, Kind, Result, io};
use crate::kernel::execute::Executor;
use crate::kernel::{packages, tools};
use crate::model::command::Command;
use crate::setup::task::Task;

/// The user's name in the console; it is no user of the system.
const USER: &str = "flatnet";
/// Where the console listens: the address, and a port that is no well-known one.
const LISTEN: (&str, &str) = ("127.0.0.1", "4243");

/// A tunnel to another host or to a lighthouse, as `list-hostmap -json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tunnel {
    /// The other end's own addresses.
    pub vpn_addrs: Vec<IpAddr>,
    /// Where its packets go; empty if they go by relays.
    pub current_remote: String,
    /// The relays.
    #[serde(default)]
    pub current_relays_to_me: Vec<IpAddr>,
    /// Its certificate.
    pub cert: Option<Certificate>,
}

/// Where the console listens, for Nebula's configuration.
#[must_use]
pub fn listen() -> String {
    format!("{}:{}", LISTEN.0, LISTEN.1)
}

/// The commands that make the keys of the console and of its user, unless they exist.
pub fn plan_keys(files: &HostFiles) -> Result<Vec<Task>> {
    find_ssh()?;
    let mut tasks = Vec::new();
    for key in [files.console_key(), files.console_host_key()].into_iter().filter(|key| !key.exists()) {
        let path = key.display().to_string();
        let make = Command::new(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", &path]);
        let undo = Command::new(["rm", "-f", &path, &key.with_extension("key.pub").display().to_string()]);
        tasks.push(
            Task::new(make, "for `flatnet overlay status`, which asks Nebula on this host").undone_by([undo]),
        );
    }
    let host_key = files.console_host_key();
    let line = |key: &str| format!("[{}]:{} {key}", LISTEN.0, LISTEN.1);
    let known = files.console_known_hosts();
    let is_known = || {
        let text = std::fs::read_to_string(&known).ok()?;
        Some(text.trim_end() == line(&public_key(&host_key).ok()?))
    };
    if host_key.exists() {
        public_key(&host_key)?;
    }
    if !host_key.exists() || is_known() != Some(true) {
        let (public, path) =
            (host_key.with_extension("key.pub").display().to_string(), known.display().to_string());
        let write = format!("read -r kind key rest <\"$0\" && echo \"{}\" >\"$1\"", line("$kind $key"));
        let write = Command::new(["sh", "-c", &write, &public, &path]);
        tasks.push(
            Task::new(write, "whom `flatnet overlay status` asks")
                .undone_by([Command::new(["rm", "-f", &path])]),
        );
    }
    Ok(tasks)
}

/// An error with its remedy unless `ssh` is installed.
fn find_ssh() -> Result<()> {
    tools::find("ssh").map(drop).map_err(|error| {
        let install = packages::install("openssh-client");
        error.remedy(format!("Run `{install}`; Nebula is asked for its tunnels by ssh"))
    })
}

/// The public key that the console accepts.
pub fn user_key(files: &HostFiles) -> Result<String> {
    public_key(&files.console_key())
}

/// The public half of a key in the form `ssh-ed25519 AAAA..`.
fn public_key(key: &std::path::Path) -> Result<String> {
    let path = key.with_extension("key.pub");
    let text = std::fs::read_to_string(&path).map_err(|cause| {
        io("read", &path)(cause).remedy("Run `flatnet overlay request` again, which makes the missing keys")
    })?;
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["ssh-ed25519", key, ..] if key.chars().all(is_base64) => Ok(format!("ssh-ed25519 {key}")),
        _ => Err(Error::new(
            Kind::ForeignFile,
            format!("{} is not a public key of ssh-keygen", path.display()),
        )
        .remedy("Delete it and its private half, then run `flatnet overlay request`")),
    }
}

/// The tunnels that Nebula has now.
pub fn tunnels(files: &HostFiles, executor: &mut (impl Executor + ?Sized)) -> Result<Vec<Tunnel>> {
    find_ssh()?;
    let known = format!("UserKnownHostsFile={}", files.console_known_hosts().display());
    let (key, at) = (files.console_key().display().to_string(), format!("{USER}@{}", LISTEN.0));
    let ask = Command::new(
        ["ssh", "-T", "-n", "-F", "/dev/null", "-p", LISTEN.1, "-i", &key]
            .into_iter()
            .chain(["-o", &known, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes"])
            .chain(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=3"])
            .chain([at.as_str(), "list-hostmap", "-json"]),
    );
    let printed = executor.run(&ask, &[])?.checked(&ask).map_err(|error| {
        error
            .context("Nebula's console does not answer")
            .remedy("Run `systemctl status flatnet-overlay`: does Nebula run?")
    })?;
    // The console ends with 0 whatever happened.
    serde_json::from_str(&printed.stdout).map_err(|cause| {
        Error::new(
            Kind::Command,
            format!("Nebula's console printed no tunnels: {}", crate::model::types::shown(&printed.stdout)),
        )
        .source(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_are_read_as_nebula_prints_them() {
        // Nebula 1.11, shortened.
        let printed = r#"[{"vpnAddrs":["10.86.0.2"],"localIndex":1921374540,"remoteAddrs":["192.0.2.12:4242"],
            "cert":{"curve":"CURVE25519","details":{"groups":null,"isCa":false,"issuer":"73a3","name":"bob",
            "networks":["10.86.0.2/16"],"notAfter":"2027-11-30T14:34:50Z","notBefore":"2026-11-30T14:34:50Z",
            "unsafeNetworks":["10.87.2.0/24"]},"fingerprint":"0054f1000000000000000000000000000000000000000000000000000000abcd",
            "version":2},"messageCounter":9,"currentRemote":"","currentRelaysToMe":["10.86.255.2"],"currentRelaysThroughMe":[]}]"#;
        let tunnels: Vec<Tunnel> = serde_json::from_str(printed).unwrap();
        assert_eq!(tunnels[0].current_relays_to_me, ["10.86.255.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(tunnels[0].cert.as_ref().unwrap().details.name, "bob");
    }

    #[test]
    fn only_a_public_key_gets_into_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("console.key");
        let with = |text: &str| {
            std::fs::write(folder.path().join("console.key.pub"), text).unwrap();
            public_key(&key)
        };
        assert_eq!(with("ssh-ed25519 AAAAC3Nz+/= flatnet\n").unwrap(), "ssh-ed25519 AAAAC3Nz+/=");
        for text in ["", "ssh-rsa AAAA flatnet", "ssh-ed25519 AA\"AA", "ssh-ed25519\n\"x"] {
            assert!(with(text).unwrap_err().to_line().contains("not a public key"), "{text}");
        }
    }
}
