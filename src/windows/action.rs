//! What Windows can be told to do: a closed list, because the scripts that carry it out run elevated.
//!
//! The subnet, the ports and the programs are never among the arguments: Windows takes those from its own settings, so
//! that nothing in a distribution can have other traffic routed or other programs started.

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
    /// Let the LAN in to the gateway's ports on Windows.
    AddLanRule {
        /// Says the ports, so that another set of ports is another rule.
        name: String,
    },
    /// Remove such a rule.
    RemoveLanRule {
        /// Its name.
        name: String,
    },
    /// Let Windows in to the subnet through the Hyper-V firewall.
    AddSubnetRule {
        /// Says the subnet.
        name: String,
    },
    /// Let the LAN in to the gateway's ports in WSL2 through the Hyper-V firewall.
    AddPortsRule {
        /// Says the ports.
        name: String,
    },
    /// Remove a rule of the Hyper-V firewall.
    RemoveHypervRule {
        /// Its name.
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
