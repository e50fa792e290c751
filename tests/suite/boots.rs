//! State after a reboot and `wsl --terminate`: the next command sets the host up and frees dead attachments, and stopped
//! containers get their addresses back.

#![allow(clippy::print_stderr, reason = "a test that fails shows at which case")]

use serde_json::Value;

use crate::cni::{Call, address, host, host_link};
use crate::podman_failures::ANOTHER_BOOT;
use crate::sandbox::Sandbox;
use crate::world::World;

/// Deletes all namespaces; the kernel deletes their links.
const NO_NAMESPACES: &str = "
for name in c1 c2; do ip netns del $name; done
while ip -br link | grep -q '^fn'; do sleep 0.02; done
";
/// The namespace of c1 loses its name but continues to exist, because a process runs in it.
const A_NAMESPACE_STAYS: &str = "
ip netns exec c1 sleep 1000 & echo $! >/tmp/sleeper
until [[ $(readlink /proc/$(cat /tmp/sleeper)/ns/net) != $(readlink /proc/self/ns/net) ]]; do sleep 0.02; done
for name in c1 c2; do ip netns del $name; done
while [[ $(ip -br link | grep -c '^fn') != 1 ]]; do sleep 0.02; done
";
/// A /run on disk keeps the files of a killed run: the lock of c1, and the note that c1 is to be undone.
const RUN_STAYS: &str = "touch /run/flatnet/flatnet/c1@eth0.undo /run/flatnet/flatnet/C1.lock\n";
const NO_RUN: &str = "rm -rf /run/flatnet\n";

/// An event that interrupts the host.
#[derive(Clone, Copy, Debug)]
enum Event {
    Reboot,
    RebootWithRunOnDisk,
    WslTerminate,
    WslTerminateWithALinkLeft,
}

impl Event {
    fn script(self) -> String {
        match self {
            Self::Reboot => [NO_NAMESPACES, ANOTHER_BOOT, NO_RUN].concat(),
            Self::RebootWithRunOnDisk => {
                let run_stays = RUN_STAYS.replace("C1", &host_link("c1", "eth0"));
                [NO_NAMESPACES, ANOTHER_BOOT, &run_stays].concat()
            }
            Self::WslTerminate => [NO_NAMESPACES, NO_RUN].concat(),
            Self::WslTerminateWithALinkLeft => [A_NAMESPACE_STAYS, NO_RUN].concat(),
        }
    }
}

/// A host with the containers c1, which publishes a port, and c2.
struct Lab {
    sandbox: Sandbox,
    /// The world before any container was attached.
    empty: World,
    addresses: [String; 2],
}

impl Lab {
    fn start() -> Self {
        let sandbox = host("mtu: 1400\n");
        sandbox.sh("flatnet up").succeeds();
        let empty = World::of(&sandbox);
        let addresses = ["c1", "c2"].map(|id| {
            sandbox.add_netns(id);
            address(&add(id).run(&sandbox).succeeds())
        });
        Self { sandbox, empty, addresses }
    }

    fn befalls(&self, event: Event) {
        self.sandbox.sh(&event.script()).succeeds();
    }

    /// Starts c1 and c2 again. Both work, at their previous addresses.
    fn starts_again(&self) {
        for (id, wanted) in ["c1", "c2"].into_iter().zip(&self.addresses) {
            self.sandbox.add_netns(id);
            let result = add(id).run(&self.sandbox).succeeds();
            assert_eq!(address(&result), *wanted, "{id} has another address");
            self.works(id, &result);
        }
    }

    fn works(&self, id: &str, result: &Value) {
        Call::check(id, result).run(&self.sandbox).succeeds_silently();
        self.sandbox.sh(&format!("ip netns exec {id} ping -c 1 -W 2 10.87.1.1")).succeeds();
    }

    /// Stops all containers. Nothing may remain of them or of earlier ones.
    fn stops(&self, ids: &[&str]) {
        for id in ids {
            Call::del(id).run(&self.sandbox).succeeds_silently();
            self.sandbox.sh(&format!("ip netns del {id}")).succeeds();
        }
        self.sandbox
            .sh("[[ ! -e /tmp/sleeper ]] || { kill $(cat /tmp/sleeper); rm /tmp/sleeper; }")
            .succeeds();
        self.empty.assert_is_back(&self.sandbox);
    }
}

