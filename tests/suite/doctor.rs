//! `flatnet doctor`: what is healthy is good; what was broken is named, and the command that it prints mends it.

use serde_json::Value;

use crate::podman::{Lab, on_both};

on_both!(what_is_broken_is_named_and_mended_by_the_printed_command,);

/// Breaks: the script, the check that finds it, and whether what mends it is `--fix`'s to do.
const BREAKS: [(&str, &str, bool); 8] = [
    ("sysctl -qw net.ipv4.ip_forward=0", "ip-forward", true),
    ("nft flush ruleset", "ruleset", true),
    ("ip link del flatnet-br0", "bridge", true),
    ("chmod 755 /var/lib/flatnet", "state-directory", true),
    ("rm -f /opt/cni/bin/flatnet /usr/local/libexec/netavark/flatnet", "plugin", true),
    (
        "nft 'add table inet fw; add chain inet fw f { type filter hook forward priority 5; policy drop; }'",
        "foreign-drops",
        false,
    ),
    (
        "nft 'add table inet last; add chain inet last f { type filter hook forward priority 5; }; add rule inet last f reject'",
        "foreign-drops",
        false,
    ),
    ("ip route add 10.87.1.128/25 via 192.168.77.1", "routes", false),
];

fn what_is_broken_is_named_and_mended_by_the_printed_command(lab: &Lab) {
    lab.run("web", "-p 8080:80");
    assert_healthy(lab);
    for (script, id, is_ours) in BREAKS {
        lab.sh(script).succeeds();
        let findings = findings(lab);
        let found = findings.iter().find(|finding| finding["id"] == id);
        let found = found.unwrap_or_else(|| panic!("after `{script}` nothing of {id}: {findings:#?}"));
        assert!(found["shows"].as_str().is_some_and(|shows| !shows.is_empty()), "{found}");
        if is_ours {
            lab.sh("flatnet doctor --fix --yes || true").succeeds();
        } else {
            lab.sh("flatnet doctor --fix --yes").fails();
            for command in found["commands"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                lab.sh(command).succeeds();
            }
        }
        assert_healthy(lab);
    }
}

/// What is no good, with exit status 1 or 2 when there is something.
fn findings(lab: &Lab) -> Vec<Value> {
    let output = lab.sh("flatnet doctor --json");
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output}"));
    let all = report["findings"].as_array().cloned().unwrap_or_default();
    assert!(all.len() > 20, "{output}");
    let bad: Vec<Value> = all
        .into_iter()
        .filter(|finding| ["warning", "failure"].iter().any(|level| finding["level"] == *level))
        .collect();
    let worst =
        if bad.iter().any(|finding| finding["level"] == "failure") { 2 } else { i32::from(!bad.is_empty()) };
    assert_eq!(output.status, Some(worst), "{output}");
    bad
}

#[track_caller]
fn assert_healthy(lab: &Lab) {
    let bad = findings(lab);
    assert!(bad.is_empty(), "{bad:#?}");
    lab.sh("flatnet doctor").succeeds();
}
