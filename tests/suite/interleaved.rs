//! One run is paused before and after each lock while another one runs, and then continues. Afterwards, containers that
//! were reported as attached are reachable. After all are detached, nothing is left.
//!
//! The suite runs every ninth boundary of each pair, others for each pair's neighbours; `ops/soak interleaved` runs all.
//!
//! c1 is attached, and c2 is not. c3 was attached until its namespace was deleted: it holds the only address that c2
//! can get, and the port that c2 publishes. `src/state/lock/pause.rs` explains `pause@N`.

use serde_json::{Value, json};

use crate::cni::host;
use crate::sandbox::Sandbox;
use crate::soak;
use crate::traffic::cni_script;
use crate::world::World;

const YAML: &str = "mtu: 1400\nallocate: {from: 10.87.1.2, to: 10.87.1.3}\nlimits: {lock_seconds: 8}\n";

/// More boundaries than any run has.
const TOO_MANY: usize = 80;

/// The runs: one is paused, and another one runs meanwhile.
const RUNS: [&str; 8] = ["add c2", "add c1", "del c1", "up", DOWN, "down --force", "gc", "repair"];

/// An ADD whose runtime is killed when the ADD pauses. The runtime may start the container again meanwhile.
const UNHEARD: &str = "add c2 unheard";

/// `down` is refused while c1 is attached, so c1 is detached before it.
const DOWN: &str = "down";

fn script(run: &str) -> String {
    let port = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]);
    if run == UNHEARD {
        return format!(
            "set -o pipefail; {{ {}; status=$?; touch /tmp/unheard.status; exit $status; }} |
            until [ -e /tmp/flatnet-paused ] || [ -e /tmp/unheard.status ]; do sleep 0.002; done",
            script("add c2")
        );
    }
    match run.split_once(' ') {
        Some(("add", "c1")) => cni_script("ADD", "c1", &json!([])),
        Some(("add", name)) => cni_script("ADD", name, &port),
        Some(("del", name)) => cni_script("DEL", name, &port),
        _ => format!("flatnet {run}"),
    }
}

/// The results of two runs.
struct Met {
    /// Whether each run succeeded, and its output.
    ended: [(bool, String); 2],
    /// The attachments afterwards.
    attached: Vec<Value>,
    runs: [&'static str; 2],
}

impl Met {
    /// Whether `run` is one of the two and succeeded.
    fn did(&self, run: &str) -> bool {
        self.runs.iter().zip(&self.ended).any(|(one, (ended_well, _))| *one == run && *ended_well)
    }

