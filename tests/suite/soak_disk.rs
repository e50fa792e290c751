//! A disk that is full, out of inodes or read-only, at every write in turn: ADD fails with a clear error and leaves nothing,
//! and DEL succeeds.
//!
//! A small tmpfs is mounted over the directory. Each run leaves one page or inode more, so that each write is the first to fail
//! once.

use serde_json::json;

use crate::cni::{Answer, Call, address, host};
use crate::sandbox::Sandbox;
use crate::soak;
use crate::world::World;

const STATE: &str = "/var/lib/flatnet";
const RUN: &str = "/run/flatnet";
/// More room than any test needs: a test that gets here never saw a success.
const TOO_MUCH: usize = 40;

/// What a disk can lack.
#[derive(Clone, Copy, Debug)]
enum Lack {
    Pages,
    Inodes,
}

/// A small disk at one of Flatnet's directories.
struct Disk<'a> {
    sandbox: &'a Sandbox,
    at: &'a str,
}

impl<'a> Disk<'a> {
    /// Mounts a disk with plenty of room at `at`, with the files that are there.
    fn over(at: &'a str, sandbox: &'a Sandbox) -> Self {
        let put = format!(
            "mkdir -p -m 700 {at}; mount -t tmpfs -o mode=700,size=4m,nr_inodes=1000 disk /mnt
             cp -a {at}/. /mnt; mount --move /mnt {at}"
        );
        sandbox.sh(&put).succeeds();
        Self { sandbox, at }
    }

    /// Leaves room for `room` pages or inodes, and no more.
    fn leave(&self, room: usize, of: Lack) {
        let at = self.at;
        let limit = match of {
            // A size of 0 would be no limit.
            Lack::Pages => format!(
                "pages=$(($(stat -f -c '%b - %f' {at}) + {room}))
                 mount -o remount,size=$((pages > 0 ? pages * 4096 : 1)) {at}"
            ),
            Lack::Inodes => {
                format!("mount -o remount,nr_inodes=$(($(stat -f -c '%c - %d' {at}) + {room})) {at}")
            }
        };
        self.sandbox.sh(&limit).succeeds();
    }

    /// Gives plenty of room again.
    fn clear(&self) {
        self.sandbox.sh(&format!("mount -o remount,rw,size=4m,nr_inodes=1000 {}", self.at)).succeeds();
    }

    /// Unmounts the disk, and keeps its files.
    fn remove(self) {
        let at = self.at;
        self.sandbox.sh(&format!("cp -a {at} /tmp/kept")).succeeds();
        // An `ip` that is about to exit may still hold a lock there.
        self.sandbox.eventually(&format!("umount {at}"));
        self.sandbox.sh(&format!("rm -rf {at}; cp -a /tmp/kept {at}; rm -rf /tmp/kept")).succeeds();
    }

    fn read_only(&self) {
        self.sandbox.sh(&format!("mount -o remount,ro {}", self.at)).succeeds();
    }
}

/// ADD with ports and a name, so that its receipt is longer than a page.
fn add() -> Call {
    let ports: Vec<_> =
        (0..8).map(|port| json!({"hostPort": 8080 + port, "containerPort": 80, "protocol": "tcp"})).collect();
    Call::add("c1")
        .var("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web")
        .conf("runtimeConfig", json!({"portMappings": ports}))
}

#[track_caller]
fn says_what_is_full(answer: &Answer, at: &str) {
    let said = answer.fails();
    assert!(said.contains("No space left on device") && said.contains(at), "{said}");
    assert!(said.contains("df -i"), "no remedy: {said}");
}

/// With more room in each run, ADD fails and leaves nothing, or succeeds. The DEL after it leaves nothing either way.
fn add_with_every_room(at: &str, of: Lack, wanted: usize) {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let disk = Disk::over(at, &sandbox);
    add().run(&sandbox).succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    let before = World::of(&sandbox);
    for room in 0..TOO_MUCH {
        disk.leave(room, of);
        let answer = add().run(&sandbox);
        if answer.status == Some(0) {
            Call::del("c1").run(&sandbox).succeeds_silently();
            disk.clear();
            before.assert_is_back(&sandbox);
            assert!(room >= wanted, "{at} {of:?}: ADD needs room for {room} only");
            return;
        }
        says_what_is_full(&answer, at);
        Call::del("c1").run(&sandbox).succeeds_silently();
        disk.clear();
        before.assert_is_back(&sandbox);
    }
    panic!("ADD never succeeded");
}

#[test]
fn add_on_full_disk_leaves_nothing() {
    // ADD writes the receipt, which takes more than a page, then the leases.
    add_with_every_room(STATE, Lack::Pages, 3);
    soak::report(1, 0, &json!({}));
}

#[test]
fn add_without_inodes_leaves_nothing() {
    // ADD writes the receipt, then the leases, in the state directory, and the lock in the run directory.
    add_with_every_room(STATE, Lack::Inodes, 2);
    add_with_every_room(RUN, Lack::Inodes, 1);
    soak::report(1, 0, &json!({}));
}

