//! What is decided for Windows: each case of `tests/windows/cases` is a PC in some state, and what follows from it.
//!
//! `FLATNET_GOLDEN=write cargo test --test suite windows` writes what follows anew; the difference is for review.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flatnet::doctor::Level;
use flatnet::windows::action::{Action, Planned, Store};
use flatnet::windows::decide::{Decision, Verb, decide};
use flatnet::windows::seen::{self, Listener, Process, Route, Rule, Seen};
use serde_json::{Value, json};

use crate::golden::compare;
use crate::sandbox::Sandbox;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/windows");

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(fields), Value::Object(changes)) = (&mut *target, patch) else {
        *target = patch.clone();
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.as_str()).or_insert(json!(null)), change);
        }
    }
}

/// What Windows sends of a case.
fn sent(case: &Value) -> String {
    let mut all = json(&Path::new(FOLDER).join("base.json"));
    merge(&mut all, case);
    let mut sent = all["seen"].clone();
    sent["facts"] = json!(all["facts"].to_string());
    sent.to_string()
}

/// A PC on which all is well.
pub(crate) fn base() -> Seen {
    seen::parse(&sent(&json!({}))).unwrap()
}

fn cases() -> Vec<(PathBuf, Seen)> {
    let files = std::fs::read_dir(Path::new(FOLDER).join("cases")).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    assert!(paths.len() > 30, "only {} cases were found", paths.len());
    paths.into_iter().map(|path| (path.clone(), seen::parse(&sent(&json(&path))).unwrap())).collect()
}

/// What a person would be told, without what is well.
fn told(look: &Decision, up: &Decision, down: &Decision) -> String {
    let mut text = format!("stops at: {}\n", look.stops_at.unwrap_or("nothing"));
    for layer in look.layers.iter().filter(|layer| layer.finding.level >= Level::Warning) {
        let level = if layer.finding.level == Level::Failure { "FAILURE" } else { "warning" };
        let _ = writeln!(text, "{level}  {}: {}", layer.layer, layer.finding.what);
        for command in &layer.finding.commands {
            let _ = writeln!(text, "         run   {command}");
        }
        if let Some(help) = &layer.finding.help {
            let _ = writeln!(text, "         help  {help}");
        }
    }
    for (verb, decision) in [("up", up), ("down", down)] {
        let _ = writeln!(text, "{verb}");
        for Planned { action, why } in &decision.actions {
            let _ = writeln!(text, "  {action:?}  # {why}");
        }
    }
    text
}

