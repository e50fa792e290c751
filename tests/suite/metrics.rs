//! `flatnet metrics`: what the page says about a real host, and where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cni::{Call, host};
use crate::podman::{Flavour, IMAGE, Lab, on_both};
use crate::sandbox::{Output, Sandbox};
use crate::units::start;

on_both!(metrics_follow_containers, each_network_has_a_page);

const PAGE: &str = "docs/operations/metrics.md";

/// The samples of a page: values by name and labels.
#[derive(Debug)]
struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// Parses a page strictly: each family has its help, its type, then its samples, each once.
    #[track_caller]
    fn parse(page: &str) -> Self {
        let mut samples = BTreeMap::new();
        let (mut family, mut families) = ("", BTreeSet::new());
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap();
                assert!(families.insert(family), "{family} comes twice\n{page}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert_eq!(kind.split(' ').next(), Some(family), "{line}");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}\n{page}"));
                let name = sample.split('{').next().unwrap();
                assert!(
                    ["", "_sum", "_count"].contains(&name.strip_prefix(family).unwrap_or(line)),
                    "{line}"
                );
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(samples.insert(sample.to_owned(), value).is_none(), "{line} comes twice\n{page}");
            }
        }
        Self(samples)
    }

    fn of(output: Output) -> Self {
        Self::parse(&output.succeeds().stdout)
    }

    /// The value of `name` with exactly these labels besides the network.
    #[track_caller]
    fn get(&self, name: &str, labels: &str) -> f64 {
        let all = [r#"network="flatnet""#, labels].into_iter().filter(|labels| !labels.is_empty());
        let key = format!("{name}{{{}}}", all.collect::<Vec<_>>().join(","));
        *self.0.get(&key).unwrap_or_else(|| panic!("no {key} among {:#?}", self.names()))
    }

    #[track_caller]
    fn is(&self, name: &str, labels: &str, value: u32) {
        let found = self.get(name, labels);
        assert!((found - f64::from(value)).abs() < 1e-9, "{name}{{{labels}}} is {found}");
    }

    fn has(&self, name: &str) -> bool {
        self.names().contains(name)
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|key| key.split('{').next().unwrap()).collect()
    }
}

/// Runs promtool with this input, if it is installed. In CI it is.
#[expect(clippy::disallowed_methods, reason = "duct has no say in what a test starts")]
fn promtool(arguments: &[&str], input: &str) {
    let Ok(promtool) = which::which("promtool") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no promtool");
        return;
    };
    let mut running = Command::new(promtool)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "promtool {arguments:?}: {output:?}\n{input}");
}

