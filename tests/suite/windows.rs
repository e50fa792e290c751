//! Decisions for Windows: each case of `tests/windows/cases` is the state of a PC and the decision for it.
//!
//! `FLATNET_GOLDEN=write cargo test --test suite windows` rewrites the decisions; review the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flatnet::doctor::Level;
use flatnet::windows::action::{Action, Planned, Store};
use flatnet::windows::decide::{Decision, Verb, decide};
use flatnet::windows::observed::{self, Listener, NameRule, Observed, Process, Route, Rule};
use serde_json::{Value, json};

use crate::golden_file::compare;
use crate::sandbox::Sandbox;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/windows");

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Merges a patch as in RFC 7396.
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

/// The input that Windows sends in a case.
fn sent(case: &Value) -> String {
    let mut all = json(&Path::new(FOLDER).join("base.json"));
    merge(&mut all, case);
    let mut sent = all["seen"].clone();
    sent["facts"] = json!(all["facts"].to_string());
    sent.to_string()
}

/// A PC without problems.
pub(crate) fn base() -> Observed {
    observed::parse(&sent(&json!({}))).unwrap()
}

fn cases() -> Vec<(PathBuf, Observed)> {
    let files = std::fs::read_dir(Path::new(FOLDER).join("cases")).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    assert!(paths.len() > 30, "only {} cases were found", paths.len());
    paths.into_iter().map(|path| (path.clone(), observed::parse(&sent(&json(&path))).unwrap())).collect()
}

/// The output for people, without the layers that are good.
fn report(look: &Decision, up: &Decision) -> String {
    let set_up = if look.set_up { "" } else { ", and nothing is set up" };
    let mut text = format!("stops at: {}{set_up}\n", look.stops_at.unwrap_or("nothing"));
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
    let _ = writeln!(text, "up");
    for Planned { action, why } in &up.actions {
        let _ = writeln!(text, "  {action:?}  # {why}");
    }
    text
}

