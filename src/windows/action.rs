//! The actions that WSL2 may request of Windows: a fixed list, because most of them run elevated.
//!
//! No action has the subnet, ports, zone or programs as an argument: the scripts take those from their own settings, and validate
//! the other arguments against the state of Windows (ops/windows/lib/check.ps1).

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Serialize;

/// An action; `ops/windows/lib/actions.ps1` implements each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Adds a route for the subnet to WSL2, until Windows restarts.
    AddRoute {
        /// Windows' interface index.
        interface: u32,
        /// eth0's address in WSL2.
        next_hop: Ipv4Addr,
    },
    /// Removes such a route.
    RemoveRoute {
        /// Windows' interface index.
        interface: u32,
        /// Its next hop.
        next_hop: Ipv4Addr,
        /// The table that contains it.
        store: Store,
    },
    /// Allows the LAN to reach the gateway's nginx on Windows.
    AddLanRule,
    /// The same for any program: in mirrored mode Windows' firewall rules also apply to WSL2.
    AddSharedRule,
    /// Removes all rules of Windows' firewall with this name.
    RemoveLanRule {
        /// Their name.
        name: String,
    },
    /// Allows Windows to reach the subnet through the Hyper-V firewall.
    AddSubnetRule,
    /// Allows the LAN to reach the gateway's ports in WSL2 through the Hyper-V firewall.
    AddPortsRule,
    /// Removes all rules of the Hyper-V firewall with this name.
    RemoveHypervRule {
        /// Their name.
        name: String,
    },
    /// Lets Windows ask this server for names in the zone of the settings.
    AddNameRule {
        /// The resolver's address in WSL2.
        server: Ipv4Addr,
    },
    /// Removes such a rule.
    RemoveNameRule {
        /// Windows' name for it, a GUID in braces.
        name: String,
    },
    /// Starts `OpenResty`, as a service if one is installed.
    StartGateway,
    /// Stops `OpenResty`.
    StopGateway,
}

/// An action and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The action.
    #[serde(flatten)]
    pub action: Action,
    /// Its reason, for people.
    pub why: String,
}

impl Planned {
    pub(super) fn new(action: Action, why: &str) -> Self {
        Self { action, why: why.to_owned() }
    }
}

/// Windows' two route tables: the active one, and the persistent one, which is copied into it when Windows starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "Windows' own names")]
pub enum Store {
    ActiveStore,
    PersistentStore,
}