/// ADD; c1 publishes a port.
fn add(id: &str) -> Call {
    if id == "c1" { crate::faults::add() } else { Call::add(id) }
}

/// Runs `who_comes` after each event. All events happen on one host, so that leftovers of one would affect the next.
fn after_each(who_comes: impl Fn(&Lab)) {
    let lab = Lab::start();
    for event in
        [Event::Reboot, Event::WslTerminate, Event::RebootWithRunOnDisk, Event::WslTerminateWithALinkLeft]
    {
        eprintln!("{event:?}");
        lab.befalls(event);
        who_comes(&lab);
        lab.stops(&["c1", "c2"]);
        for id in ["c1", "c2"] {
            lab.sandbox.add_netns(id);
            add(id).run(&lab.sandbox).succeeds();
        }
    }
}

#[test]
fn stopped_containers_start_first_after_reboot() {
    after_each(Lab::starts_again);
}

#[test]
fn new_container_starts_first_after_reboot() {
    after_each(|lab| {
        lab.sandbox.add_netns("c3");
        let other = Call::add("c3").run(&lab.sandbox).succeeds();
        assert!(!lab.addresses.contains(&address(&other)), "c3 took {}", address(&other));
        lab.works("c3", &other);
        lab.starts_again();
        Call::del("c3").run(&lab.sandbox).succeeds_silently();
        lab.sandbox.sh("ip netns del c3").succeeds();
    });
}

#[test]
fn service_starts_first_after_reboot() {
    after_each(|lab| {
        lab.sandbox.sh("flatnet up && flatnet repair").succeeds();
        lab.sandbox.sh("flatnet plan --exit-code && flatnet repair").prints("Nothing to do");
        // `repair` keeps a container whose namespace still exists; its owner has to restart it.
        if lab.sandbox.sh("test -e /tmp/sleeper").status != Some(0) {
            lab.empty.assert_is_back(&lab.sandbox);
        }
        lab.starts_again();
    });
}

/// At boot, `repair` frees the attachments that a power cut left while systemd recreates a container. Wherever `repair`
/// is paused, the new container gets the address of its name, or the one that it requests.
#[test]
fn a_container_made_anew_waits_for_the_repair_of_the_last_one() {
    let sandbox = host("");
    sandbox.sh("flatnet up").succeeds();
    for words in ["K8S_POD_NAME=web", "IP=10.87.1.2"] {
        let add = |id: &str| Call::add(id).var("CNI_ARGS", &format!("IgnoreUnknown=1;{words}"));
        let mut boundary = 1;
        loop {
            sandbox.add_netns("last");
            let wanted = address(&add("last").run(&sandbox).succeeds());
            sandbox
                .sh("ip netns del last; while ip -br link | grep -q '^fn'; do sleep 0.02; done
                     rm -f /tmp/flatnet-paused /tmp/flatnet-go-on /tmp/*.ended")
                .succeeds();
            sandbox.add_netns("anew");
            sandbox
                .sh(&format!(
                    "{{ FLATNET_FAULT=pause@{boundary} flatnet repair >/dev/null; touch /tmp/repair.ended; }} &
                     until [ -e /tmp/flatnet-paused ] || [ -e /tmp/repair.ended ]; do sleep 0.002; done
                     {{ {} >/tmp/answer; touch /tmp/add.ended; }} &
                     until [ -e /tmp/add.ended ] || grep -q -e '->' /proc/locks; do sleep 0.002; done
                     touch /tmp/flatnet-go-on; wait",
                    add("anew").script()
                ))
                .succeeds();
            let answer: Value = serde_json::from_str(&sandbox.read("/tmp/answer")).unwrap();
            assert_eq!(address(&answer), wanted, "{words}, boundary {boundary}: {answer}");
            Call::del("anew").run(&sandbox).succeeds_silently();
            let is_last = sandbox.sh("ip netns del anew; test -e /tmp/flatnet-paused").status != Some(0);
            if is_last {
                break;
            }
            boundary += 1;
        }
        assert!(boundary > 3, "repair has only {boundary} boundaries");
    }
}