#[test]
fn what_follows_is_as_written() {
    let mut differences = Vec::new();
    for (path, seen) in cases() {
        let [look, up, down] = [Verb::Look, Verb::Up, Verb::Down].map(|verb| decide(verb, &seen).unwrap());
        assert!(look.actions.is_empty(), "{}: looking does nothing", path.display());
        compare(&path.with_extension("txt"), &told(&look, &up, &down), &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The same PC, after Windows has done what it was told.
fn carry_out(seen: &mut Seen, action: &Action) {
    let own = |name: &str| Rule { name: name.to_owned(), enabled: "True".to_owned() };
    let subnet = seen.settings.subnet;
    match action {
        &Action::AddRoute { interface, next_hop } => {
            let route = Route { destination: subnet, next_hop, interface, store: Store::ActiveStore };
            assert!(!seen.routes.contains(&route), "New-NetRoute fails where the route is");
            seen.routes.push(route);
        }
        &Action::RemoveRoute { interface, next_hop, store } => {
            let gone = Route { destination: subnet, next_hop, interface, store };
            let before = seen.routes.len();
            seen.routes.retain(|route| *route != gone);
            assert!(seen.routes.len() < before, "Remove-NetRoute fails where there is none");
        }
        Action::AddLanRule { name } => seen.lan_rules.push(own(name)),
        Action::RemoveLanRule { name } => seen.lan_rules.retain(|rule| rule.name != *name),
        Action::AddSubnetRule { name } | Action::AddPortsRule { name } => seen.hyperv_rules.push(own(name)),
        Action::RemoveHypervRule { name } => seen.hyperv_rules.retain(|rule| rule.name != *name),
        Action::StartGateway => {
            seen.processes.push(Process { pid: 9000, parent: 1, name: "nginx.exe".to_owned() });
            seen.listeners.push(Listener { port: seen.settings.ports[0], pid: 9000 });
        }
        Action::StopGateway => {
            seen.processes.retain(|process| process.name != "nginx.exe");
            seen.listeners.clear();
        }
    }
}

/// As often as `flatnet.ps1` does it.
fn until_done(verb: Verb, seen: &mut Seen) -> bool {
    for _ in 0..3 {
        let actions = decide(verb, seen).unwrap().actions;
        if actions.is_empty() {
            return true;
        }
        for planned in &actions {
            carry_out(seen, &planned.action);
        }
    }
    decide(verb, seen).unwrap().actions.is_empty()
}

#[test]
fn done_once_is_done_and_down_leaves_nothing_of_ours_and_all_of_others() {
    for (path, mut seen) in cases() {
        let others = |seen: &Seen| {
            let subnet = seen.settings.subnet;
            let is_other = |route: &&Route| route.destination != subnet || route.interface == 60;
            seen.routes.iter().filter(is_other).cloned().collect::<Vec<_>>()
        };
        let before = others(&seen);
        assert!(until_done(Verb::Up, &mut seen), "{}: up does not come to an end", path.display());
        assert!(until_done(Verb::Down, &mut seen), "{}: down does not come to an end", path.display());
        assert_eq!(others(&seen), before, "{}", path.display());
        let own = seen.routes.len() - before.len() + seen.lan_rules.len() + seen.hyperv_rules.len();
        assert_eq!(own, 0, "{}: {seen:?}", path.display());
    }
}

#[test]
fn scripts_of_another_version_are_refused() {
    for case in [json!({"seen": {"version": 2}}), json!({"facts": {"version": 2}})] {
        let error = decide(Verb::Up, &seen::parse(&sent(&case)).unwrap()).unwrap_err();
        assert!(error.whole().contains("install.ps1"), "{error}");
    }
    let error = decide(Verb::Up, &Seen { facts: "<3>WSL (1) ERROR".to_owned(), ..base() }).unwrap_err();
    assert!(error.whole().contains("flatnet windows facts"), "{error}");
}

#[test]
fn the_program_tells_facts_and_decides_by_standard_input() {
    let sandbox = Sandbox::podman4().image("busybox").start();
    sandbox.sh("flatnet init && flatnet up && podman run -d --name web --network flatnet flatnet-test/busybox sleep 600").succeeds();
    let facts: Value = serde_json::from_str(&sandbox.sh("flatnet windows facts").succeeds().stdout).unwrap();
    assert_eq!(facts["container"], json!({"name": "web", "address": "10.87.1.2"}));
    assert!(facts["bridge_link"].as_str().unwrap().contains("flatnet-br0"), "{facts}");
    assert_eq!((&facts["bridge"], &facts["ip_forward"]), (&json!("10.87.1.1"), &json!("1\n")));
    let eth0 = sandbox
        .sh("ip -4 -o addr show dev eth0 scope global | awk '{ sub(\"/.*\", \"\", $4); print $4 }'")
        .stdout;
    assert_eq!(facts["eth0"].as_str().unwrap_or_default(), eth0.trim());

    // As PowerShell 5.1 may send it: a byte order mark, CRLF.
    let text = format!("\u{feff}{}\r\n", sent(&json(&Path::new(FOLDER).join("cases/fresh.json"))));
    let answer = sandbox.sh_with_stdin("flatnet windows decide up", &text).succeeds().stdout;
    assert!(answer.is_ascii(), "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["actions"][0]["do"], "add_route");
    sandbox.sh_with_stdin("flatnet windows decide up", "{}").complains("FLAT-E006");
    sandbox.sh_with_stdin("flatnet windows decide sideways", &text).complains("none of look, up, down");
}

#[test]
fn curl_prints_what_is_read() {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("mkdir /tmp/web").succeeds();
    let mut server = sandbox.spawn("exec python3 -m http.server 80 --bind 127.0.0.1 --directory /tmp/web");
    let script = std::fs::read_to_string(Path::new(FOLDER).join("../../ops/windows/lib/probe.ps1")).unwrap();
    let line = script.lines().find_map(|line| line.split_once("= curl.exe ")).unwrap().1;
    let options = line.trim_end_matches("$Url").replace("NUL", "/dev/null");
    for (url, exit, wrote) in [
        ("http://127.0.0.1:80/", 0, "200 127.0.0.1"),
        ("http://127.0.0.1:80/nothing", 0, "404 127.0.0.1"),
        ("http://127.0.0.1:81/", 7, "000"),
        ("http://no-such-name.invalid/", 6, "000"),
    ] {
        let output = sandbox.eventually(&format!(
            "status=0; curl {options} {url} >/tmp/out || status=$?; [ $status = {exit} ]; cat /tmp/out"
        ));
        assert_eq!(output.stdout.trim(), wrote, "{url}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
