//! `flatnet doctor`: each check with a real problem. Only that check finds it, and its printed commands fix it.
//!
//! This module has the common parts; each `doctor_*.rs` has the cases of one subject.

#![allow(clippy::panic, reason = "a panic is a failed test; this is a vocabulary")]

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cni::host;
use crate::sandbox::Sandbox;
use crate::{
    doctor_containers, doctor_firewall, doctor_gateway, doctor_host, doctor_kernel, doctor_network,
    doctor_podman, doctor_wsl, rootless_doctor,
};

/// A problem to cause on a healthy host.
pub(crate) struct Break {
    id: &'static str,
    level: &'static str,
    script: &'static str,
    says: &'static str,
    mend: Mend,
    through: &'static str,
    also: &'static [&'static str],
}

/// How the problem is fixed.
#[derive(Clone, Copy)]
pub(crate) enum Mend {
    /// By `flatnet doctor --fix --yes`.
    Fix,
    /// By the commands that the doctor prints.
    Printed,
    /// By a person who follows the help; this script imitates that. The doctor cannot know a command.
    ByHand(&'static str),
}

impl Break {
    /// `script` causes the problem. The check `id` must report it at this level, with a message that contains `says`.
    pub(crate) const fn new(
        id: &'static str,
        level: &'static str,
        script: &'static str,
        says: &'static str,
        mend: Mend,
    ) -> Self {
        Self { id, level, script, says, mend, through: "", also: &[] }
    }

    /// Starts the doctor through this command, such as `setpriv --reuid 65534`, until the problem is fixed.
    pub(crate) const fn through(mut self, prefix: &'static str) -> Self {
        self.through = prefix;
        self
    }

    /// Further checks that must report the problem.
    pub(crate) const fn also(mut self, ids: &'static [&'static str]) -> Self {
        self.also = ids;
        self
    }
}

/// A host without problems, after `init` and `up`. It has no Podman and no containers, a default route by `lan0`, a
/// second link `lan1`, and the command `container add|del ID [RUNTIME-CONFIG]`, which imitates a CNI runtime.
pub(crate) fn well(config: &str) -> Sandbox {
    let sandbox = host(config);
    sandbox.write("/usr/local/bin/container", CONTAINER);
    sandbox.sh(WIRES).succeeds();
    sandbox.sh("flatnet init && flatnet up").succeeds();
    sandbox
}

const CONTAINER: &str = r#"#!/bin/bash -e
export CNI_COMMAND=${1^^} CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin
export CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAME=$2"
[[ $1 = del ]] || ip netns add "$2"
echo "{\"cniVersion\":\"1.0.0\",\"name\":\"flatnet\",\"type\":\"flatnet\",\"runtimeConfig\":${3:-{\}}}" | flatnet
[[ $1 = add ]] || ip netns del "$2"
"#;

const WIRES: &str = "
mv /usr/bin/podman /root
chmod 755 /usr/local/bin/container
echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables
for lan in lan0 lan1; do
    ip netns add $lan
    ip link add $lan type veth peer name eth0 netns $lan
    ip -n $lan link set eth0 up && ip link set $lan up
done
ip addr add 192.168.77.10/24 dev lan0 && ip addr add 192.168.88.10/24 dev lan1
ip -n lan0 addr add 192.168.77.1/24 dev eth0 && ip -n lan1 addr add 192.168.88.66/24 dev eth0
ip route add default via 192.168.77.1
";

/// Starts a process that runs until the sandbox ends.
pub(crate) fn go_on(sandbox: &Sandbox, command: &str) {
    sandbox.sh(&format!("setsid {command} >/dev/null 2>&1 </dev/null &")).succeeds();
}

/// The warnings and failures of `flatnet doctor --json`. Its exit status must match.
#[track_caller]
pub(crate) fn findings(sandbox: &Sandbox, through: &str) -> Vec<Value> {
    let output = sandbox.sh(&format!("{through} flatnet doctor --json"));
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output}"));
    let bad: Vec<Value> = report["findings"].as_array().cloned().unwrap_or_default();
    let bad: Vec<Value> = bad.into_iter().filter(|one| status_of(one) > 0).collect();
    assert_eq!(output.status, Some(bad.iter().map(status_of).max().unwrap_or_default()), "{output}");
    bad
}

fn status_of(finding: &Value) -> i32 {
    ["warning", "failure"]
        .iter()
        .zip(1..)
        .find(|(level, _)| finding["level"] == **level)
        .map_or(0, |(_, one)| one)
}

#[track_caller]
pub(crate) fn assert_well(sandbox: &Sandbox, when: &str) {
    let bad = findings(sandbox, "");
    assert!(bad.is_empty(), "{when} all should be well: {bad:#?}");
}