#[test]
fn decisions_match_recorded_cases() {
    let mut differences = Vec::new();
    for (path, seen) in cases() {
        let [look, up] = [Verb::Look, Verb::Up].map(|verb| decide(verb, &seen).unwrap());
        assert!(look.actions.is_empty(), "{}: look has actions", path.display());
        for layer in look.layers.iter().filter(|layer| layer.finding.level == Level::Failure) {
            let says = !layer.finding.commands.is_empty() || layer.finding.help.is_some();
            assert!(says, "{}: {} fails without a command or help", path.display(), layer.layer);
        }
        compare(&path.with_extension("txt"), &report(&look, &up), &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Applies an action to the PC's state.
fn carry_out(seen: &mut Observed, action: &Action) {
    let ports = seen.settings.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let own = |name: String, program: &str| Rule {
        name,
        enabled: "True".to_owned(),
        action: "Allow".to_owned(),
        profiles: "Domain, Private".to_owned(),
        program: program.to_owned(),
    };
    let remove = |rules: &mut Vec<Rule>, name: &str| {
        let before = rules.len();
        rules.retain(|rule| rule.name != name);
        assert!(rules.len() < before, "Remove-Net*Rule fails without such a rule: {name}");
    };
    let subnet = seen.settings.subnet;
    match action {
        &Action::AddRoute { interface, next_hop } => {
            let route = Route { destination: subnet, next_hop, interface, store: Store::ActiveStore };
            assert!(!seen.routes.contains(&route), "New-NetRoute fails if the route exists");
            seen.routes.push(route);
        }
        &Action::RemoveRoute { interface, next_hop, store } => {
            let gone = Route { destination: subnet, next_hop, interface, store };
            let before = seen.routes.len();
            seen.routes.retain(|route| *route != gone);
            assert!(seen.routes.len() < before, "Remove-NetRoute fails without such a route");
        }
        Action::AddLanRule => {
            seen.lan_rules.push(own(format!("Flatnet gateway {ports}"), &seen.settings.openresty));
        }
        Action::AddSharedRule => seen.lan_rules.push(own(format!("Flatnet gateway {ports}"), "Any")),
        Action::RemoveLanRule { name } => remove(&mut seen.lan_rules, name),
        Action::AddSubnetRule => seen.hyperv_rules.push(own(format!("Flatnet subnet {subnet}"), "Any")),
        Action::AddPortsRule => seen.hyperv_rules.push(own(format!("Flatnet gateway {ports}"), "Any")),
        Action::RemoveHypervRule { name } => remove(&mut seen.hyperv_rules, name),
        Action::AddNameRule { server } => {
            let rules = &mut seen.nrpt.as_mut().unwrap().rules;
            rules.push(NameRule {
                name: "{33333333-3333-3333-3333-333333333333}".to_owned(),
                namespaces: vec![format!(".{}", seen.settings.zone)],
                servers: vec![server.to_string()],
                own: true,
            });
        }
        Action::RemoveNameRule { name } => {
            let rules = &mut seen.nrpt.as_mut().unwrap().rules;
            let removed = rules.iter().position(|rule| rule.name == *name).map(|at| rules.remove(at));
            assert!(removed.is_some_and(|rule| rule.own), "only a rule of Flatnet may be removed: {name}");
        }
        Action::StartGateway => {
            let (name, path) = ("nginx.exe".to_owned(), None);
            seen.processes.push(Process { pid: 9000, parent: 1, name, path, ours: true });
            let (address, port) = ("0.0.0.0".to_owned(), seen.settings.ports[0]);
            seen.listeners.push(Listener { address, port, pid: 9000 });
        }
        Action::StopGateway => {
            let ours: Vec<u32> = seen.processes.iter().filter(|one| one.ours).map(|one| one.pid).collect();
            seen.processes.retain(|process| !process.ours);
            seen.listeners.retain(|listener| !ours.contains(&listener.pid));
        }
    }
}

/// Applies the actions of up to three rounds, like `flatnet.ps1`. Returns whether no action is left.
fn until_done(seen: &mut Observed) -> bool {
    for _ in 0..3 {
        let actions = decide(Verb::Up, seen).unwrap().actions;
        if actions.is_empty() {
            return true;
        }
        for planned in &actions {
            carry_out(seen, &planned.action);
        }
    }
    decide(Verb::Up, seen).unwrap().actions.is_empty()
}

#[test]
fn up_converges_and_leaves_foreign_objects() {
    for (path, mut seen) in cases() {
        let others = |seen: &Observed| {
            let subnet = seen.settings.subnet;
            let is_other = |route: &&Route| route.destination != subnet || route.interface == 60;
            let routes = seen.routes.iter().filter(is_other).cloned().collect::<Vec<_>>();
            let processes = seen.processes.iter().filter(|one| !one.ours).cloned().collect::<Vec<_>>();
            let is_foreign = |rule: &&NameRule| !rule.own;
            let names = seen.nrpt.iter().flat_map(|nrpt| &nrpt.rules).filter(is_foreign).cloned();
            (routes, processes, names.collect::<Vec<_>>())
        };
        let before = others(&seen);
        assert!(until_done(&mut seen), "{}: up does not converge", path.display());
        assert_eq!(others(&seen), before, "{}", path.display());
    }
}

#[test]
fn scripts_of_another_version_are_refused() {
    for case in [json!({"seen": {"version": 1}}), json!({"facts": {"version": 1}})] {
        let error = decide(Verb::Up, &observed::parse(&sent(&case)).unwrap()).unwrap_err();
        assert!(error.to_line().contains("flatnet windows install"), "{error}");
    }
    let error = decide(Verb::Up, &Observed { facts: "<3>WSL (1) ERROR".to_owned(), ..base() }).unwrap_err();
    assert!(error.to_line().contains("flatnet windows facts"), "{error}");
}

#[test]
fn facts_and_decisions_work_from_command_line() {
    let sandbox = Sandbox::podman4().image("busybox").start();
    sandbox.sh("flatnet init && flatnet up && podman run -d --name web --network flatnet flatnet-test/busybox sleep 600").succeeds();
    let facts: Value = serde_json::from_str(&sandbox.sh("flatnet windows facts").succeeds().stdout).unwrap();
    assert_eq!(facts["container"], json!({"name": "web", "address": "10.87.1.2"}));
    assert!(facts["bridge_link"].as_str().unwrap().contains("flatnet-br0"), "{facts}");
    assert_eq!(facts["ports"], json!([80]));
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
    sandbox.sh_with_stdin("flatnet windows decide sideways", &text).complains("the verb must be look or up");
}
