//! Every program that Flatnet starts fails in every way, each way at another of its calls, under every verb that needs
//! it. The run ends in time and reports what failed and how. The next run with working programs leaves nothing behind.

#![allow(clippy::print_stderr, reason = "a test that fails shows at which case")]

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cni::{CONFIG, Call, host};
use crate::faults::add;
use crate::sandbox::Sandbox;
use crate::world::World;

/// How a program fails.
#[derive(Debug)]
struct Way {
    /// The script that the stand-in runs instead of the program.
    script: &'static str,
    /// A part of the message.
    says: &'static str,
    /// The error code, or the beginning of it.
    code: &'static str,
}

const fn way(script: &'static str, says: &'static str, code: &'static str) -> Way {
    Way { script, says, code }
}

const WAYS: [Way; 7] = [
    way("echo broken >&2; exit 1", "exited with 1: broken", "FLAT-E071"),
    way("exit 255", "exited with 255 and printed nothing", "FLAT-E071"),
    way("kill -SEGV $$", "was killed by signal 11", "FLAT-E072"),
    way(HANG, "was killed after 2 s", "FLAT-E073"),
    way("echo garbage; exit 0", LIE, "FLAT-E065"),
    // The wording of iproute2 and nft.
    way("echo 'Option \"-j\" is unknown, try \"ip -help\".' >&2; exit 255", "is unknown", "FLAT-E063"),
    way(GONE, "/opt/fake/", "FLAT-E06"),
];
/// The message about a program that prints garbage and exits with 0.
const LIE: &str = "printed unexpected output";
/// The program hangs. Only then is the time limit of a command short: on a busy machine a working program takes
/// seconds.
const HANG: &str = "exec sleep 100";
/// The program's file disappears.
const GONE: &str = "missing";

/// How often the program fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Span {
    Once,
    ForGood,
}

/// A stand-in for every program. `/run/fake/NAME` holds the number of the first and of the last call that fails, and
/// how; without that file it runs the real program.
const STAND_IN: &str = r#"#!/bin/bash
name=${0##*/}
echo . >>/run/fake/$name.calls
call=$(wc -l </run/fake/$name.calls)
real=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin type -P "$name")
if [[ -e /run/fake/$name ]]; then
    { read -r first last; read -r how; } </run/fake/$name
    if [[ $how == missing ]]; then
        ((call < first - 1)) || mv "$0" "$0.gone"
    elif ((call >= first && call <= last)); then
        eval "$how"
    fi
fi
exec "$real" "$@"
"#;

const YAML: &str = "
mtu: 1400
limits: {command_seconds: 60}
tools: {ip: /opt/fake/ip, bridge: /opt/fake/bridge, nft: /opt/fake/nft, sysctl: /opt/fake/sysctl,
        nsenter: /opt/fake/nsenter, unshare: /opt/fake/unshare}
";

const TOOLS: [&str; 6] = ["ip", "bridge", "nft", "sysctl", "nsenter", "unshare"];
/// The container's namespace.
const NETNS: &str = "/run/elsewhere";
/// The time limit of a program that hangs.
const LIMIT: Duration = Duration::from_secs(2);
/// The additional time that a run may take. A hanging program without a limit would take longer.
const SLOW_MACHINE: Duration = Duration::from_secs(50);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Add,
    Del,
    Check,
    Gc,
    Up,
    Repair,
}

/// The result of a run.
struct Outcome {
    ok: bool,
    said: String,
}

/// A host whose programs are stand-ins, and its worlds: down, up, and with a container attached.
struct Lab {
    sandbox: Sandbox,
    down: World,
    up: World,
    attached: World,
    result: Value,
}