/// Causes one problem after another, and asserts that each is found, shown and fixed.
#[track_caller]
pub(crate) fn each_is_found_and_mended(sandbox: &Sandbox, breaks: &[Break]) {
    assert_well(sandbox, "at first");
    let mut shown = BTreeSet::new();
    for one in breaks {
        sandbox.sh(one.script).succeeds();
        let found = findings(sandbox, one.through);
        assert_found(one, &found);
        // All findings of a check have the same layout, so one is enough.
        if shown.insert(one.id) {
            assert_shown(sandbox, one, &found);
        }
        match one.mend {
            // The doctor checks again after the fix, and exits accordingly.
            Mend::Fix => drop(sandbox.sh("flatnet doctor --fix --yes").exits_with(0)),
            Mend::Printed => run_printed(sandbox, one, &found),
            Mend::ByHand(script) => {
                sandbox.sh(script).succeeds();
                assert_well(sandbox, &format!("after the fix of `{}`", one.script));
            }
        }
    }
}

fn assert_found(Break { id, level, script, says, also, .. }: &Break, found: &[Value]) {
    let is_wanted = |finding: &Value| finding["id"] == *id && finding["level"] == *level;
    assert!(
        found.iter().any(|one| is_wanted(one) && text(one, "what").contains(says)),
        "`{script}` was to be a {level} of {id} that says \"{says}\": {found:#?}"
    );
    let others: Vec<_> =
        found.iter().filter(|one| one["id"] != *id && !also.iter().any(|id| one["id"] == *id)).collect();
    assert!(others.is_empty(), "`{script}` is for {id} to find, and others find: {others:#?}");
    for id in *also {
        assert!(
            found.iter().any(|one| one["id"] == *id),
            "`{script}` was to be found by {id}, too: {found:#?}"
        );
    }
}

/// The text contains the JSON's values, except for numbers that change between runs.
fn assert_shown(sandbox: &Sandbox, one: &Break, found: &[Value]) {
    let shown = sandbox.sh(&format!("{} flatnet doctor", one.through));
    assert_ne!(shown.status, Some(0), "`{}` is no longer found:\n{shown}", one.script);
    assert!(shown.stdout.contains(one.says), "\"{}\" is missing\n{shown}", one.says);
    for finding in found {
        let commands: Vec<&str> = commands(finding).collect();
        for part in ["id", "shows", "doc"].map(|key| text(finding, key)).iter().chain(&commands) {
            assert!(!part.is_empty() && shown.stdout.contains(part), "\"{part}\" is missing\n{shown}");
        }
        assert!(!commands.is_empty() || shown.stdout.contains(text(finding, "help")), "{shown}");
    }
}

/// Runs the printed commands until no problem is left: one command may reveal another problem, such as a file that was
/// set aside.
fn run_printed(sandbox: &Sandbox, one: &Break, found: &[Value]) {
    let mut found = found.to_vec();
    let mut ran = Vec::new();
    while !found.is_empty() {
        let script: Vec<&str> = found.iter().flat_map(commands).collect();
        let script = script.join("\n");
        assert!(
            !script.is_empty() && !ran.contains(&script),
            "`{}` is not fixed by the printed commands, {ran:?}: {found:#?}",
            one.script
        );
        sandbox.sh(&script).succeeds();
        ran.push(script);
        found = findings(sandbox, "");
    }
}

fn commands(finding: &Value) -> impl Iterator<Item = &str> {
    finding["commands"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn text<'a>(finding: &'a Value, key: &str) -> &'a str {
    finding[key].as_str().unwrap_or_default()
}

#[test]
fn every_check_has_a_broken_case() {
    let tried = [
        doctor_containers::BREAKS,
        doctor_firewall::BREAKS,
        doctor_gateway::WRITTEN,
        doctor_gateway::RUNNING,
        doctor_gateway::CERTIFICATE,
        doctor_host::BREAKS,
        doctor_kernel::BREAKS,
        doctor_network::BREAKS,
        doctor_podman::BREAKS,
        doctor_podman::CNI,
        doctor_podman::NETAVARK,
        doctor_wsl::BREAKS,
        rootless_doctor::BREAKS,
    ];
    let is_tried = |id: &str| {
        tried.iter().any(|breaks| breaks.iter().any(|one| one.id == id))
            || crate::overlay::BROKEN.contains(&id)
    };
    let untried: Vec<_> =
        flatnet::doctor::CHECKS.iter().map(|check| check.id).filter(|id| !is_tried(id)).collect();
    assert!(untried.is_empty(), "nothing is broken to try these checks: {untried:?}");
}