    /// The problems that the two runs caused.
    fn faults(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut faults = Vec::new();
        for (run, (ended_well, said)) in self.runs.iter().zip(&self.ended) {
            if !ended_well && !said.contains("FLAT-E") {
                faults.push(format!("{run} fails without a code"));
            }
            if said.contains("panicked") || said.contains("FLAT-E001") {
                faults.push(format!("{run} fails by itself"));
            }
        }
        let state = |name: &str| {
            let id = format!("{name}-id");
            self.attached.iter().find(|one| one["container_id"] == id.as_str())
        };
        for name in ["c1", "c2"] {
            match state(name) {
                Some(one) if one["state"] == "running" => {
                    let address = one["address"].as_str().unwrap_or_default();
                    if sandbox.sh(&format!("ping -nqc1 -W1 {address}")).status != Some(0) {
                        faults.push(format!("{name} is attached and not reached"));
                    }
                }
                Some(one) => faults.push(format!("{name} is {}", one["state"])),
                None => {}
            }
        }
        let stays = if self.runs.contains(&"add c1") { self.did("add c1") } else { self.runs[0] != DOWN };
        let may_be_gone = self.runs.contains(&"down --force");
        let is_told = [("c1", !self.runs.contains(&"del c1") && stays), ("c2", self.did("add c2"))];
        for (name, is_told) in is_told {
            if is_told && !may_be_gone && state(name).is_none() {
                faults.push(format!("{name} was reported as attached, but is not"));
            }
        }
        faults
    }
}

/// Shell functions. `begin`: c1 and c3 are attached, and c3's namespace is deleted. `meet`: the two runs. `end`: all
/// are detached.
fn functions() -> String {
    format!(
        "set +e +o pipefail
        begin() {{ rm -f /tmp/flatnet-paused /tmp/flatnet-go-on /tmp/*.status; ip netns add c3
            {{ {add1}; {add3}; }} >/dev/null; ip netns del c3
            until [ $(ls /sys/class/net | grep -c ^fn) = 1 ]; do sleep 0.002; done
        }}
        meet() {{ # FIRST BOUNDARY SECOND
            {{ FLATNET_FAULT=pause@$2 bash -c \"$1\" >/tmp/0.said 2>&1; echo $? >/tmp/0.status; }} &
            until [ -e /tmp/flatnet-paused ] || [ -e /tmp/0.status ]; do sleep 0.002; done
            [ -e /tmp/flatnet-paused ] || {{ wait; return 1; }}
            {{ bash -c \"$3\" >/tmp/1.said 2>&1; echo $? >/tmp/1.status; }} &
            for _ in $(seq 16); do [ -e /tmp/1.status ] && break; sleep 0.005; done
            touch /tmp/flatnet-go-on; wait
        }}
        end() {{ {{ {del1}; {del2}; flatnet gc; }} >/dev/null
            cd /var/lib/flatnet/flatnet; ls receipts; find /run/flatnet/flatnet -name '*.undo' -o -name 'fn*.lock'
            jq -r '.leases[] | select(.released != true) | \"held by \" + .container_id' leases.json
        }}
        ",
        add1 = script("add c1"),
        add3 = script("add c3"),
        del1 = script("del c1"),
        del2 = script("del c2"),
    )
}

/// Pauses `first` at `boundary` and runs `second` meanwhile. Returns nothing if `first` has no such boundary.
fn meet(sandbox: &Sandbox, first: &'static str, boundary: usize, second: &'static str) -> Option<Met> {
    let quoted = |run| script(run).replace('\'', "'\\''");
    let met = sandbox.sh(&format!(
        ". /tmp/functions; begin; {} meet '{}' {boundary} '{}' || exit 9; cat /tmp/[01].status; flatnet ps --json",
        if first == DOWN { format!("{} >/dev/null;", script("del c1")) } else { String::new() },
        quoted(first),
        quoted(second)
    ));
    if met.status == Some(9) {
        return None;
    }
    let mut lines = met.stdout.splitn(3, '\n');
    let mut ended = ["/tmp/0.said", "/tmp/1.said"].map(|said| {
        let ended_well = lines.next() == Some("0");
        (ended_well, sandbox.sh(&format!("cat {said}")).stdout)
    });
    // Of a CNI error, keep only the message and the details.
    for (_, said) in &mut ended {
        if let Ok(answer) = serde_json::from_str::<Value>(said) {
            *said = format!("{} {}", answer["msg"].as_str().unwrap_or_default(), answer["details"]);
        }
    }
    let attached = serde_json::from_str(lines.next().unwrap_or_default());
    let attached = attached.unwrap_or_else(|error| panic!("{error}: {met}"));
    Some(Met { ended, attached, runs: [first, second] })
}

fn meets_all(first: &'static str) {
    let sandbox = host(YAML);
    sandbox.sh("for name in c1 c2; do ip netns add $name; ip -n $name link set lo up; done").succeeds();
    sandbox.write("/tmp/functions", &functions());
    sandbox.sh("flatnet up; . /tmp/functions; begin; end").succeeds();
    let before = World::of(&sandbox).without_files();
    let stride = soak::count(9);
    let (mut met_at, mut highest) = (0, 0);
    for (number, second) in RUNS.into_iter().enumerate() {
        // No run has fewer than five boundaries.
        for boundary in (1 + number % stride.min(5)..TOO_MANY).step_by(stride) {
            let met = meet(&sandbox, first, boundary, second);
            let faults = met.as_ref().map(|met| met.faults(&sandbox)).unwrap_or_default();
            let left = sandbox.sh(". /tmp/functions; end").stdout;
            let ended =
                met.as_ref().map(|met| format!("{:#?}\n{:#?}", met.ended, met.attached)).unwrap_or_default();
            assert!(
                faults.is_empty() && left.is_empty(),
                "{first} stopped at boundary {boundary}, {second} meanwhile: {faults:?}, left behind: {left:?}\n{ended}"
            );
            if met.is_none() {
                break;
            }
            met_at += 1;
            highest = highest.max(boundary);
        }
        sandbox.sh("flatnet up").succeeds();
        before.assert_is_back_but_for_files(&sandbox);
    }
    assert!(highest >= 3, "{first} has only {highest} boundaries");
    soak::report(met_at, 0, &json!({}));
}

macro_rules! tests {
    ($($name:ident: $run:expr;)*) => {
        $(#[test]
        fn $name() {
            meets_all($run);
        })*
    };
}

tests! {
    paused_add_tolerates_other_commands: "add c2";
    paused_repeated_add_tolerates_other_commands: "add c1";
    paused_add_of_killed_runtime_tolerates_other_commands: UNHEARD;
    paused_del_tolerates_other_commands: "del c1";
    paused_up_tolerates_other_commands: "up";
    paused_down_tolerates_other_commands: DOWN;
    paused_forced_down_tolerates_other_commands: "down --force";
    paused_gc_tolerates_other_commands: "gc";
    paused_repair_tolerates_other_commands: "repair";
}
