//! The routes of all tables, by `ip -j route show table all`.

use serde::Deserialize;

use super::attachment::bad_json;
use crate::error::Result;
use crate::kernel::execute::Executor as _;
use crate::kernel::host::Host;
use crate::model::command::Command;

/// One route; fields that ip does not print are empty.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct Route {
    /// `local`, `unreachable`, `broadcast` ..; empty for a unicast route.
    #[serde(rename = "type")]
    pub kind: String,
    /// `default`, a network or an address.
    pub dst: String,
    /// The next hop.
    pub gateway: String,
    /// The outgoing link.
    pub dev: String,
    /// The name or number of its table; empty for main.
    pub table: String,
    /// The protocol: `kernel`, `static`, a number ..
    pub protocol: String,
}

/// The IPv4 routes of all tables.
pub fn routes(host: &mut Host) -> Result<Vec<Route>> {
    let command = Command::new([host.tools.ip.as_str(), "-j", "-4", "route", "show", "table", "all"]);
    let output = host.run(&command, &[])?.checked(&command)?;
    serde_json::from_str(&output.stdout).map_err(|cause| bad_json("ip route", &cause))
}
