//! The command line's output, to root and to other users: errors, help, the configuration, manual pages.

use serde_json::Value;

use crate::cni::{CONFIG, Call, host};
use crate::sandbox::Sandbox;

const NOBODY: &str = "setpriv --reuid 65534 --clear-groups";

#[test]
fn errors_have_three_parts_without_colour() {
    let sandbox = Sandbox::podman4().start();
    let output = sandbox.sh("flatnet status").exits_with(2);
    assert_eq!(
        output.stderr,
        "error[FLAT-E011]: there is no configuration at /etc/flatnet/flatnet.yaml\n  No such file or directory (os error 2)\nhelp: Run `flatnet init` to write one\n"
    );
    sandbox.write(CONFIG, "subnet: 10.88.0.0/24\n");
    let output = sandbox.sh("flatnet plan --dry-run").exits_with(2);
    assert!(
        output
            .stderr
            .starts_with("error[FLAT-E013]: /etc/flatnet/flatnet.yaml:1: subnet: 10.88.0.0/24 is not inside"),
        "{output}"
    );
    assert!(output.stderr.contains("\nhelp: Make the range larger"), "{output}");
    sandbox.sh("flatnet nonsense").exits_with(2);
    sandbox.write(CONFIG, "");
    let output = sandbox.sh(&format!("{NOBODY} flatnet up")).exits_with(2);
    assert!(output.stderr.contains("\nhelp: Use sudo"), "{output}");
}

#[test]
fn errors_on_terminal_are_coloured_unless_disabled() {
    let sandbox = Sandbox::podman4().start();
    let on_a_terminal =
        |command: &str| sandbox.sh(&format!("script -qec '{command}' /dev/null || true")).succeeds().stdout;
    assert!(on_a_terminal("flatnet status").contains("\u{1b}[1;31merror[FLAT-E011]:\u{1b}[0m there is no"));
    assert!(on_a_terminal("NO_COLOR=1 flatnet status").starts_with("error[FLAT-E011]: there is no"));
}

#[test]
fn control_characters_in_arguments_are_not_echoed() {
    let sandbox = Sandbox::podman4().start();
    for words in [
        "plan add \u{1b}[31mx",
        "x\u{1b}[2J\u{7}",
        "explain \u{202e}x",
        "inspect --ip \rx",
        "doctor --config /\u{1b}[31mx",
    ] {
        let command = format!("script -qec \"flatnet {words}\" /dev/null || true");
        let said = sandbox.sh(&command).succeeds().stdout.replace("\r\n", "\n");
        assert!(said.contains("error: ") && said.contains("--help"), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{202e}', '\r', '\u{7}']), "{said:?}");
    }
}

#[test]
fn dry_run_without_root_names_what_it_could_not_read() {
    let sandbox = host("");
    let plan = "flatnet plan --dry-run --format json";
    let by_root: Value = serde_json::from_str(&sandbox.sh(plan).succeeds().stdout).unwrap();
    let by_nobody: Value =
        serde_json::from_str(&sandbox.sh(&format!("{NOBODY} {plan}")).succeeds().stdout).unwrap();
    let notes = |plan: &Value| -> Vec<String> { serde_json::from_value(plan["notes"].clone()).unwrap() };
    let of_root = notes(&by_root);
    assert!(
        matches!(&of_root[..], [one] if one.starts_with("this host has no default route")),
        "{of_root:?}"
    );
    assert_eq!(by_root["commands"], by_nobody["commands"], "on a new host, other users see everything");
    let of_nobody = notes(&by_nobody);
    let note = of_nobody.last().unwrap();
    assert!(note.starts_with("This user may not read the ruleset ("), "{note}");

    sandbox.add_netns("aaaa");
    Call::add("aaaa").run(&sandbox).succeeds();
    sandbox
        .sh("flatnet plan --dry-run --exit-code")
        .prints_exactly("Nothing to do: already in the desired state.");
    let output = sandbox.sh(&format!("{NOBODY} flatnet plan --dry-run")).succeeds();
    let last = output.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("Note: This user may not read leases and receipts ("), "{output}");
}

#[test]
fn read_only_commands_name_what_they_cannot_read() {
    let sandbox = host("");
    sandbox.add_netns("aaaa");
    Call::add("aaaa").run(&sandbox).succeeds();
    let output = sandbox.sh(&format!("{NOBODY} flatnet ps")).succeeds();
    assert!(
        output.stderr.starts_with("Note: leases and receipts are treated as absent: cannot open"),
        "{output}"
    );
    sandbox
        .sh(&format!("{NOBODY} flatnet status"))
        .prints("addresses   unknown\n")
        .prints("\nNote: not checked");
    sandbox.sh(&format!("{NOBODY} flatnet rules --live")).exits_with(2).complains("Operation not permitted");
}

/// Commands that only read create no directories and no locks.
#[test]
fn read_only_commands_create_nothing() {
    let sandbox = host("");
    for command in [
        "ps --all",
        "status",
        "metrics",
        "rules",
        "rules --live",
        "inspect x",
        "plan --dry-run",
        "config check",
    ] {
        sandbox.sh(&format!("flatnet {command} >/dev/null 2>&1 || true; ls -d /var/lib/flatnet /run/flatnet /var/log/flatnet 2>&1 || true"))
            .prints_exactly("ls: cannot access '/var/lib/flatnet': No such file or directory\nls: cannot access '/run/flatnet': No such file or directory\nls: cannot access '/var/log/flatnet': No such file or directory");
    }
}

#[test]
fn config_check_prints_equivalent_configuration() {
    let sandbox = host("subnet: 10.87.3.0/24\nreserved: [10.87.3.9]\n");
    let script = "flatnet config check >whole.yaml && flatnet config check whole.yaml | diff - whole.yaml && grep -E '^(bridge_address|ingress_gateways):' whole.yaml";
    sandbox.sh(script).prints_exactly("bridge_address: 10.87.3.1\ningress_gateways: auto");
    sandbox.write("/tmp/bad.yaml", "mtu: 40\n");
    sandbox
        .sh("flatnet config check /tmp/bad.yaml")
        .exits_with(2)
        .complains("error[FLAT-E013]: /tmp/bad.yaml:1: mtu: 40 is not between");
    let schema: Value = serde_json::from_str(&sandbox.sh("flatnet config schema").succeeds().stdout).unwrap();
    assert_eq!(schema["properties"]["subnet"]["type"], "string");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn completions_and_man_pages_are_valid() {
    let sandbox = Sandbox::podman4().start();
    sandbox
        .sh("flatnet completions bash >c && bash -n c && source ./c && complete -p flatnet")
        .prints("_flatnet");
    sandbox.sh("flatnet man man && ls man | grep -c '^flatnet.*\\.1$'").succeeds();
    sandbox.sh("ls man/flatnet.1 man/flatnet-plan-add.1 man/flatnet-inspect.1").succeeds();
    sandbox.sh("flatnet man").prints(".TH flatnet 1");
}

#[test]
fn verbose_shows_commands_as_they_run() {
    let sandbox = host("");
    let output = sandbox.sh("flatnet up --verbose").succeeds();
    assert!(output.stderr.contains("\n+ sysctl -qw "), "{output}");
}