/// The first ADD on a host, which also sets up the host.
#[test]
fn first_add_on_full_disk_leaves_host_fresh() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up; flatnet down; rm -rf /var/lib/flatnet /run/flatnet").succeeds();
    let fresh = World::of(&sandbox).without_files();
    for (at, of) in [(STATE, Lack::Pages), (STATE, Lack::Inodes), (RUN, Lack::Inodes)] {
        let disk = Disk::over(at, &sandbox);
        let succeeded = (0..TOO_MUCH).find(|&room| {
            disk.leave(room, of);
            let answer = add().run(&sandbox);
            if answer.status == Some(0) {
                return true;
            }
            says_what_is_full(&answer, at);
            Call::del("c1").run(&sandbox).succeeds_silently();
            disk.clear();
            sandbox.sh("flatnet down").succeeds();
            fresh.assert_is_back_but_for_files(&sandbox);
            sandbox.sh(&format!("rm -rf {at}/*")).succeeds();
            false
        });
        assert!(succeeded.is_some_and(|room| room > 0), "{at} {of:?}: {succeeded:?}");
        Call::del("c1").run(&sandbox).succeeds_silently();
        disk.clear();
        sandbox
            .sh(&format!("flatnet down; while ! umount {at}; do sleep 0.05; done; rm -rf /var/lib/flatnet/* /run/flatnet/*"))
            .succeeds();
        fresh.assert_is_back_but_for_files(&sandbox);
    }
    soak::report(1, 0, &json!({}));
}

/// DEL needs no room: what it removes frees some.
#[test]
fn del_on_a_full_disk_leaves_nothing() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox.sh("flatnet up").succeeds();
    Call::add("c2").run(&sandbox).succeeds();
    for (at, of) in [(STATE, Lack::Pages), (STATE, Lack::Inodes), (RUN, Lack::Inodes)] {
        let disk = Disk::over(at, &sandbox);
        let before = World::of(&sandbox);
        for room in 0..3 {
            let first = address(&add().run(&sandbox).succeeds());
            disk.leave(room, of);
            Call::del("c1").run(&sandbox).succeeds_silently();
            // DEL can be repeated, and succeeds for a container that was never attached.
            Call::del("c1").run(&sandbox).succeeds_silently();
            Call::del("c3").run(&sandbox).succeeds_silently();
            before.assert_is_back(&sandbox);
            disk.clear();
            assert_eq!(address(&add().run(&sandbox).succeeds()), first, "it gets its address back");
            Call::del("c1").run(&sandbox).succeeds_silently();
        }
        disk.remove();
    }
    soak::report(1, 0, &json!({}));
}

#[test]
fn read_only_disk_fails_add_but_not_del() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox.sh("flatnet up").succeeds();
    for at in [STATE, RUN] {
        let disk = Disk::over(at, &sandbox);
        let before = World::of(&sandbox);
        add().run(&sandbox).succeeds();
        disk.read_only();
        let attached = World::of(&sandbox);
        let said = Call::add("c2").run(&sandbox).fails();
        assert!(
            said.contains("Read-only file system") && said.contains(at) && said.contains("findmnt"),
            "{said}"
        );
        attached.assert_is_back(&sandbox);
        Call::del("c2").run(&sandbox).succeeds_silently();
        attached.assert_is_back(&sandbox);
        Call::del("c1").run(&sandbox).succeeds_silently();
        // The attachment is gone from the kernel. The next call fixes the state that could not be written.
        sandbox.sh("! ip -br link | grep '^fn'; ! nft list ruleset | grep -w c1").succeeds();
        disk.clear();
        sandbox.sh("flatnet gc").succeeds();
        before.assert_is_back(&sandbox);
        disk.remove();
    }
    soak::report(1, 0, &json!({}));
}

/// Commands that a person runs: a clear error, nothing half done, and success once there is room.
#[test]
fn up_gc_and_down_tolerate_full_disk() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let disk = Disk::over(STATE, &sandbox);
    sandbox.sh("flatnet up").succeeds();
    add().run(&sandbox).succeeds();
    sandbox.sh("flatnet down --force").succeeds();
    let fresh = World::of(&sandbox);
    disk.leave(0, Lack::Pages);
    let said = sandbox.sh("flatnet up").fails();
    assert!(
        said.stderr.contains("No space left on device") && said.stderr.contains("help: Free some space"),
        "{said}"
    );
    disk.clear();
    fresh.assert_is_back(&sandbox);
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    add().run(&sandbox).succeeds();
    let attached = World::of(&sandbox);
    disk.leave(0, Lack::Pages);
    sandbox.sh("flatnet up && flatnet gc && flatnet ps").succeeds();
    sandbox.sh("flatnet down").complains("web");
    attached.assert_is_back(&sandbox);
    sandbox.sh("ip netns del c1").succeeds();
    sandbox.eventually("! ip -br link | grep '^fn'");
    sandbox.sh("flatnet gc").prints("freed web c1");
    disk.clear();
    sandbox.add_netns("c1");
    before.assert_is_back(&sandbox);
    disk.leave(0, Lack::Pages);
    sandbox.sh("flatnet down").succeeds();
    disk.clear();
    fresh.assert_is_back(&sandbox);
    soak::report(1, 0, &json!({}));
}
