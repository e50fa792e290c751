//! The checks of `flatnet doctor`: what can be wrong on a host, its symptom and its remedy. One check per file.
//!
//! A check reads and judges; it changes nothing. `flatnet doctor` runs all of them, `flatnet status` the quick ones.

#![expect(clippy::unnecessary_wraps, reason = "all checks have the same signature, and some cannot fail")]

mod containers;
mod context;
mod finding;
mod fix;
mod gateway;
mod host;
mod kernel;
mod network;
mod overlay;
mod podman;
mod tools;
mod wsl;

use serde::{Serialize, Serializer};

pub use context::{Context, Invocation};
pub use finding::{Finding, Level};
pub use fix::{Fix, plan_fixes};

use crate::error::Result;

/// The page that has a section for each check, named for its ID.
pub const DOC: &str = "docs/operations/doctor.md";

/// One check.
#[derive(Debug)]
pub struct Check {
    /// The name of the check, and of its section in [`DOC`].
    pub id: &'static str,
    /// The group that lists it.
    pub group: Group,
    /// What it examines.
    pub looks_at: &'static str,
    /// The symptom that people see when the check fails.
    pub shows: &'static str,
    /// What must be available for it to run.
    needs: Needs,
    /// Whether `flatnet status` runs it too.
    quick: bool,
    look: fn(&mut Context) -> Result<Vec<Finding>>,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// This host.
    Host,
    /// Features of its kernel.
    Kernel,
    /// The programs that Flatnet runs.
    Tools,
    /// Podman and its configuration for Flatnet.
    Podman,
    /// Bridge, settings, rules and addresses.
    Network,
    /// Attached containers.
    Containers,
    /// The HTTP gateway.
    Gateway,
    /// The way to other hosts.
    Overlay,
    /// Only inside WSL2.
    Wsl2,
}

impl Group {
    /// The heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Kernel => "Kernel",
            Self::Tools => "Tools",
            Self::Podman => "Podman",
            Self::Network => "Network",
            Self::Containers => "Containers",
            Self::Gateway => "Gateway",
            Self::Overlay => "Overlay",
            Self::Wsl2 => "WSL2",
        }
    }
}

/// What must be available for a check to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// It can always run.
    Nothing,
    /// Root with all capabilities.
    Root,
    /// The configuration.
    Config,
    /// Root and the configuration.
    RootAndConfig,
    /// Root, the configuration, leases, receipts and the ruleset.
    State,
    /// All of `State`, and every receipt readable.
    Attachments,
}

/// All checks, by group.
pub const CHECKS: &[Check] = &[
    host::privileges::CHECK,
    host::configuration::CHECK,
    host::state_directory::CHECK,
    host::state_space::CHECK,
    host::boot_unit::CHECK,
    kernel::links::CHECK,
    kernel::nftables::CHECK,
    tools::programs::CHECK,
    tools::nft_versions::CHECK,
    tools::conntrack::CHECK,
    podman::backend::CHECK,
    podman::network::CHECK,
    podman::conflist::CHECK,
    podman::files::CHECK,
    podman::plugin::CHECK,
    podman::rootless::CHECK,
    network::bridge::CHECK,
    network::owner::CHECK,
    network::ruleset::CHECK,
    network::gateway_ways::CHECK,
    network::masquerade_ports::CHECK,
    network::ip_forward::CHECK,
    network::mtu::CHECK,
    network::foreign_drops::CHECK,
    network::rp_filter::CHECK,
    network::proxy_arp::CHECK,
    network::routes::CHECK,
    network::podman_subnets::CHECK,
    network::addresses::CHECK,
    containers::attachments::CHECK,
    containers::links::CHECK,
    containers::network::CHECK,
    containers::left_over::CHECK,
    containers::names::CHECK,
    containers::reachable::CHECK,
    gateway::files::CHECK,
    gateway::routes::CHECK,
    gateway::unrouted::CHECK,
    gateway::watch::CHECK,
    gateway::answers::CHECK,
    gateway::certificate::CHECK,
    gateway::in_force::CHECK,
    gateway::endpoints::CHECK,
    overlay::program::CHECK,
    overlay::interface::CHECK,
    overlay::certificate::CHECK,
    overlay::hosts::CHECK,
    wsl::mode::CHECK,
    wsl::systemd::CHECK,
    wsl::windows_address::CHECK,
    wsl::idle::CHECK,
    wsl::clock::CHECK,
];

/// One finding with its check.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The check.
    #[serde(flatten)]
    pub check: &'static Check,
    /// Its finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Runs all checks, or the quick ones only.
#[must_use]
pub fn examine(context: &mut Context, only_quick: bool) -> Vec<Entry> {
    let wanted = CHECKS.iter().filter(|check| check.quick || !only_quick);
    let examined = wanted.flat_map(|check| {
        let findings = match context.hindrance(check.needs) {
            Some(why) => vec![Finding::not_looked(why)],
            None => match (check.look)(context) {
                Ok(findings) => findings,
                Err(error) => vec![Finding::of_failed_look(&error, &context.program())],
            },
        };
        findings.into_iter().map(move |finding| Entry { check, finding })
    });
    examined.collect()
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            id: &'a str,
            group: Group,
            looks_at: &'a str,
            shows: &'a str,
            doc: String,
        }
        let Self { id, group, looks_at, shows, .. } = *self;
        Shown { id, group, looks_at, shows, doc: self.doc() }.serialize(serializer)
    }
}

impl Check {
    /// The link to its section.
    #[must_use]
    pub fn doc(&self) -> String {
        format!("{DOC}#{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A finding links to the section of its check.
    #[test]
    fn checks_match_sections_of_doctor_page() {
        let mut sections = Vec::new();
        let mut group = "";
        for line in include_str!("../../docs/operations/doctor.md").lines() {
            if let Some(title) = line.strip_prefix("## ") {
                group = title;
            } else if let Some(id) = line.strip_prefix("### ") {
                sections.push((group, id));
            }
        }
        let checks: Vec<_> = CHECKS.iter().map(|check| (check.group.title(), check.id)).collect();
        assert_eq!(sections, checks);
    }

    /// Markdown renumbers duplicate anchors and rewrites capitals and spaces.
    #[test]
    fn check_ids_are_unique_anchors() {
        let mut anchors: Vec<String> =
            CHECKS.iter().map(|check| check.group.title().to_lowercase()).collect();
        anchors.dedup();
        for Check { id, .. } in CHECKS {
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{id}");
            assert!(!anchors.contains(&(*id).to_owned()), "{id}");
            anchors.push((*id).to_owned());
        }
    }
}
