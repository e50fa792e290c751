//! The service for rootless Podman, where no systemd listens for it.

use std::path::{Path, PathBuf};

use super::resolver;
use crate::model::config::{self, Config, SERVE_LOCK};
use crate::model::types::NetworkName;

/// The program to start, if users may have containers and no systemd starts the service.
pub(super) fn program(config: &Config) -> Option<PathBuf> {
    let is_wanted = !config.rootless.users.is_empty() && !super::systemd_runs();
    is_wanted.then(|| std::env::current_exe().and_then(std::fs::canonicalize).ok())?
}

/// The process that listens for all networks of this host.
#[must_use]
pub fn process() -> Option<u32> {
    resolver::process(Path::new(SERVE_LOCK))
}

/// Whether users may have containers on a network besides `network`.
pub(super) fn has_other_networks(network: &NetworkName) -> bool {
    let is_other = |config: &Config| config.network != *network && !config.rootless.users.is_empty();
    config::installed().iter().any(|(_, config)| is_other(config))
}
