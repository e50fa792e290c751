//! Golden plans: each folder of `tests/golden` has a configuration, the observed state, and the resulting scripts.
//!
//! `FLATNET_GOLDEN=write cargo test --test pure golden` rewrites the scripts; review the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use flatnet::kernel::observe::attachment::ObservedAttachment;
use flatnet::kernel::observe::host::{ObservedHost, ObservedRuleset, RunningProgram};
use flatnet::kernel::observe::link::{self, Link};
use flatnet::kernel::observe::overlay::ObservedOverlay;
use flatnet::kernel::observe::route::{self, Route};
use flatnet::kernel::observe::rule::{self, Rule};
use flatnet::kernel::planner;
use flatnet::kernel::render;
use flatnet::kernel::tools::Tools;
use flatnet::model::config::{self, Config};
use flatnet::model::desired::{AttachmentState, HostFacts, HostState, Routes};
use flatnet::model::plan::{FlowFilter, Op, Plan};
use flatnet::model::types::{AttachmentId, NetnsPath, Owner, PortMapping, PortMode, SysctlKey};
use flatnet::state::receipt::Receipt;
use ipnet::Ipv6Net;
use serde::Deserialize;

use crate::golden_file::compare;

/// `observed.json`.
#[derive(Deserialize)]
struct Observed {
    target: Target,
    /// The values that `auto` is replaced with.
    facts: HostFacts,
    #[serde(default)]
    owner: Option<Owner>,
    #[serde(default)]
    attached: Vec<Attached>,
    /// Output of `ip -j -d addr show`, on the host and in the container.
    #[serde(default)]
    links: serde_json::Value,
    #[serde(default)]
    container_links: serde_json::Value,
    /// Output of `ip -j route show` in the container.
    #[serde(default)]
    container_routes: serde_json::Value,
    /// Output of `ip -j rule show` in the container.
    #[serde(default)]
    container_rules: serde_json::Value,
    /// Output of `ip -j route show dev` on the host.
    #[serde(default)]
    host_routes: serde_json::Value,
    /// The bridge's static entries.
    #[serde(default)]
    fdb: Vec<String>,
    #[serde(default)]
    sysctls: BTreeMap<SysctlKey, u32>,
    /// Whether unassigned addresses are rejected.
    #[serde(default)]
    unreachable: bool,
    /// Whether the tables exist, and match the desired state.
    #[serde(default)]
    unreachable6: Vec<Ipv6Net>,
    #[serde(default)]
    ruleset: Rules,
    /// What exists of the way to other hosts.
    #[serde(default)]
    overlay: ObservedOverlay,
    #[serde(default)]
    arp_table: bool,
    /// The resolver's process.
    #[serde(default)]
    resolver: Option<u32>,
    /// The process of the service for rootless Podman.
    #[serde(default)]
    service: Option<u32>,
    /// Flows that the previous rules accepted and the new ones do not.
    #[serde(default)]
    closed: Vec<FlowFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    Up,
    Down {
        found: BTreeMap<SysctlKey, u32>,
    },
    Add(Box<Add>),
    /// Changes over the container of `attached` to the mode of the configuration.
    ChangeOver,
}

#[derive(Deserialize)]
struct Attached {
    #[serde(flatten)]
    add: Add,
    mode: PortMode,
}

