//! The distribution that `podman machine` makes in WSL2, in which Podman is a user's by default.

use std::path::Path;

use crate::error::{Error, Kind, Remedy, Result};
use crate::kernel::observe::{ini, nested};
use crate::model::command::Command;
use crate::setup::executable;

/// What `podman machine` writes into its distribution: the kind of the machine.
const MARK: &str = "/etc/containers/podman-machine";
/// Said of a process outside of the namespaces of systemd.
pub(crate) const OUTSIDE: &str = "systemd and Podman's containers run in namespaces of their own, as podman machine makes them, and this is outside of them";

/// The user whose Podman `podman machine` uses in this distribution; `None` elsewhere.
pub(crate) fn user() -> Option<String> {
    let wsl_conf = std::fs::read_to_string("/etc/wsl.conf").unwrap_or_default();
    let user =
        || ini::value(&wsl_conf, "user", "default").map_or_else(|| "user".to_owned(), ToString::to_string);
    Path::new(MARK).exists().then(user)
}

/// An error outside of the namespaces of systemd: `/proc` and the mounts there are not those of containers.
pub(crate) fn refuse_outside() -> Result<()> {
    let Some(pid) = nested::systemd() else { return Ok(()) };
    let program = executable()?.display().to_string();
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let again = Command::new(std::iter::once(program).chain(words)).line();
    Err(Error::new(Kind::NetnsHidden, OUTSIDE).remedy(Remedy::by("Run it there", [enter(pid, &again)])))
}

/// The command that runs `line` in the namespaces of systemd, the process `pid`.
pub(crate) fn enter(pid: u32, line: &str) -> String {
    format!("nsenter --mount --pid --wd=\"$PWD\" --target {pid} {line}")
}
