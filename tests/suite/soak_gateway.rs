//! Clients of all kinds, and containers that restart meanwhile: no request fails that the gateway can hold, and nothing
//! grows.
//!
//! ```text
//! lan 192.168.50.23 ---- 192.168.50.1 windows (nginx) 192.168.77.1 ---- the host: Podman, `flatnet gateway watch`
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::podman::{Flavour, Lab};
use crate::soak;

const LAN: &str = "
ip netns add lan
ip link add lan netns windows type veth peer name eth0 netns lan
ip -n windows addr add 192.168.50.1/24 dev lan; ip -n windows link set lan up
ip -n lan addr add 192.168.50.23/24 dev eth0; ip -n lan link set eth0 up
";

const DRIVERS: [(&str, &str); 4] = [
    ("backend.py", include_str!("drive/backend.py")),
    ("churn.py", include_str!("drive/churn.py")),
    ("visit.py", include_str!("drive/visit.py")),
    ("weigh.py", include_str!("drive/weigh.py")),
];

/// Runs the host's Python in a container that contains only busybox.
fn run(name: &str, host: &str) -> String {
    let mounts = "-v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro";
    let server = format!("/usr/bin/python3 -B /usr/local/lib/drive/backend.py 0.0.0.0 80 {name}");
    let labels = format!("--label flatnet.port=80 --label flatnet.host={host}");
    format!(
        "podman run -d --name {name} --network flatnet --tmpfs /run/backend {labels} {mounts} flatnet-test/busybox {server}"
    )
}

/// The gateway on Windows, `watch` on the host, and containers behind the gateway.
fn set_up() -> Lab {
    let lab = Lab::start(Flavour::Cni);
    for (name, text) in DRIVERS {
        lab.sandbox.write(&format!("/usr/local/lib/drive/{name}"), text);
    }
    lab.sh("flatnet gateway install").succeeds();
    lab.sh(LAN).succeeds();
    for (name, host) in [("web", "web"), ("one", "pair"), ("two", "pair"), ("gone", "gone")] {
        lab.sh(&run(name, host)).succeeds();
    }
    lab.sh("flatnet gateway watch >/tmp/watch.out 2>&1 & echo $! >/tmp/watch.pid").succeeds();
    // Each worker starts with the routes that exist, and checks for new ones at its own time.
    for host in ["web", "pair", "gone"] {
        let routes = "/var/lib/flatnet-gateway/state/routes.json";
        lab.sandbox.eventually(&format!("grep -q '\"{host}.flatnet.internal\"' {routes}"));
    }
    lab.sh("ip netns exec windows nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf").succeeds();
    for host in ["web", "pair", "gone"] {
        lab.sandbox.eventually(&format!(
            "ip netns exec lan curl -sf -H 'Host: {host}.flatnet.internal' http://192.168.50.1/"
        ));
    }
    lab
}

/// Starts a driver in parallel with the test; its output is in `/tmp/NAME.json`.
fn start(lab: &Lab, prefix: &str, name: &str, plan: &Value) -> Child {
    lab.sandbox.write(&format!("/tmp/{name}.plan"), &plan.to_string());
    let driver = format!("/usr/bin/python3 -B /usr/local/lib/drive/{name}.py");
    lab.sandbox
        .spawn(&format!("exec {prefix} {driver} </tmp/{name}.plan >/tmp/{name}.json 2>/tmp/{name}.err"))
}

fn finish(lab: &Lab, name: &str, mut driver: Child) -> Value {
    let status = driver.wait().unwrap();
    assert!(status.success(), "{name}: {}", lab.sandbox.read(&format!("/tmp/{name}.err")));
    serde_json::from_str(&lab.sandbox.read(&format!("/tmp/{name}.json"))).unwrap()
}

/// Makes containers come and go for `seconds`, and returns how often they did.
fn churn(lab: &Lab, seconds: usize) -> BTreeMap<String, u64> {
    let end = Instant::now() + Duration::from_secs(seconds as u64);
    let mut sums = BTreeMap::new();
    for part in 0.. {
        // A script in the sandbox has a time limit.
        let left = end.saturating_duration_since(Instant::now()).as_secs().min(60);
        if left == 0 {
            break;
        }
        let plan = json!({"seconds": left, "seed": soak::seed() * 1000 + part, "held": ["web", "one"], "gone": "gone", "run": {"gone": run("gone", "gone")}});
        let script = "exec /usr/bin/python3 -B /usr/local/lib/drive/churn.py";
        let output = lab.sandbox.sh_with_stdin(script, &plan.to_string()).succeeds();
        let counts: BTreeMap<String, u64> = serde_json::from_str(&output.stdout).unwrap();
        for (name, count) in counts {
            *sums.entry(name).or_default() += count;
        }
    }
    sums
}

/// The median of a figure in each part of the samples: memory and connections come and go with the requests, and while `watch`
/// starts a program, half of its memory is not counted.
fn medians(samples: &[Value], name: &str, parts: usize) -> Vec<i64> {
    let size = samples.len().div_ceil(parts).max(1);
    let median = |part: &[Value]| {
        let mut values: Vec<i64> = part.iter().filter_map(|sample| sample[name].as_i64()).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied()
    };
    samples.chunks(size).filter_map(median).collect()
}

