//! Golden plans: each folder of `tests/golden` holds what is configured and observed, and the scripts that follow.
//!
//! `FLATNET_GOLDEN=write cargo test --test suite golden` writes the scripts anew; the difference is for review.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use flatnet::config::{self, Config};
use flatnet::desired::{AttachmentState, HostFacts, HostState, Routes};
use flatnet::observe::attachment::ObservedAttachment;
use flatnet::observe::host::{ObservedHost, ObservedRuleset};
use flatnet::observe::link;
use flatnet::plan::{self, Op, Plan};
use flatnet::render;
use flatnet::tools::Tools;
use flatnet::types::{AttachmentId, NetnsPath, PortMapping, SysctlKey};
use serde::Deserialize;

/// `observed.json`.
#[derive(Deserialize)]
struct Observed {
    /// What is planned.
    target: Target,
    /// What `auto` means.
    facts: HostFacts,
    /// What `ip -j -d addr show` prints.
    #[serde(default)]
    links: serde_json::Value,
    #[serde(default)]
    sysctls: BTreeMap<SysctlKey, u32>,
    /// Whether there is a route that refuses what nobody has.
    #[serde(default)]
    unreachable: bool,
    /// Whether the tables are there, and as wanted.
    #[serde(default)]
    ruleset: Rules,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    Up,
    Down { found: BTreeMap<SysctlKey, u32> },
    Add(Box<Add>),
}

#[derive(Deserialize)]
struct Add {
    #[serde(flatten)]
    id: AttachmentId,
    netns: NetnsPath,
    address: std::net::Ipv4Addr,
    #[serde(default)]
    ports: Vec<PortMapping>,
    #[serde(default)]
    has_default_route: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rules {
    #[default]
    Absent,
    Same,
}

impl Observed {
    fn host(&self, wanted: &HostState) -> ObservedHost {
        let links =
            if self.links.is_null() { Vec::new() } else { link::parse(&self.links.to_string()).unwrap() };
        ObservedHost {
            bridge: links.into_iter().find(|link| link.name == wanted.bridge.as_str()),
            sysctls: self.sysctls.clone(),
            ports: Vec::new(),
            has_ipv6: true,
            unreachable: self.unreachable,
            arp_table: false,
            ruleset: match self.ruleset {
                Rules::Absent => ObservedRuleset::Absent,
                Rules::Same => ObservedRuleset::Same { elements: BTreeMap::new() },
            },
        }
    }

    fn plan(&self, config: &Config) -> Plan {
        let wanted = HostState::new(config, &self.facts, None, &[]).unwrap();
        match &self.target {
            Target::Up => plan::up(&wanted, &self.host(&wanted)).unwrap(),
            Target::Down { found } => plan::down(&wanted, &self.host(&wanted), found, false).unwrap(),
            Target::Add(add) => {
                let routes = if add.has_default_route { Routes::RangeOnly } else { Routes::Default };
                let Add { id, netns, address, ports, .. } = &**add;
                let wanted =
                    AttachmentState::new(config, &self.facts, id, netns, *address, None, ports, routes);
                plan::attach(&wanted, &ObservedAttachment::default())
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

pub(crate) fn compare(path: &Path, found: &str, differences: &mut Vec<String>) {
    if std::env::var("FLATNET_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(path, found).unwrap();
    }
    if std::fs::read_to_string(path).unwrap_or_default() != found {
        differences.push(format!("{} differs; it would be now:\n{found}", path.display()));
    }
}

#[test]
fn plans_are_as_written() {
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
    assert!(cases >= 6, "only {cases} cases were found");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
