//! What the page contains. docs/operations/metrics.md lists it.

use std::path::Path;
use std::time::Duration;

use super::page::{Kind, Page, Sample};
use crate::doctor::{CHECKS, Check, Context, Entry, Level};
use crate::engine::{Attachment, AttachmentStatus, Engine};
use crate::faces::cli::status;
use crate::model::types::NetworkName;
use crate::names::counters::{self, Counters, Quantiles};
use crate::nginx::install;
use crate::routes::publish;
use crate::routes::table::Table;
use crate::state::operations::{Operations, Runs};

/// The operations that are counted.
const OPERATIONS: [&str; 5] = ["add", "del", "up", "down", "repair"];

/// The page of the network in `context`; `findings` are those of the checks that were run.
pub(super) fn page(context: &mut Context, findings: &[Entry]) -> String {
    let network = context.engine.config.network.clone();
    let mut page = Families { page: Page::default(), network: &network };
    page.program();
    page.host(context);
    page.drops(&mut context.engine);
    page.operations(&context.engine.operations());
    page.resolver(&context.engine);
    page.gateway(&context.engine.config.gateway.directory);
    page.findings(findings);
    page.page.text()
}

struct Families<'a> {
    page: Page,
    network: &'a NetworkName,
}

impl Families<'_> {
    /// A sample of this network.
    fn of(&self, value: impl std::fmt::Display) -> Sample {
        Sample::of(value).with("network", self.network)
    }

    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        self.page.family(Kind::Gauge, name, help, samples);
    }

    fn counter(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        self.page.family(Kind::Counter, name, help, samples);
    }

    fn program(&mut self) {
        let info = self.of(1).with("version", env!("CARGO_PKG_VERSION"));
        self.gauge("flatnet_build_info", "The version of flatnet that wrote this page.", [info]);
        let now = self.of(seconds_since_1970(jiff::Timestamp::now().as_millisecond()));
        self.gauge("flatnet_page_timestamp_seconds", "When this page was written.", [now]);
    }

    fn host(&mut self, context: &Context) {
        let missing = context.plan.as_ref().map(|plan| self.of(plan.steps.len()));
        self.gauge(
            "flatnet_missing_steps",
            "Steps that `flatnet up` would run: 0 on a host as configured.",
            missing,
        );
        if context.engine.store.refused().is_some() {
            return;
        }
        if let Ok(addresses) = status::addresses(&context.engine) {
            let status::Addresses { total: _, held, free, remembered } = addresses;
            let counts = [("held", held), ("free", free), ("remembered", remembered)];
            let samples = counts.map(|(state, count)| self.of(count).with("state", state));
            let help = "Addresses by state; a remembered one may be free too.";
            self.gauge("flatnet_addresses", help, samples);
        }
        if context.knows_attachments() {
            self.attachments(&context.attachments);
        }
    }

    fn attachments(&mut self, attachments: &[Attachment]) {
        let counts = status::containers(attachments);
        let samples = AttachmentStatus::ALL.map(|state| {
            self.of(counts.get(state.word()).copied().unwrap_or_default()).with("state", state.word())
        });
        self.gauge("flatnet_containers", "Attachments of containers by state.", samples);
        let ports = self.of(status::published_ports(attachments));
        self.gauge("flatnet_published_ports", "Published ports of containers.", [ports]);
    }

    /// Why they are unknown, if so, is a finding.
    fn drops(&mut self, engine: &mut Engine) {
        let drops = engine.drops().unwrap_or_default();
        let of_chain = |value: u64, family: &str, chain: &str| {
            self.of(value).with("family", family).with("chain", chain)
        };
        let packets: Vec<_> =
            drops.iter().map(|one| of_chain(one.packets, &one.family, &one.chain)).collect();
        let bytes: Vec<_> = drops.iter().map(|one| of_chain(one.bytes, &one.family, &one.chain)).collect();
        self.counter(
            "flatnet_dropped_packets_total",
            "Packets that a chain dropped since its table was loaded.",
            packets,
        );
        self.counter("flatnet_dropped_bytes_total", "Bytes of these packets.", bytes);
    }

    fn operations(&mut self, operations: &Operations) {
        let mut took = Vec::new();
        let (mut last, mut at) = (Vec::new(), Vec::new());
        for name in OPERATIONS {
            let one = operations.of(name);
            let sample = |value: f64| self.of(value).with("operation", name);
            for (outcome, Runs { count, took: micros }) in [("ok", one.ok), ("failed", one.failed)] {
                took.push(sample(seconds(micros)).with("outcome", outcome).part("_sum"));
                let count = self.of(count).with("operation", name).with("outcome", outcome);
                took.push(count.part("_count"));
            }
            if one.at > 0 {
                last.push(sample(seconds(one.last)));
                at.push(sample(seconds_since_1970(one.at)));
            }
        }
        let help = "How long ADD, DEL and others took, since this host started.";
        self.page.family(Kind::Summary, "flatnet_operation_duration_seconds", help, took);
        self.gauge("flatnet_operation_last_duration_seconds", "How long the last one took.", last);
        self.gauge("flatnet_operation_last_timestamp_seconds", "When the last one ended.", at);
    }

    fn resolver(&mut self, engine: &Engine) {
        if !engine.config.names.enabled {
            return;
        }
        let answers = engine.resolver_answers();
        let is_up = self.of(u8::from(answers));
        self.gauge("flatnet_resolver_up", "Whether the resolver answers at the bridge's address.", [is_up]);
        // Those of a resolver that has ended say nothing.
        if !answers {
            return;
        }
        let counters = counters::read(Path::new(counters::FILE)).ok().flatten();
        if let Some(counters) = counters.filter(|counters| is_first(self.network, counters)) {
            self.resolver_counters(&counters);
        }
    }

    /// Without a label for the network: one resolver serves all.
    fn resolver_counters(&mut self, counters: &Counters) {
        let started = Sample::of(seconds_since_1970(counters.started));
        self.gauge("flatnet_resolver_start_time_seconds", "When the resolver started.", [started]);
        self.counter(
            "flatnet_resolver_queries_total",
            "Questions of those who may ask.",
            [Sample::of(counters.queries)],
        );
        let Counters { local, cached, forwarded, refused, failures, .. } = *counters;
        let answers = [
            ("local", local),
            ("cached", cached),
            ("forwarded", forwarded),
            ("refused", refused),
            ("failed", failures),
        ];
        self.counter(
            "flatnet_resolver_answers_total",
            "Answers of the resolver, by where they come from; refused and failed ones are errors.",
            answers.map(|(kind, count)| Sample::of(count).with("kind", kind)),
        );
        let Counters { foreign, limited, malformed, crowded, wrong_answers, .. } = *counters;
        let dropped =
            [("foreign", foreign), ("limited", limited), ("malformed", malformed), ("crowded", crowded)];
        self.counter(
            "flatnet_resolver_dropped_total",
            "Questions that the resolver did not answer, by reason.",
            dropped.map(|(reason, count)| Sample::of(count).with("reason", reason)),
        );
        self.counter(
            "flatnet_resolver_wrong_answers_total",
            "Messages from other servers that answer no question.",
            [Sample::of(wrong_answers)],
        );
        let times = [("local", counters.local_time), ("forwarded", counters.forwarded_time)];
        let samples = times.into_iter().flat_map(|(kind, Quantiles { p50, p99, sum, count })| {
            let sample = |value| Sample::of(value).with("kind", kind);
            [
                sample(seconds(p50)).with("quantile", 0.5),
                sample(seconds(p99)).with("quantile", 0.99),
                sample(seconds(sum)).part("_sum"),
                Sample::of(count).with("kind", kind).part("_count"),
            ]
        });
        let help =
            "How long answers took, local or cached, and forwarded; quantiles since the resolver started.";
        self.page.family(Kind::Summary, "flatnet_resolver_answer_duration_seconds", help, samples);
    }

    /// The routes last published to the gateway in `directory`.
    fn gateway(&mut self, directory: &Path) {
        if install::platform(directory).is_none() {
            return;
        }
        let table = publish::read(&publish::path(directory)).ok();
        let is_readable = self.of(u8::from(table.is_some()));
        self.gauge(
            "flatnet_gateway_routes_readable",
            "Whether the table of routes can be read.",
            [is_readable],
        );
        if let Some(table) = table {
            self.routes(&table);
        }
    }

    fn routes(&mut self, table: &Table) {
        let routes = self.of(table.routes.len());
        self.gauge("flatnet_gateway_routes", "Routes of the gateway.", [routes]);
        let conflicts = self.of(table.conflicts());
        let help = "Routes that claim the host and path of another one, which keeps them.";
        self.gauge("flatnet_gateway_route_conflicts", help, [conflicts]);
        let warnings = table.unrouted.iter().filter(|one| one.warning).count();
        let unrouted = [("true", warnings), ("false", table.unrouted.len() - warnings)]
            .map(|(warning, count)| self.of(count).with("warning", warning));
        self.gauge("flatnet_gateway_unrouted_containers", "Containers without a route.", unrouted);
        let written = table.written.parse::<jiff::Timestamp>().ok();
        let written = written.map(|at| self.of(seconds_since_1970(at.as_millisecond())));
        self.gauge("flatnet_gateway_routes_timestamp_seconds", "When the routes last changed.", written);
    }

    fn findings(&mut self, findings: &[Entry]) {
        let has_run = |check: &&Check| findings.iter().any(|entry| entry.check.id == check.id);
        let levels =
            [("failure", Level::Failure), ("warning", Level::Warning), ("not_looked", Level::NotLooked)];
        let samples: Vec<Sample> = CHECKS
            .iter()
            .filter(has_run)
            .flat_map(|check| levels.map(|(word, level)| (check, word, level)))
            .map(|(check, word, level)| {
                let is = |entry: &&Entry| entry.check.id == check.id && entry.finding.level == level;
                let count = findings.iter().filter(is).count();
                self.of(count).with("check", check.id).with("level", word)
            })
            .collect();
        self.gauge("flatnet_findings", "What the doctor found, by check and level.", samples);
    }
}

/// Whether the page of `network` has the resolver's counters: one of several pages, so that no sample occurs twice.
fn is_first(network: &NetworkName, counters: &Counters) -> bool {
    counters.listening.iter().map(|(name, _)| name).min() == Some(network)
}

fn seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
}

/// Of milliseconds.
fn seconds_since_1970(milliseconds: i64) -> f64 {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()).as_secs_f64()
}