impl Lab {
    /// Prepares a host for `verb`.
    fn start(verb: Verb) -> Self {
        let sandbox = host(YAML);
        sandbox.write("/opt/fake/ip", STAND_IN);
        sandbox
            .sh("cd /opt/fake; chmod 755 ip; for name in bridge nft sysctl nsenter unshare; do cp ip $name; done
                 mkdir /run/fake; nft add table inet bystander; flatnet up; flatnet down")
            .succeeds();
        sandbox.add_netns("c1");
        // `ip -n` does not find a namespace at this path, so `nsenter` is needed too.
        sandbox.sh("touch /run/elsewhere; mount --bind /run/netns/c1 /run/elsewhere").succeeds();
        let down = World::of(&sandbox);
        sandbox.sh("flatnet up").succeeds();
        let up = World::of(&sandbox);
        let result = attach().run(&sandbox).succeeds();
        let attached = World::of(&sandbox);
        let lab = Self { sandbox, down, up, attached, result };
        match verb {
            Verb::Check | Verb::Repair => {}
            Verb::Up => drop(lab.sandbox.sh("flatnet down --force").succeeds()),
            Verb::Add | Verb::Del | Verb::Gc => Call::del("c1").run(&lab.sandbox).succeeds_silently(),
        }
        lab
    }

    /// How often `verb` calls each program.
    fn calls_of(&self, verb: Verb) -> Vec<(&'static str, usize)> {
        self.prepare(verb);
        self.heal();
        let outcome = self.run(verb);
        assert!(outcome.ok, "{verb:?}: {}", outcome.said);
        let script = "cd /run/fake; for tool; do cat $tool.calls 2>/dev/null | wc -l; done";
        let counted = self
            .sandbox
            .sh(&format!("set -- {}; set +o pipefail; {script}", TOOLS.join(" ")))
            .succeeds()
            .stdout;
        let counts = counted.lines().map(|line| line.parse().unwrap_or_default());
        let calls: Vec<(&str, usize)> = TOOLS.into_iter().zip(counts).collect();
        match verb {
            Verb::Add => Call::del("c1").run(&self.sandbox).succeeds_silently(),
            Verb::Up => drop(self.sandbox.sh("flatnet down").succeeds()),
            Verb::Del | Verb::Check | Verb::Gc | Verb::Repair => {}
        }
        calls.into_iter().filter(|(_, calls)| *calls > 0).collect()
    }

    /// Makes `tool` fail from the call `first` on, once or for good.
    fn break_tool(&self, &Case { tool, first, span, way, .. }: &Case<'_>) {
        let last = if span == Span::Once { first } else { 9999 };
        let is_gone = way.script == GONE && first == 1;
        let move_away = if is_gone { "mv /opt/fake/{tool} /opt/fake/{tool}.gone" } else { "" };
        let limit = if way.script == HANG {
            "sed -i 's/command_seconds: 60/command_seconds: 2/' {CONFIG}"
        } else {
            ""
        };
        let script = format!("rm -f /run/fake/*; cat >/run/fake/{tool}\n{move_away}\n{limit}");
        let script = script.replace("{tool}", tool).replace("{CONFIG}", CONFIG);
        self.sandbox.sh_with_stdin(&script, &format!("{first} {last}\n{}\n", way.script)).succeeds();
    }

    /// Makes all programs work again, and returns how often they were called meanwhile.
    fn heal(&self) -> u64 {
        let script = "cat /run/fake/*.calls 2>/dev/null | wc -l || true
            sed -i 's/command_seconds: 2/command_seconds: 60/' /etc/flatnet/flatnet.yaml
            rm -f /run/fake/*; for gone in /opt/fake/*.gone; do [[ ! -e $gone ]] || mv $gone ${gone%.gone}; done";
        let counted = self.sandbox.sh(script).succeeds();
        counted.stdout.trim().parse().unwrap_or_default()
    }

    /// Makes the objects that `verb` works on.
    fn prepare(&self, verb: Verb) {
        match verb {
            Verb::Add | Verb::Up | Verb::Check => {}
            Verb::Del | Verb::Gc => drop(attach().run(&self.sandbox).succeeds()),
            Verb::Repair => {
                self.sandbox.sh("ip link del flatnet-br0; nft delete table inet flatnet").succeeds();
            }
        }
    }

    fn run(&self, verb: Verb) -> Outcome {
        let call = match verb {
            Verb::Add => attach(),
            Verb::Del => Call::del("c1"),
            Verb::Check => Call::check("c1", &self.result).netns(NETNS),
            Verb::Gc => Call::gc(&[]),
            Verb::Up | Verb::Repair => {
                let verb = if verb == Verb::Up { "up" } else { "repair" };
                let output = self.sandbox.sh(&format!("flatnet {verb}"));
                return Outcome { ok: output.status == Some(0), said: output.stderr };
            }
        };
        let answer = call.run(&self.sandbox);
        let ok = answer.status == Some(0);
        Outcome { said: if ok { answer.stderr } else { answer.fails() }, ok }
    }
}

fn attach() -> Call {
    add().netns(NETNS)
}

/// One program that fails under one verb.
struct Case<'a> {
    tool: &'a str,
    verb: Verb,
    /// The number of the first call that fails.
    first: usize,
    span: Span,
    way: &'a Way,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tool, verb, first, span, way } = self;
        write!(f, "{tool} from call {first} of {verb:?} on, {span:?}: {}", way.script)
    }
}

impl Case<'_> {
    fn run(&self, lab: &Lab) {
        eprintln!("{self}");
        lab.prepare(self.verb);
        lab.break_tool(self);
        let started = Instant::now();
        let outcome = lab.run(self.verb);
        let took = started.elapsed();
        let calls = lab.heal();
        assert!(
            took < LIMIT * u32::try_from(calls).unwrap_or(1) + SLOW_MACHINE,
            "{self} took {took:?} for {calls} calls"
        );
        if !outcome.ok {
            assert!(self.is_told(&outcome.said), "{self}: {}", outcome.said);
        }
        self.nothing_is_left(lab, &outcome);
    }

    /// Whether the message says what failed and how, with the code.
    fn is_told(&self, said: &str) -> bool {
        let Way { says, code, .. } = self.way;
        if *says == LIE {
            // If a program falsely reports success, the next step that needs the result fails.
            return said.contains(says) && said.contains(code) || said.contains("FLAT-E071");
        }
        let code = if said.contains("not everything could be undone") {
            "FLAT-E074"
        } else if self.way.script == GONE && said.contains("nsenter: failed to execute") {
            // In another namespace, nsenter looks for the program.
            "FLAT-E071"
        } else {
            code
        };
        said.contains(says) && said.contains(code) && said.contains(self.tool)
    }

    /// Asserts that the next run brings the host to the desired state, unless this run already has.
    fn nothing_is_left(&self, lab: &Lab, Outcome { ok, said }: &Outcome) {
        let sandbox = &lab.sandbox;
        let is_taken_in = self.way.says == LIE;
        match self.verb {
            Verb::Check => {
                assert!(!ok, "{self}: fine, without having looked");
            }
            Verb::Add if *ok => {
                assert!(is_taken_in || self.tool == "nft", "{self}: nothing failed");
                // Exit status 0 is trusted, and a ruleset that fails once is made again.
                sandbox.sh("flatnet repair").succeeds();
                lab.attached.clone().without_files().assert_is_back_but_for_files(sandbox);
                Call::del("c1").run(sandbox).succeeds_silently();
                lab.up.assert_is_back(sandbox);
            }
            Verb::Add => {
                if !said.contains("everything was rolled back") {
                    sandbox.sh("flatnet gc").succeeds();
                }
                lab.up.assert_is_back(sandbox);
            }
            Verb::Del | Verb::Gc => {
                assert!(self.verb == Verb::Gc || *ok, "{self}: {said}");
                if *ok && !is_taken_in && !said.contains("will try again") {
                    lab.up.assert_is_back(sandbox);
                }
                let again = lab.run(self.verb);
                assert!(again.ok, "{self}: not even afterwards: {}", again.said);
                if is_taken_in {
                    // No receipt has the rule any more, and its address is unassigned there.
                    sandbox.sh("ip -n c1 rule flush table 173474050").succeeds();
                }
                lab.up.assert_is_back(sandbox);
            }
            Verb::Up => {
                if !ok && !said.contains("not everything could be rolled back") {
                    lab.down.clone().without_files().assert_is_back_but_for_files(sandbox);
                }
                sandbox.sh("flatnet up").succeeds();
                lab.up.assert_is_back(sandbox);
                sandbox.sh("flatnet down").succeeds();
            }
            Verb::Repair => {
                if !ok || is_taken_in {
                    sandbox.sh("flatnet repair").succeeds();
                }
                lab.attached.assert_is_back(sandbox);
            }
        }
    }
}

/// Makes each way fail another call, so that all ways together cover as many calls of a program as possible.
fn every_way_under(verb: Verb) {
    let lab = Lab::start(verb);
    for (tool, calls) in lab.calls_of(verb) {
        for (number, way) in WAYS.iter().enumerate() {
            let span = if (number + calls) % 2 == 0 { Span::Once } else { Span::ForGood };
            Case { tool, verb, first: 1 + number % calls, span, way }.run(&lab);
        }
    }
    if verb == Verb::Check {
        lab.attached.assert_is_back(&lab.sandbox);
    }
}

macro_rules! every_way {
    ($($name:ident: $verb:ident;)*) => {
        $(#[test]
        fn $name() {
            every_way_under(Verb::$verb);
        })*
    };
}

every_way! {
    add_reports_failing_tools: Add;
    del_survives_failing_tools: Del;
    check_reports_failing_tools: Check;
    gc_survives_failing_tools: Gc;
    up_reports_failing_tools: Up;
    repair_survives_failing_tools: Repair;
}
