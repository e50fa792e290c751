//! `flatnet status`: this host, its addresses, its containers and its problems on one screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Options, doctor, output};
use crate::doctor::{Context, Entry, Level, examine};
use crate::engine::{Attachment, Engine};
use crate::error::Result;
use crate::model::config::{Bridging, Egress};
use crate::model::types::User;
use crate::nginx::install;
use crate::routes::{publish, summary};

/// Show this host's state, addresses, containers and problems.
///
/// Each problem is shown with what to do. The exit status is 1 if there is one. `flatnet doctor` runs more checks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet status\n  flatnet status --json | jq .problems")]
pub(super) struct Status {}

#[derive(Debug, Serialize)]
struct Report {
    network: String,
    range: String,
    subnet: String,
    /// The containers' next hop; `gateway` is its name of 0.1.0.
    next_hop: Ipv4Addr,
    gateway: Ipv4Addr,
    host: Host,
    bridge: String,
    bridging: Bridging,
    egress: Egress,
    mtu: Option<u32>,
    uplink: Option<String>,
    ingress_gateways: Option<Vec<Ipv4Addr>>,
    addresses: Option<Addresses>,
    /// Counts by state.
    containers: Option<BTreeMap<&'static str, usize>>,
    /// Those of users' rootless Podman among them, by user.
    containers_of_users: Option<BTreeMap<String, usize>>,
    published_ports: Option<usize>,
    /// The HTTP gateway's routes, if there is a gateway.
    routes: Option<String>,
    problems: Vec<Entry>,
    /// What could not be read.
    unread: Vec<String>,
}

/// Whether this host is in its desired state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Host {
    AsConfigured,
    /// The number of missing steps.
    StepsMissing(usize),
    /// The state could not be observed.
    Unknown,
}

/// Address counts.
#[derive(Debug, Serialize)]
pub(super) struct Addresses {
    pub(super) total: usize,
    pub(super) held: usize,
    pub(super) free: usize,
    pub(super) remembered: usize,
}

impl Status {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        options.config()?;
        let report = look(&mut options.context())?;
        if options.json {
            output::print_json(&json!(report));
        } else {
            output::print(&text(&report));
        }
        Ok(u8::from(!report.problems.is_empty()))
    }
}

fn look(context: &mut Context) -> Result<Report> {
    let mut problems = examine(context, true);
    problems.retain(|entry| entry.finding.level >= Level::Warning);
    let Context { engine, attachments, facts, unread, .. } = context;
    let is_known = engine.store.refused().is_none();
    let config = &engine.config;
    Ok(Report {
        network: config.network.to_string(),
        range: config.range.to_string(),
        subnet: config.subnet.to_string(),
        next_hop: config.bridge_address(),
        gateway: config.bridge_address(),
        host: match &context.plan {
            Some(plan) if plan.is_empty() => Host::AsConfigured,
            Some(plan) => Host::StepsMissing(plan.steps.len()),
            None => Host::Unknown,
        },
        bridge: config.bridge.to_string(),
        bridging: config.bridging,
        egress: config.egress,
        mtu: facts.as_ref().map(|facts| facts.mtu),
        uplink: facts.as_ref().and_then(|facts| facts.uplink.clone()),
        ingress_gateways: facts.as_ref().map(|facts| facts.ingress_gateways.clone()),
        addresses: if is_known { Some(addresses(engine)?) } else { None },
        containers: is_known.then(|| containers(attachments)),
        containers_of_users: is_known.then(|| of_users(attachments)),
        published_ports: is_known.then(|| published_ports(attachments)),
        routes: routes(&config.gateway.directory),
        problems,
        unread: unread.clone(),
    })
}

/// The routes last published to the gateway in `directory`.
fn routes(directory: &Path) -> Option<String> {
    install::platform(directory)?;
    Some(match publish::read(&publish::path(directory)) {
        Ok(table) => format!("generation {}: {}", table.generation, summary::count(&table)),
        Err(why) => format!("{NOT_KNOWN}: {why}"),
    })
}

/// Counts of attachments by state.
pub(super) fn containers(attachments: &[Attachment]) -> BTreeMap<&'static str, usize> {
    let mut containers = BTreeMap::new();
    for Attachment { state, .. } in attachments {
        *containers.entry(state.word()).or_default() += 1;
    }
    containers
}