fn metrics_follow_containers(lab: &Lab) {
    let metrics = || Samples::of(lab.sh("flatnet metrics"));
    let count = r#"operation="add",outcome="ok""#;
    let before = metrics();
    before.is("flatnet_missing_steps", "", 0);
    before.is("flatnet_addresses", r#"state="held""#, 0);
    let web = lab.run("private-name", "-p 8081:80");
    lab.run("db", "");
    lab.sh("podman rm -f -t 0 db").succeeds();
    lab.try_run("rejected", &format!("--ip {web}")).fails();
    lab.sh(&format!("podman rm -f rejected; ! ip netns exec stranger curl -s -m 1 http://{web}/")).succeeds();
    let page = lab.sh("flatnet metrics").succeeds().stdout;
    promtool(&["check", "metrics"], &page);
    assert!(!page.contains("private-name") && !page.contains(&web), "{page}");
    let now = Samples::parse(&page);
    now.is("flatnet_addresses", r#"state="held""#, 1);
    now.is("flatnet_addresses", r#"state="free""#, 252);
    // That of db, and that of the container with which the lab began.
    now.is("flatnet_addresses", r#"state="remembered""#, 2);
    now.is("flatnet_containers", r#"state="running""#, 1);
    now.is("flatnet_containers", r#"state="dead""#, 0);
    now.is("flatnet_published_ports", "", 1);
    let grew = |name: &str, labels: &str| now.get(name, labels) - before.get(name, labels);
    assert!(grew("flatnet_dropped_packets_total", r#"family="inet",chain="who_may_come_in""#) >= 1.0);
    assert!(grew("flatnet_dropped_bytes_total", r#"family="inet",chain="who_may_come_in""#) >= 40.0);
    let counts = "flatnet_operation_duration_seconds_count";
    for (labels, number) in [
        (count, 2.0),
        (r#"operation="add",outcome="failed""#, 1.0),
        (r#"operation="del",outcome="ok""#, 1.0),
        (r#"operation="up",outcome="ok""#, 0.0),
    ] {
        let found = grew(counts, labels);
        // Podman calls DEL after a failed ADD.
        assert!(found >= number && (found <= number || labels.contains("del")), "{labels}: {found}\n{page}");
    }
    assert!(grew("flatnet_operation_duration_seconds_sum", count) > 0.0);
    for name in ["flatnet_operation_last_duration_seconds", "flatnet_operation_last_timestamp_seconds"] {
        assert!(now.get(name, r#"operation="add""#) > 0.0, "{page}");
        assert!(
            !page.contains(&format!("{name}{{network=\"flatnet\",operation=\"down\"")),
            "none was run yet"
        );
    }
    let age = now.get("flatnet_page_timestamp_seconds", "")
        - now.get("flatnet_operation_last_timestamp_seconds", r#"operation="add""#);
    assert!((0.0..600.0).contains(&age), "{age} s");
    lab.remove_all();
    lab.nothing_left();
    metrics().is("flatnet_containers", r#"state="running""#, 0);
}

fn each_network_has_a_page(lab: &Lab) {
    lab.sh(
        "flatnet --config /etc/flatnet/alpha.yaml init --host 9 --network alpha --bridge alpha-br0 >/dev/null
        flatnet --config /etc/flatnet/alpha.yaml up >/dev/null",
    )
    .succeeds();
    if lab.flavour == Flavour::Netavark {
        lab.sh("podman network create -d flatnet -o config=/etc/flatnet/alpha.yaml alpha").succeeds();
    }
    lab.sh(&format!("podman run -d --name far --network alpha {IMAGE}")).succeeds();
    // The resolver writes its counters every five seconds.
    let alpha = "flatnet --config /etc/flatnet/alpha.yaml metrics";
    lab.sandbox.eventually(&format!("{alpha} | grep flatnet_resolver_queries_total"));
    let pages = [lab.sh("flatnet metrics"), lab.sh(alpha)].map(|output| output.succeeds().stdout);
    let [own, other] = pages.each_ref().map(|page| Samples::parse(page));
    own.is("flatnet_containers", r#"state="running""#, 0);
    own.is("flatnet_resolver_up", "", 1);
    assert!(!own.has("flatnet_resolver_queries_total") && other.has("flatnet_resolver_queries_total"));
    let running = r#"flatnet_containers{network="alpha",state="running"}"#;
    assert!((other.0[running] - 1.0).abs() < 1e-9, "{other:#?}");
    // node_exporter reads both, and rejects a sample that comes twice.
    let twice: Vec<&String> = own.0.keys().filter(|key| other.0.contains_key(*key)).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    lab.remove_all();
}

#[test]
fn silent_resolver_is_seen_and_its_counters_start_again() {
    let lab = Lab::start(Flavour::Cni);
    let metrics = || Samples::of(lab.sh("flatnet metrics"));
    lab.run("web", "");
    lab.sh(
        "for name in web nobody.example; do podman exec web nslookup -type=a $name >/dev/null || true; done",
    )
    .succeeds();
    lab.sandbox.eventually(
        "flatnet metrics | grep -E '^flatnet_resolver_answers_total[{]kind=\"forwarded\"[}] [1-9]'",
    );
    let found = metrics();
    found.is("flatnet_resolver_up", "", 1);
    found.is("flatnet_findings", r#"check="names",level="failure""#, 0);
    assert!(found.0["flatnet_resolver_answers_total{kind=\"local\"}"] >= 1.0, "{found:#?}");
    assert!(found.0["flatnet_resolver_answer_duration_seconds_sum{kind=\"local\"}"] > 0.0, "{found:#?}");
    let started = found.0["flatnet_resolver_start_time_seconds"];
    lab.sh("kill $(pgrep -f 'flatnet d[n]s'); while pgrep -f 'flatnet d[n]s'; do sleep 0.05; done")
        .succeeds();
    let found = metrics();
    found.is("flatnet_resolver_up", "", 0);
    found.is("flatnet_findings", r#"check="names",level="failure""#, 1);
    lab.sh("flatnet up").succeeds();
    lab.sandbox.eventually(&format!(
        "flatnet metrics | awk '/^flatnet_resolver_start_time_seconds/ {{ found = $2 > {started} }} END {{ exit !found }}'"
    ));
    metrics().is("flatnet_resolver_up", "", 1);
    // Its user may write anything there.
    lab.sh(
        "echo '{\"queries\": \"1\\n2\"}' >/run/flatnet-dns-state/counters.json; flatnet metrics >/tmp/page",
    )
    .succeeds();
    assert!(!Samples::parse(&lab.sandbox.read("/tmp/page")).has("flatnet_resolver_queries_total"));
    lab.sh("echo 'names: {enabled: false}' >>/etc/flatnet/flatnet.yaml; flatnet up").succeeds();
    assert!(!metrics().has("flatnet_resolver_up"));
}

#[test]
fn host_that_is_not_up_has_a_page() {
    let sandbox = host("");
    let page = sandbox.sh("flatnet metrics").succeeds();
    assert_eq!(page.stderr, "", "{page}");
    promtool(&["check", "metrics"], &page.stdout);
    let samples = Samples::parse(&page.stdout);
    assert!(samples.get("flatnet_missing_steps", "") > 5.0, "{page}");
    samples.is("flatnet_addresses", r#"state="free""#, 253);
    samples.is("flatnet_containers", r#"state="running""#, 0);
    samples.is("flatnet_resolver_up", "", 0);
    samples.is("flatnet_operation_duration_seconds_count", r#"operation="add",outcome="ok""#, 0);
    for absent in
        ["flatnet_dropped_packets_total", "flatnet_resolver_queries_total", "flatnet_gateway_routes_readable"]
    {
        assert!(!samples.has(absent), "{absent}\n{page}");
    }
    // What another user may not read is left out, and said.
    let page =
        sandbox.sh("flatnet up >/dev/null; setpriv --reuid nobody --clear-groups flatnet metrics").succeeds();
    assert!(page.stderr.starts_with("Note: left out, since this user may not read it: leases"), "{page}");
    assert!(!Samples::parse(&page.stdout).has("flatnet_addresses"), "{page}");
    sandbox
        .sh("echo 'mtu: 40' >>/etc/flatnet/flatnet.yaml; flatnet metrics")
        .exits_with(2)
        .complains("FLAT-E013");
}

#[test]
fn unknown_values_are_left_out() {
    let sandbox = host("bridging: plain\n");
    let metrics = || Samples::of(sandbox.sh("flatnet metrics"));
    sandbox.sh("flatnet up").succeeds();
    let found = metrics();
    found.is("flatnet_dropped_packets_total", r#"family="arp",chain="is_the_arp_genuine""#, 0);
    found.is("flatnet_findings", r#"check="programs",level="failure""#, 0);
    // /proc/PID/mem of a process that has ended: opening it succeeds, reading it fails.
    sandbox.add_netns("aaaa");
    Call::add("aaaa").run(&sandbox).succeeds();
    metrics().is("flatnet_containers", r#"state="running""#, 1);
    let receipt = "/var/lib/flatnet/flatnet/receipts/*.json";
    sandbox.sh(&format!("mount --bind /proc/self/mem {receipt}")).succeeds();
    let found = metrics();
    assert!(!found.has("flatnet_containers") && !found.has("flatnet_published_ports"), "{found:#?}");
    found.is("flatnet_addresses", r#"state="held""#, 1);
    sandbox
        .sh(&format!("umount {receipt}; echo 'tools: {{nft: /opt/missing/nft}}' >>/etc/flatnet/flatnet.yaml"))
        .succeeds();
    let found = metrics();
    found.is("flatnet_findings", r#"check="programs",level="failure""#, 1);
    found.is("flatnet_addresses", r#"state="held""#, 1);
    found.is("flatnet_containers", r#"state="running""#, 1);
    assert!(!found.has("flatnet_dropped_packets_total") && !found.has("flatnet_missing_steps"), "{found:#?}");
}

#[test]
fn all_checks_are_run_if_asked() {
    let sandbox = host("");
    let checks = |options: &str| {
        let page = sandbox.sh(&format!("flatnet metrics {options}")).succeeds().stdout;
        Samples::parse(&page).0.keys().filter(|key| key.starts_with("flatnet_findings{")).count()
    };
    let all = sandbox
        .sh("(flatnet doctor --json || true) | jq '[.findings[].id] | unique | length'")
        .succeeds()
        .stdout;
    let all: usize = all.trim().parse().unwrap();
    assert_eq!(checks("--all-checks"), 3 * all);
    assert!((3..3 * all).contains(&checks("")), "only the quick ones");
}

#[test]
fn file_for_node_exporter_is_replaced_atomically() {
    let sandbox = host("");
    sandbox
        .sh("flatnet up; mkdir /srv/node; echo mine >/srv/other; ln -s /srv/other /srv/node/flatnet.prom")
        .succeeds();
    // Who has the file open reads it to its end, and no other file is read or left.
    sandbox
        .sh("umask 077; flatnet metrics --textfile /srv/node/flatnet.prom; cat /srv/other; stat -c '%F %a' /srv/node/flatnet.prom
             exec 3</srv/node/flatnet.prom; flatnet metrics --textfile /srv/node/flatnet.prom
             diff <(sed '/timestamp/d' /srv/node/flatnet.prom) <(sed '/timestamp/d' <&3); ls -A /srv/node")
        .prints_exactly("mine\nregular file 644\nflatnet.prom");
    Samples::parse(&sandbox.read("/srv/node/flatnet.prom")).is("flatnet_missing_steps", "", 0);
    sandbox
        .sh("cd /srv/node; flatnet metrics --textfile flatnet.txt")
        .exits_with(2)
        .complains("its name must end in .prom: node_exporter reads no other file");
    sandbox.sh("flatnet metrics --textfile /srv/missing/flatnet.prom").exits_with(2).complains(
        "cannot write /srv/missing/flatnet.prom: there is no directory /srv/missing\nhelp: Create it",
    );
}

#[test]
fn unit_publishes_where_somebody_reads() {
    let sandbox = Sandbox::podman4().image("busybox").start();
    sandbox.sh("mkdir -p /run/systemd/system; flatnet init; flatnet up").succeeds();
    let unit = "flatnet-metrics.service";
    start(&sandbox, unit)
        .complains("there is no gateway in /var/lib/flatnet-gateway, and no directory /var/lib/prometheus/node-exporter")
        .complains("FLAT-E104");
    sandbox.sh("mkdir -p /var/lib/prometheus/node-exporter").succeeds();
    start(&sandbox, unit).prints_exactly("");
    let file = "/var/lib/prometheus/node-exporter/flatnet.prom";
    assert!(Samples::parse(&sandbox.read(file)).has("flatnet_addresses"));
    sandbox.sh("flatnet gateway install; flatnet gateway sync").succeeds();
    start(&sandbox, unit).prints_exactly("");
    sandbox
        .sh(&format!("cmp {file} /var/lib/flatnet-gateway/state/host.prom; stat -c %a {file}"))
        .prints_exactly("644");
    // Another network has a file of its own.
    sandbox
        .sh("flatnet init --network lab --bridge lab-br0 --host 8 --config /etc/flatnet/lab.yaml
             flatnet --config /etc/flatnet/lab.yaml metrics --publish; ls /var/lib/prometheus/node-exporter")
        .prints("flatnet.prom\nflatnet@lab.prom");
}

/// With everything on a host, so that each family has a value.
#[test]
fn page_about_metrics_lists_every_family() {
    let lab = Lab::start(Flavour::Cni);
    lab.run("web", "--label flatnet.port=80");
    lab.run("wrong", "--label flatnet.prot=80");
    lab.sh("flatnet gateway install; flatnet gateway sync").succeeds();
    lab.sandbox.eventually("flatnet metrics | grep flatnet_resolver_queries_total");
    let page = lab.sh("flatnet metrics").succeeds().stdout;
    promtool(&["check", "metrics"], &page);
    let samples = Samples::parse(&page);
    samples.is("flatnet_gateway_routes_readable", "", 1);
    samples.is("flatnet_gateway_routes", "", 1);
    samples.is("flatnet_gateway_route_conflicts", "", 0);
    samples.is("flatnet_gateway_unrouted_containers", r#"warning="true""#, 1);
    samples.is("flatnet_gateway_unrouted_containers", r#"warning="false""#, 0);
    assert!(samples.get("flatnet_gateway_routes_timestamp_seconds", "") > 1e9);
    let families: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let (_, table) = text.split_once("## Families").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `flatnet_")?.split(" | ").next());
    let listed: Vec<String> = rows
        .flat_map(|row| row.split(", "))
        .map(|name| format!("flatnet_{}", name.trim_matches('`').trim_start_matches("flatnet_")))
        .collect();
    assert_eq!(families, listed.iter().map(String::as_str).collect(), "{PAGE} lists these");
    lab.sh("echo torn >/var/lib/flatnet-gateway/state/routes.json").succeeds();
    let torn = Samples::of(lab.sh("flatnet metrics"));
    torn.is("flatnet_gateway_routes_readable", "", 0);
    assert!(!torn.has("flatnet_gateway_routes"));
}

#[test]
fn alerts_fire_when_they_should() {
    promtool(&["check", "rules", "templates/flatnet.rules.yaml"], "");
    promtool(&["test", "rules", "tests/prometheus/alerts.yaml"], "");
}

/// ADD and DEL do not wait for a process that holds the lock of the counts, here one that was stopped.
#[test]
fn counts_hold_nobody_up() {
    let lab = Lab::start(Flavour::Cni);
    lab.sh("exec 3</run/flatnet; flock -x 3; podman run -d --name web --network flatnet flatnet-test/busybox 3<&-; podman rm -f -t 0 web 3<&-")
        .succeeds();
    let count = |labels: &str| {
        Samples::of(lab.sh("flatnet metrics")).get("flatnet_operation_duration_seconds_count", labels)
    };
    let before = count(r#"operation="add",outcome="ok""#);
    lab.run("web", "");
    assert!((count(r#"operation="add",outcome="ok""#) - before - 1.0).abs() < 1e-9);
    // What is not a file of Flatnet's is replaced.
    lab.sh("rm /run/flatnet/flatnet.operations.json; mkfifo /run/flatnet/flatnet.operations.json; podman rm -f -t 0 web").succeeds();
    assert!((count(r#"operation="del",outcome="ok""#) - 1.0).abs() < 1e-9);
    lab.nothing_left();
}
