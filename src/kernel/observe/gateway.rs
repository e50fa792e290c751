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
    if !is_here(&gateway.directory, &config.network) {
        return Vec::new();
    }
    std::iter::once(gateway.listen).chain(gateway.tls.as_ref().map(|tls| tls.listen)).collect()
}

/// Where containers reach the gateway with `own_ports` on this host, or on Windows at `windows`.
pub(super) fn address(config: &Config, own_ports: &[u16], windows: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    if !own_ports.is_empty() {
        return Some(config.bridge_address());
    }
    windows.filter(|_| drive(&config.gateway.directory).is_some())
}

/// Nothing is read from a Windows disk, which may be slow: ADD calls this.
fn is_here(directory: &Path, network: &NetworkName) -> bool {
    let noted = || std::fs::read(directory.join(INSTALLED)).ok();
    drive(directory).is_none()
        && noted()
            .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
            .is_some_and(|noted| noted["platform"] == "linux" && noted["network"] == network.as_str())
}