fn of_users(attachments: &[Attachment]) -> BTreeMap<String, usize> {
    let mut users = BTreeMap::new();
    for user in attachments.iter().filter_map(|one| User::of(&one.receipt.id.container_id)) {
        *users.entry(user.name.to_string()).or_default() += 1;
    }
    users
}

pub(super) fn published_ports(attachments: &[Attachment]) -> usize {
    attachments.iter().map(|attachment| attachment.receipt.ports.len()).sum()
}

pub(super) fn addresses(engine: &Engine) -> Result<Addresses> {
    let leases = engine.store.leases()?;
    let is_held = |address: Ipv4Addr| leases.get(address).is_some_and(|lease| !lease.released);
    Ok(Addresses {
        total: engine.config.pool().count(),
        held: leases.held().count(),
        free: engine.config.pool().filter(|&address| !is_held(address)).count(),
        remembered: leases.all().filter(|(_, lease)| lease.released).count(),
    })
}

fn text(report: &Report) -> String {
    let rows: Vec<Vec<String>> =
        rows(report).into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let mut text = output::columns(&rows);
    for problem in &report.problems {
        let _ = write!(text, "\n{}", doctor::entry(problem));
    }
    if !report.unread.is_empty() {
        let _ = writeln!(
            text,
            "\nNote: not checked, since this user may not read it: {}",
            report.unread.join(", ")
        );
    }
    text
}

fn rows(report: &Report) -> [(&'static str, String); 12] {
    let Report { network, range, subnet, next_hop, bridge, problems, unread, .. } = report;
    let problems = match (problems.len(), unread.is_empty()) {
        (0, true) => output::green("none"),
        (0, false) => "none found; not everything was checked".to_owned(),
        (count, _) => output::red(&count.to_string()),
    };
    [
        ("network", format!("{network}: {subnet} of {range}")),
        ("host", host_in_words(&report.host)),
        ("bridge", format!("{bridge}, {next_hop}, {}", bridging_in_words(report.bridging))),
        ("uplink", report.uplink.clone().unwrap_or_else(|| "none".to_owned())),
        ("mtu", or_not_known(report.mtu.as_ref(), ToString::to_string)),
        ("egress", egress_in_words(report.egress).to_owned()),
        ("ingress", or_not_known(report.ingress_gateways.as_ref(), |list| or(&listed(list), "none"))),
        ("addresses", or_not_known(report.addresses.as_ref(), Addresses::in_words)),
        (
            "containers",
            or_not_known(report.containers.as_ref(), |states| or(&counted(states), "none") + &whose(report)),
        ),
        ("ports", or_not_known(report.published_ports.as_ref(), |count| format!("{count} published"))),
        ("routes", report.routes.clone().unwrap_or_else(|| "no gateway here".to_owned())),
        ("problems", problems),
    ]
}

const NOT_KNOWN: &str = "unknown";

fn or_not_known<T>(value: Option<&T>, words: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| NOT_KNOWN.to_owned(), words)
}

fn or(text: &str, instead: &str) -> String {
    if text.is_empty() { instead } else { text }.to_owned()
}

fn host_in_words(host: &Host) -> String {
    match host {
        Host::AsConfigured => output::green("as configured"),
        Host::StepsMissing(1) => output::red("1 step is missing"),
        Host::StepsMissing(steps) => output::red(&format!("{steps} steps are missing")),
        Host::Unknown => NOT_KNOWN.to_owned(),
    }
}

fn bridging_in_words(bridging: Bridging) -> &'static str {
    match bridging {
        Bridging::Routed | Bridging::Isolated => "containers routed",
        Bridging::Plain => "plain",
    }
}

fn egress_in_words(egress: Egress) -> &'static str {
    match egress {
        Egress::Masquerade => "masqueraded",
        Egress::None => "none",
    }
}

fn listed(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn counted(states: &BTreeMap<&'static str, usize>) -> String {
    states.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

/// `; 2 of alice, 1 of bob`.
fn whose(report: &Report) -> String {
    let users = report.containers_of_users.iter().flatten();
    let counts: Vec<String> = users.map(|(user, count)| format!("{count} of {user}")).collect();
    if counts.is_empty() { String::new() } else { format!("; {}", counts.join(", ")) }
}

impl Addresses {
    fn in_words(&self) -> String {
        let Self { total, held, free, remembered } = self;
        format!("{held} held, {free} of {total} free, {remembered} remembered")
    }
}
