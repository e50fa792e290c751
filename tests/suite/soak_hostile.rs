//! Real calls of every face with hostile names, IDs, labels, aliases, paths and configurations: each ends with a result or a
//! clean error, and no foreign object changes.
//!
//! `drive/hostile*.py` makes the calls and judges the answers. The sandboxes here are full of foreign objects that look like
//! Flatnet's.

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};

use crate::cni::{Call, host};
use crate::drive::{self, drive};
use crate::sandbox::Sandbox;
use crate::soak;
use crate::world::World;

/// Parallel worlds, each with half of the calls.
const WORLDS: usize = 2;
/// Calls between two checks of the whole world. After each call that started a program, the driver checks what is
/// cheap.
const BATCH: usize = 250;

/// Foreign tables, links, files and a process, with names and marks like Flatnet's. `/tmp` and `/etc` are separate from
/// the machine's, below the overlay: only a call can change them.
const NEIGHBOURS: &str = r#"
mount -t tmpfs tmpfs /tmp
cp -a /etc /tmp/etc
mount --bind /tmp/etc /etc
mkdir -p /tmp/here/folder /var/lib/flatnet/other
echo mine | tee /tmp/here/file /tmp/here/folder/file /var/lib/flatnet/flatnet/notes /var/lib/flatnet/flatnet/receipts/notes \
    /run/flatnet/flatnet/notes
echo '{"leases":{"10.87.1.9":{"container_id":"c1","if_name":"eth0","since":1}}}' >/var/lib/flatnet/other/leases.json
nft -f - <<'NFT'
table inet bystander {
    set s { type ipv4_addr; elements = { 192.0.2.1 } }
    chain c { type filter hook input priority 0; accept comment "c1"; }
}
table ip flatnet {
    set bindings { type ether_addr . ipv4_addr; elements = { 02:f1:0a:57:01:09 . 10.87.1.9 comment "c1" } }
}
table inet flatnet2 {
    chain c1 { counter comment "flatnet/flatnet/c1/eth0"; }
}
NFT
ip link add bystander0 type bridge
ip link add fnbystander0 type bridge
ip link set fnbystander0 alias flatnet/flatnet2/c1/eth0
setsid sleep infinity </dev/null >/dev/null 2>&1 &
"#;

/// The results of the calls in one world.
#[derive(Default)]
struct Came {
    counts: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

impl Came {
    fn take(&mut self, answer: &Value, seed: &str) {
        for (what, count) in answer["counts"].as_object().into_iter().flatten() {
            *self.counts.entry(what.clone()).or_default() += count.as_u64().unwrap_or_default();
        }
        self.wrong.extend(drive::texts(answer, "wrong").iter().map(|wrong| format!("seed {seed}: {wrong}")));
    }
}

fn full_of_neighbours() -> Sandbox {
    let sandbox = host("");
    drive::install(&sandbox);
    for container in ["c1", "resident"] {
        sandbox.add_netns(container);
    }
    sandbox.sh("flatnet up").succeeds();
    // The network of the generated configurations already has its owner mark, which is never removed.
    sandbox.write(
        "/root/lab.yaml",
        "network: lab\nbridge: lab-br0\nrange: 10.99.0.0/16\nsubnet: 10.99.1.0/24\n",
    );
    sandbox.sh("flatnet --config /root/lab.yaml gc").succeeds();
    Call::add("resident").var("CNI_ARGS", "K8S_POD_NAME=resident").run(&sandbox).succeeds();
    sandbox.sh(NEIGHBOURS).succeeds();
    sandbox
}

/// Makes `calls` calls in a separate world.
fn in_a_world(number: usize, calls: usize) -> Came {
    let sandbox = full_of_neighbours();
    let before = World::of(&sandbox);
    let mut came = Came::default();
    for (batch, first) in (0..calls).step_by(BATCH).enumerate() {
        let seed = format!("{}/{number}/{batch}", soak::seed());
        let answer = drive(&sandbox, "hostile", &json!({"seed": seed, "calls": BATCH.min(calls - first)}));
        came.take(&answer, &seed);
        if came.wrong.is_empty() {
            before.assert_is_back(&sandbox);
        } else {
            break;
        }
    }
    came
}

#[test]
fn hostile_calls_work_or_fail_cleanly() {
    let calls = soak::count(10_000);
    let mut all = Came::default();
    for Came { counts, wrong } in side_by_side(|number| in_a_world(number, calls.div_ceil(WORLDS))) {
        for (what, count) in counts {
            *all.counts.entry(what).or_default() += count;
        }
        all.wrong.extend(wrong);
    }
    let Came { counts, wrong } = all;
    soak::report(calls, wrong.len(), &json!(counts));
    assert!(wrong.is_empty(), "{} calls did what they must not:\n{}", wrong.len(), wrong.join("\n\n"));
    let share = |what: &str| counts.get(what).copied().unwrap_or_default() * 100 / counts["calls"];
    assert!(share("came to a program") >= 10 && share("refused") >= 30, "too many are alike: {counts:?}");
}

/// The results of `work` in each world. A panic in one of them panics here.
fn side_by_side<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = (0..WORLDS).map(|number| scope.spawn(move || work(number))).collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