/// The growth of each figure from the second third to the last; the first third is for warming up.
fn grown(samples: &[Value]) -> BTreeMap<String, i64> {
    let names: BTreeSet<&String> = samples.iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let grown = |name: &String| match medians(samples, name, 3)[..] {
        [_, before, after] => (name.clone(), after - before),
        _ => panic!("{name} was not there all the time: {samples:?}"),
    };
    names.into_iter().map(grown).collect()
}

/// Lua's memory varies by a megabyte or two with garbage collection, and connections open and close; a leak keeps
/// growing.
fn allowed(name: &str) -> i64 {
    if name.ends_with("KiB") { 3072 } else { 16 }
}

/// Of the requests that were broken off twice, those that the gateway did not repeat according to its log.
fn not_repeated(lab: &Lab, visited: &Value) -> Vec<String> {
    let log = "/var/lib/flatnet-gateway/logs/access.log";
    let ids = visited.as_object().unwrap().values().flat_map(|one| one["twice"].as_array().unwrap());
    let was_repeated = |id: &str| {
        // The log is written once a second.
        lab.sandbox
            .eventually(&format!("grep -F '\"request_id\":\"{id}\"' {log}"))
            .stdout
            .contains("\"replays\":\"1\"")
    };
    ids.map(|id| id.as_str().unwrap()).filter(|id| !was_repeated(id)).map(str::to_owned).collect()
}

/// The figures to report, and all failed requests.
fn figures(
    visited: &Value,
    churned: &BTreeMap<String, u64>,
    grown: &BTreeMap<String, i64>,
) -> (Value, Vec<String>) {
    let mut figures = json!(churned);
    let mut failed = Vec::new();
    for (kind, one) in visited.as_object().unwrap() {
        failed.extend(one["failed"].as_array().unwrap().iter().map(Value::to_string));
        figures[kind] = one["asked"].clone();
        figures[format!("{kind}, slowest s")] = json!([one["slowest"]]);
        figures[format!("{kind}, broken off")] = one["broke"].clone();
        figures[format!("{kind}, broken off twice")] = json!(one["twice"].as_array().unwrap().len());
    }
    for (name, more) in grown {
        figures[format!("{name} grew by")] = json!([more]);
    }
    figures["failed"] = json!(failed.len());
    (figures, failed)
}

/// A busy machine warms up for longer than a third of a round, so growth is measured again: a leak keeps growing.
const ROUNDS: usize = 4;

#[test]
fn restarts_under_mixed_load_fail_and_leak_nothing() {
    let lab = set_up();
    let seconds = soak::count(30);
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS {
        match round(&lab, seconds) {
            grew if grew.is_empty() => return,
            grew => rounds.push(grew),
        }
    }
    panic!("it grew in each round: {rounds:#?}");
}

/// A round of clients and restarts. Returns the figures that grew too much.
fn round(lab: &Lab, seconds: usize) -> Vec<String> {
    let hosts = json!(["web.flatnet.internal", "pair.flatnet.internal"]);
    let visit = json!({"address": "192.168.50.1", "seconds": seconds, "held": hosts, "gone": "gone.flatnet.internal"});
    let pid = |path: &str| lab.sandbox.read(path).trim().parse::<u64>().unwrap();
    let (nginx, watch) = (pid("/var/lib/flatnet-gateway/logs/nginx.pid"), pid("/tmp/watch.pid"));
    let weigh = json!({"seconds": seconds, "nginx": nginx, "watch": watch, "metrics": "http://192.168.77.1/_flatnet/metrics"});
    let visitors = start(lab, "ip netns exec lan", "visit", &visit);
    let scales = start(lab, "", "weigh", &weigh);
    let churned = churn(lab, seconds);
    let visited = finish(lab, "visit", visitors);
    let samples = finish(lab, "weigh", scales);
    let samples = samples.as_array().unwrap();
    let grown = grown(samples);
    let (figures, mut failed) = figures(&visited, &churned, &grown);
    failed.extend(not_repeated(lab, &visited));
    soak::report(seconds, 0, &figures);
    let log = || {
        let refused = "grep '\"method\":\"GET\".*\"status\":50' access.log | tail -n 5";
        lab.sh(&format!(
            "cd /var/lib/flatnet-gateway/logs; {refused}; tail -n 20 error.log; tail -n 20 /tmp/watch.out"
        ))
        .stdout
    };
    assert!(failed.is_empty(), "{failed:#?}\n{figures:#}\n{}", log());
    // Restarts and all kinds of requests took place.
    assert!(churned.values().sum::<u64>() >= seconds as u64 / 10, "{figures:#}");
    for kind in ["get", "get_once", "post", "upload", "events", "websocket", "get_gone"] {
        assert!(figures[kind].as_u64() > Some(5), "{figures:#}");
    }
    let too_much = grown.iter().filter(|(name, more)| **more > allowed(name));
    let told = too_much
        .map(|(name, _)| format!("{name} grew, its median in each tenth: {:?}", medians(samples, name, 10)));
    told.collect()
}
