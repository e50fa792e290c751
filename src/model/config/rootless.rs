//! The section `rootless`: the users whose containers Flatnet attaches.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::problem::{Problem, problem};
use crate::model::types::UserName;

/// The socket of the service for rootless Podman. Podman replaces /run for the plugins of users, but not /var/lib.
pub const SERVE_SOCKET: &str = "/var/lib/flatnet-serve/socket";
/// The lock of the process that listens, where systemd does not.
pub const SERVE_LOCK: &str = "/run/flatnet-serve/lock";
/// The group whose members may open the socket.
pub const SERVE_GROUP: &str = "flatnet";
/// How many containers of a user may be attached at once, unless the configuration says otherwise.
const ADDRESSES: u16 = 16;

/// The users whose rootless Podman may attach containers. `flatnet init --rootless USER` adds one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rootless {
    /// What each user may have.
    #[schemars(with = "BTreeMap<String, Allowance>")]
    pub users: BTreeMap<UserName, Allowance>,
}

/// What a user may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Allowance {
    /// How many containers of the user may be attached at once.
    pub addresses: u16,
    /// Addresses that the user, and no other one, may request by `--ip`. Others get them only if root requests them.
    pub ips: Vec<Ipv4Addr>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { addresses: ADDRESSES, ips: Vec::new() }
    }
}

impl Rootless {
    /// The addresses that are kept for users.
    pub fn ips(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.users.values().flat_map(|user| user.ips.iter().copied())
    }
}

pub(super) fn validate(config: &Config) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (name, user) in &config.rootless.users {
        if let Some(other) = names.insert(name.as_str().to_ascii_lowercase(), name) {
            let why = format!(
                "differs from {other} in case only, and names of containers are found in either case"
            );
            return Err(problem("rootless.users", name, why, "Let one of the two have containers"));
        }
        for (index, &address) in user.ips.iter().enumerate() {
            let field = format!("rootless.users.{name}.ips[{index}]");
            if let Err(why) = super::validate::usable(config, address) {
                return Err(problem(field, address, why, "Use a free address of the subnet"));
            }
            let remedy = "Use another address of the subnet";
            if address == config.bridge_address() || config.reserved.contains(&address) {
                return Err(problem(field, address, "is the bridge's or reserved", remedy));
            }
            if !seen.insert(address) {
                return Err(problem(field, address, "is listed twice", remedy));
            }
        }
    }
    Ok(())
}
