//! Whether the HTTP gateway runs on this host, and on which ports, which containers may use then.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::Value;

use crate::model::config::{Config, drive};
use crate::model::types::NetworkName;

/// A file of `flatnet gateway install` in the gateway's directory; only root may write there.
pub const INSTALLED: &str = "conf/installed.json";

/// The ports of the network's gateway on this host; empty if there is none, or it is on Windows or another network's.
#[must_use]
pub fn own_ports(config: &Config) -> Vec<u16> {
    let gateway = &config.gateway;
    if !is_installed(&gateway.directory, &config.network, "linux") {
        return Vec::new();
    }
    std::iter::once(gateway.listen).chain(gateway.tls.as_ref().map(|tls| tls.listen)).collect()
}

/// Where containers reach the gateway with `own_ports` on this host, or on Windows at `windows`.
pub(super) fn address(config: &Config, own_ports: &[u16], windows: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    if !own_ports.is_empty() {
        return Some(config.bridge_address());
    }
    let directory = &config.gateway.directory;
    let is_on_windows = || drive(directory).is_some() || is_installed(directory, &config.network, "windows");
    windows.filter(|_| is_on_windows())
}

/// Whether `directory`, on this host's own disk, has the network's gateway for `platform`. Nothing is read from a Windows
/// disk, which may be slow: ADD calls this.
fn is_installed(directory: &Path, network: &NetworkName, platform: &str) -> bool {
    let noted = || std::fs::read(directory.join(INSTALLED)).ok();
    drive(directory).is_none()
        && noted()
            .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
            .is_some_and(|noted| noted["platform"] == platform && noted["network"] == network.as_str())
}
