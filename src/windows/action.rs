//! What Windows can be told to do: a closed list, because most of it is carried out elevated.
//!
//! The subnet, the ports, the rules and the programs are never among the arguments: Windows takes those from its own
//! settings, and proves the rest by what it sees itself (ops/windows/lib/check.ps1).

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Serialize;

/// One action; `ops/windows/lib/act.ps1` has a branch for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Route the subnet to WSL2, until the next start of Windows.
    AddRoute {
        /// Windows' interface index.
        interface: u32,
        /// eth0's address in WSL2.
        next_hop: Ipv4Addr,
    },
    /// Remove such a route.
    RemoveRoute {
        /// Windows' interface index.
        interface: u32,
        /// Where it leads.
        next_hop: Ipv4Addr,
        /// In which of Windows' two tables it is.
        store: Store,
    },
    /// Let the LAN in to the gateway's nginx on Windows.
    AddLanRule,
    /// The same for any program: in mirrored mode Windows' own rules count for WSL2, too.
    AddSharedRule,
    /// Remove all rules of Windows' firewall that have this name.
    RemoveLanRule {
        /// Their name.
        name: String,
    },
    /// Let Windows in to the subnet through the Hyper-V firewall.
    AddSubnetRule,
    /// Let the LAN in to the gateway's ports in WSL2 through the Hyper-V firewall.
    AddPortsRule,
    /// Remove all rules of the Hyper-V firewall that have this name.
    RemoveHypervRule {
        /// Their name.
        name: String,
    },
    /// Start `OpenResty`, as a service where it is one.
    StartGateway,
    /// Stop it.
    StopGateway,
}

/// An action, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
    /// What it is for.
    pub why: String,
}

impl Planned {
    pub(super) fn new(action: Action, why: &str) -> Self {
        Self { action, why: why.to_owned() }
    }
}

/// Windows' tables of routes: one that is in force, and one that is copied into it at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs, reason = "Windows' own names")]
pub enum Store {
    ActiveStore,
    PersistentStore,
}