#[derive(Deserialize)]
struct Add {
    #[serde(flatten)]
    id: AttachmentId,
    netns: NetnsPath,
    address: Ipv4Addr,
    #[serde(default)]
    ports: Vec<PortMapping>,
    #[serde(default)]
    has_default_route: bool,
    /// Whether the address had a holder before.
    #[serde(default)]
    was_used: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rules {
    #[default]
    Absent,
    Same,
    Differs,
}

fn links(json: &serde_json::Value) -> Vec<Link> {
    if json.is_null() { Vec::new() } else { link::parse(&json.to_string()).unwrap() }
}

fn rules(json: &serde_json::Value) -> Vec<Rule> {
    if json.is_null() { Vec::new() } else { rule::parse(&json.to_string()).unwrap() }
}

fn routes(json: &serde_json::Value) -> Vec<Route> {
    if json.is_null() { Vec::new() } else { route::parse(&json.to_string()).unwrap() }
}

impl Add {
    fn wanted(&self, config: &Config, facts: &HostFacts) -> AttachmentState {
        let routes = if self.has_default_route { Routes::RangeOnly } else { Routes::Default };
        let Self { id, netns, address, ports, .. } = self;
        let before = self.was_used.then(|| FlowFilter::of_address(*address)).into_iter().flatten();
        let own = [Ipv4Addr::LOCALHOST, config.bridge_address()].map(IpAddr::from);
        let addresses = facts.addresses(config, *address, true);
        AttachmentState {
            flows_to_end: before.chain(FlowFilter::before_publishing(ports, &own)).collect(),
            ..AttachmentState::new(config, facts, id, netns, &addresses, None, ports, routes)
        }
    }
}

impl Attached {
    fn state(&self, config: &Config, facts: &HostFacts) -> AttachmentState {
        let state = self.add.wanted(config, facts);
        AttachmentState { mode: self.mode, flows_to_end: Vec::new(), ..state }
    }
}

impl Observed {
    fn host(&self, wanted: &HostState) -> ObservedHost {
        let elements = wanted.elements.iter().map(|one| (one.element.clone(), one.container_id.to_string()));
        let is_port = |link: &Link| wanted.ports.iter().any(|port| link.name == port.as_str());
        ObservedHost {
            ports: links(&self.links).into_iter().filter(is_port).collect(),
            bridge: links(&self.links).into_iter().find(|link| link.name == wanted.bridge.as_str()),
            sysctls: self.sysctls.clone(),
            has_ipv6: true,
            unreachable: self.unreachable,
            unreachable6: self.unreachable6.clone(),
            overlay: self.overlay.clone(),
            ruleset: match self.ruleset {
                Rules::Absent => ObservedRuleset::Absent,
                Rules::Same => ObservedRuleset::Same { elements: elements.collect() },
                Rules::Differs => {
                    let text = "table inet flatnet\ndelete table inet flatnet\n# as it was\n".to_owned();
                    ObservedRuleset::Differs { text, owner: None, closed: self.closed.clone() }
                }
            },
            arp_table: self.arp_table,
            resolver: self.resolver.map(|pid| RunningProgram { pid, has_other_networks: false }),
            service: self.service.map(|pid| RunningProgram { pid, has_other_networks: false }),
        }
    }

    fn attachment(&self, before: &AttachmentState) -> ObservedAttachment {
        let is_port = |link: &Link| link.name == before.host_link.as_str();
        let sysctl = |key: &SysctlKey| self.sysctls.get(key).copied();
        ObservedAttachment {
            forwarding: None,
            host_link: links(&self.links).into_iter().find(is_port),
            fdb: self.fdb.clone(),
            ipv6_address: sysctl(&SysctlKey::ipv6_conf(&before.host_link, "addr_gen_mode")) == Some(0),
            host_routes: routes(&self.host_routes),
            route_localnet: sysctl(&SysctlKey::ipv4_conf(&before.host_link, "route_localnet")),
            container_link: links(&self.container_links).pop(),
            routes: routes(&self.container_routes),
            rules: rules(&self.container_rules),
            elements: before.elements().map(|one| one.element).collect(),
        }
    }

    fn plan(&self, config: &Config) -> Plan {
        let receipts: Vec<Receipt> = self
            .attached
            .iter()
            .map(|one| crate::planner::receipt(&one.state(config, &self.facts)))
            .collect();
        let wanted = planner::desired_host(config, &self.facts, self.owner.as_ref(), &receipts).unwrap();
        match &self.target {
            Target::Up => planner::up(&wanted, &self.host(&wanted), &[]).unwrap(),
            Target::Down { found } => planner::down(&wanted, &self.host(&wanted), &[], found, false).unwrap(),
            Target::Add(add) => {
                planner::attach(&add.wanted(config, &self.facts), &ObservedAttachment::default())
            }
            Target::ChangeOver => {
                let [attached] = self.attached.as_slice() else { panic!("one container is changed over") };
                let before = attached.state(config, &self.facts);
                let wanted = AttachmentState { mode: config.port_mode(), ..before.clone() };
                planner::attach(&wanted, &self.attachment(&before))
            }
        }
    }
}

fn script(ops: &[Op]) -> String {
    let mut text = "set -e\n".to_owned();
    for rendered in render::commands(ops, &Tools::default()) {
        let _ = writeln!(text, "{}", rendered.command);
    }
    text
}

#[test]
fn plans_match_recorded_files() {
    let mut differences = Vec::new();
    let mut cases = 0;
    for case in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).unwrap() {
        let case = case.unwrap().path();
        let config = std::fs::read_to_string(case.join("config.yaml")).unwrap();
        let config = config::parse(&config, &case.join("config.yaml")).unwrap();
        let observed = std::fs::read_to_string(case.join("observed.json")).unwrap();
        let observed: Observed =
            serde_json::from_str(&observed).unwrap_or_else(|why| panic!("{}: {why}", case.display()));
        let plan = observed.plan(&config);
        compare(&case.join("plan.sh"), &script(&plan.ops()), &mut differences);
        compare(&case.join("undo.sh"), &script(&plan.undo()), &mut differences);
        cases += 1;
    }
    assert!(cases >= 13, "only {cases} cases were found");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
