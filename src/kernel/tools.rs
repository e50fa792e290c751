//! Finds the programs that Flatnet runs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Remedy, Result};
use crate::file::is_writable_by_others;
use crate::kernel::packages;
use crate::model::config::ToolPaths;
use crate::shell::quote;

/// The directories that are searched for programs.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Each program's name, or its path from the configuration, and how they enter a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// iproute2's `ip`.
    pub ip: String,
    /// iproute2's `bridge`.
    pub bridge: String,
    /// conntrack-tools' `conntrack`.
    pub conntrack: String,
    /// `nft`.
    pub nft: String,
    /// procps' `sysctl`.
    pub sysctl: String,
    /// util-linux' `nsenter`.
    pub nsenter: String,
    /// util-linux' `unshare`.
    pub unshare: String,
    /// Whether this host has so many mounts, one for each container's namespace, that `nsenter` is quicker than `ip -n`, which
    /// copies them.
    pub many_mounts: bool,
}

impl Default for Tools {
    fn default() -> Self {
        Self::new(&ToolPaths::default())
    }
}

impl Tools {
    /// Names, or the paths that `paths` sets.
    #[must_use]
    pub fn new(paths: &ToolPaths) -> Self {
        let ToolPaths { ip, bridge, conntrack, nft, sysctl, nsenter, unshare } = paths;
        let or_name = |path: &Option<PathBuf>, name: &str| {
            path.as_ref().map_or_else(|| name.to_owned(), |path| path.to_string_lossy().into_owned())
        };
        Self {
            ip: or_name(ip, "ip"),
            bridge: or_name(bridge, "bridge"),
            conntrack: or_name(conntrack, "conntrack"),
            nft: or_name(nft, "nft"),
            sysctl: or_name(sysctl, "sysctl"),
            nsenter: or_name(nsenter, "nsenter"),
            unshare: or_name(unshare, "unshare"),
            many_mounts: false,
        }
    }

    /// The programs that attaching requires. `conntrack` is not one of them: without it some clients have to wait.
    #[must_use]
    pub fn all(&self) -> [&str; 6] {
        let Self { ip, bridge, conntrack: _, nft, sysctl, nsenter, unshare, many_mounts: _ } = self;
        [ip, bridge, nft, sysctl, nsenter, unshare]
    }
}

/// The file to run for `program`, a name or an absolute path. Only root may be able to write to it.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = which::which_in_global(program, Some(PATH)).ok().and_then(|mut found| found.next());
    let path = path.ok_or_else(|| missing(program))?;
    refuse_writable_by_others(&path)?;
    Ok(path)
}

fn refuse_writable_by_others(path: &Path) -> Result<()> {
    let found = std::fs::metadata(path).map_err(crate::error::io("stat", path))?;
    if !is_writable_by_others(&found, 0) {
        return Ok(());
    }
    let shown = path.display();
    let quoted = quote(&path.to_string_lossy());
    Err(Error::new(
        Kind::ToolUnsafe,
        format!(
            "{shown} is not owned by root, or is writable by others (mode {:04o})",
            found.mode() & 0o7777
        ),
    )
    .remedy(Remedy::by(
        "Name another in `tools:` of the configuration, or make this one root's alone",
        [format!("chown root {quoted}"), format!("chmod 755 {quoted}")],
    )))
}

fn missing(program: &str) -> Error {
    let name = program.rsplit('/').next().unwrap_or(program);
    let package = match name {
        "ip" | "bridge" => "iproute2",
        "nft" => "nftables",
        "sysctl" => "procps",
        "nsenter" | "unshare" => "util-linux",
        other => other,
    };
    let place = if program.contains('/') { String::new() } else { format!(" in {PATH}") };
    Error::new(Kind::ToolMissing, format!("the program {program} is missing{place}"))
        .remedy(Remedy::run([packages::install(package)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let error = find("/nowhere/nft").unwrap_err();
        assert_eq!(error.kind(), Kind::ToolMissing);
        assert_eq!(error.to_string(), "the program /nowhere/nft is missing. Run `apt-get install nftables`");
    }

    #[test]
    fn finds_sh_by_name() {
        assert!(find("sh").unwrap().is_absolute());
    }
}
