//! `flatnet doctor` as people and scripts call it: the question of --fix, the exit status, the format of --json.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::doctor::well;
use crate::sandbox::{Output, Sandbox};

/// Runs a command on a terminal with this input; an empty input is the end of input.
fn at_a_terminal(sandbox: &Sandbox, command: &str, typed: &str) -> Output {
    sandbox.sh(&format!("printf '{typed}' | script -qec '{command}' /dev/null"))
}

#[test]
fn fix_asks_on_terminal_and_needs_a_yes() {
    let sandbox = well("");
    sandbox.sh("sysctl -qw net.ipv4.ip_forward=0").succeeds();
    let forwards = |wanted: &str| drop(sandbox.sh("sysctl -n net.ipv4.ip_forward").prints_exactly(wanted));
    for typed in ["n\n", "\n", "yellow\n", ""] {
        let output = at_a_terminal(&sandbox, "flatnet doctor --fix", typed).exits_with(2);
        let (plan, question) = ("sysctl -qw net/ipv4/ip_forward=1", "Do it? [y/N] ");
        assert!(output.stdout.find(plan) < output.stdout.find(question), "{typed:?}: {output}");
        assert!(output.stdout.contains(plan) && !output.stdout.contains("Done"), "{typed:?}: {output}");
        forwards("0");
    }
    let nobody = sandbox.sh("flatnet doctor --fix </dev/null").exits_with(2);
    assert!(nobody.stderr.ends_with("Nothing was changed. Use --fix --yes\n"), "{nobody}");
    forwards("0");
    at_a_terminal(&sandbox, "flatnet doctor --fix", "y\n")
        .prints("Done. Checks after the fix:")
        .prints("nothing is wrong");
    forwards("1");
    let nothing = sandbox.sh("flatnet doctor --fix </dev/null").succeeds();
    assert!(nothing.stderr.starts_with("--fix can fix nothing here by itself"), "{nothing}");
}

/// `flatnet plan` asks the same question.
#[test]
fn plan_asks_on_terminal_and_needs_a_yes() {
    let sandbox = well("");
    for typed in ["n\n", ""] {
        at_a_terminal(&sandbox, "flatnet plan down", typed).prints("Run it? [y/N] ");
        sandbox.sh("ip link show flatnet-br0").succeeds();
    }
    at_a_terminal(&sandbox, "flatnet plan down", "yes\n").succeeds();
    sandbox.sh("ip link show flatnet-br0").fails();
    // Without a terminal, it prints the plan and exits.
    sandbox.sh("flatnet plan").succeeds();
    sandbox.sh("ip link show flatnet-br0").fails();
}

#[test]
fn doctor_exit_status_and_json_match_documentation() {
    let sandbox = well("");
    let report = |command: &str, status: i32| -> Value {
        let output = sandbox.sh(command).exits_with(status);
        serde_json::from_str(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output}"))
    };
    let well = report("flatnet doctor --json", 0);
    let proxy_arp = "sysctl -qw net/ipv4/conf/lan0/proxy_arp";
    let warned = report(&format!("{proxy_arp}=1; flatnet doctor --json"), 1);
    let failed = report("sysctl -qw net.ipv4.ip_forward=0; flatnet doctor --json", 2);
    let mended = report("flatnet doctor --fix --yes --json", 1);
    sandbox.sh(&format!("{proxy_arp}=0; flatnet doctor --nonsense")).exits_with(2);

    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
    };
    let set = |words: &[&str]| -> BTreeSet<String> { words.iter().map(|&word| word.to_owned()).collect() };
    let always = ["doc", "group", "id", "level", "looks_at", "shows", "what"];
    for (report, warnings, failures) in [(&well, 0, 0), (&warned, 1, 0), (&failed, 1, 1), (&mended, 1, 0)] {
        assert_eq!(keys(report), set(&["findings", "summary"]));
        let summary = &report["summary"];
        assert_eq!(keys(summary), set(&["good", "not_applicable", "not_looked", "warnings", "failures"]));
        assert_eq!((&summary["warnings"], &summary["failures"]), (&warnings.into(), &failures.into()));
        let findings = report["findings"].as_array().unwrap();
        let ids: Vec<&str> = findings.iter().filter_map(|one| one["id"].as_str()).collect();
        let checks: Vec<&str> = flatnet::doctor::CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids, checks, "one finding of each, in order, where no check finds two things");
        for finding in findings {
            let optional = set(&["commands", "help"]);
            assert_eq!(&keys(finding) - &optional, set(&always), "{finding}");
        }
    }
    let warning = warned["findings"].as_array().unwrap().iter().find(|one| one["id"] == "proxy-arp").unwrap();
    assert_eq!(keys(warning), &set(&always) | &set(&["commands", "help"]));

    let manual = include_str!("../../docs/operations/doctor.md");
    let help = sandbox.sh("flatnet doctor --help").succeeds().stdout;
    sandbox.sh("flatnet man man && cat man/flatnet-doctor.1").prints("not_applicable");
    for word in always.iter().chain(&["commands", "help", "findings", "summary", "not_looked", "failures"]) {
        assert!(manual.contains(&format!("`{word}`")), "{word} is missing in the manual");
        assert!(help.contains(&format!("`{word}`")), "{word} is missing in\n{help}");
    }
}
