//! The processes of each network namespace, from /proc.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::Uid;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_res_uid};

use super::rooted;
use crate::error::{Error, Kind, Result};
use crate::model::types::{Caller, ContainerId, NetnsId};

/// The processes of each network namespace, lowest number first. Processes that end meanwhile are omitted.
#[must_use]
pub fn by_netns() -> BTreeMap<NetnsId, Vec<u32>> {
    let mut all: BTreeMap<NetnsId, Vec<u32>> = BTreeMap::new();
    for pid in pids() {
        if let Some(netns) = netns_of(pid) {
            all.entry(netns).or_default().push(pid);
        }
    }
    all
}

/// The first process of a network namespace that is `owner`'s. The number of a namespace that is gone is soon that of a new one, which any
/// user may have made: a process of root's is in this process's user namespace or in one that root made, one of a user's in one that
/// the user made, and the kernel says so.
pub(super) fn first_in(id: NetnsId, owner: Caller) -> Result<Option<u32>> {
    let found: Vec<u32> = pids().into_iter().filter(|&pid| netns_of(pid) == Some(id)).collect();
    let is_beside = |pid: &u32| {
        owner.is_root()
            && user_namespace_of(*pid).is_some_and(|one| user_namespace_of(std::process::id()) == Some(one))
    };
    if let Some(&pid) = found.iter().find(|pid| is_beside(pid)) {
        return Ok(Some(pid));
    }
    if found.is_empty() {
        return Ok(None);
    }
    // What another process has under /proc/PID/ns is shown to those who might trace it.
    let look = || act_for(owner).map(|()| found.iter().copied().find(|&pid| netns_of(pid) == Some(id)));
    let looked = std::thread::scope(|scope| scope.spawn(look).join());
    let failed = |errno: Errno| {
        Error::new(Kind::NotAllowed, format!("cannot tell whether a process is of {owner}"))
            .source(std::io::Error::from(errno))
    };
    looked.unwrap_or(Err(Errno::INVAL)).map_err(failed)
}

/// This thread has only what `owner` has without any capability. The kernel still knows who made a user namespace.
fn act_for(owner: Caller) -> rustix::io::Result<()> {
    match owner {
        Caller::Root => {
            let sets = CapabilitySets { effective: CapabilitySet::empty(), ..capabilities(None)? };
            set_capabilities(None, sets)
        }
        // The others stay root's, so that the user can do nothing to this thread.
        Caller::User(uid) => set_thread_res_uid(Uid::ROOT, Uid::from_raw(uid.get()), Uid::ROOT),
    }
}

/// The containers with a `conmon`, which Podman runs beside each as long as it lives.
#[must_use]
pub fn with_conmon() -> Vec<String> {
    let is_conmon = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "conmon")
    };
    let arguments = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok();
    pids()
        .into_iter()
        .filter(is_conmon)
        .filter_map(arguments)
        .filter_map(|line| container_in(&line))
        .collect()
}

/// The container in conmon's command line: `-c` and its ID.
fn container_in(cmdline: &[u8]) -> Option<String> {
    let mut words = cmdline.split(|&byte| byte == 0);
    words.find(|word| *word == b"-c")?;
    String::from_utf8(words.next()?.to_vec()).ok()
}

/// The root folder of the container `id`, among the processes of its network namespace. That may also hold
/// programs of this host, with the host's root, and other containers, from which it is told apart by Podman's
/// mounts.
pub(super) fn root_of(id: &ContainerId, netns: NetnsId, pids: &[u32]) -> Option<File> {
    let own = std::fs::metadata("/").ok()?;
    let is_own =
        |root: &File| root.metadata().is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()));
    let mut stranger = None;
    for &pid in pids {
        let Ok(root) = rooted::root_of(pid) else { continue };
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        // The number may belong to another process by now.
        if is_own(&root) || netns_of(pid) != Some(netns) {
            continue;
        }
        if is_mounted_for(id, &mounts) {
            return Some(root);
        }
        stranger.get_or_insert(root);
    }
    stranger
}

/// Whether a folder of the container is mounted: `.../overlay-containers/ID/userdata/resolv.conf` in the fourth
/// field of `proc_pid_mountinfo(5)`.
fn is_mounted_for(id: &ContainerId, mountinfo: &str) -> bool {
    let source = |line: &str| {
        line.split(' ').nth(3).is_some_and(|path| path.split('/').any(|part| part == id.as_str()))
    };
    mountinfo.lines().any(source)
}

pub(super) fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

fn netns_of(pid: u32) -> Option<NetnsId> {
    Some(NetnsId::of(&std::fs::metadata(format!("/proc/{pid}/ns/net")).ok()?))
}

fn user_namespace_of(pid: u32) -> Option<(u64, u64)> {
    let found = std::fs::metadata(format!("/proc/{pid}/ns/user")).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_is_identified_by_mounts_and_conmon() {
        let id: ContainerId = "4f1d".parse().unwrap();
        let line = "713 690 0:59 /containers/storage/overlay-containers/4f1d/userdata/resolv.conf /etc/resolv.conf rw - tmpfs tmpfs rw\n";
        assert!(is_mounted_for(&id, line));
        for other in ["", "713 690 0:59 /x/4f1d2/y /etc/resolv.conf rw\n", "713 690 0:59 / /4f1d rw\n"] {
            assert!(!is_mounted_for(&id, other), "{other}");
        }
        let cmdline = b"/usr/bin/conmon\0--api-version\x001\0-c\x004f1d\0-u\x004f1d\0";
        assert_eq!(container_in(cmdline).as_deref(), Some("4f1d"));
        assert_eq!(container_in(b"conmon\0--version\0"), None);
    }

    #[test]
    fn processes_are_grouped_by_namespace() {
        let own = netns_of(std::process::id()).unwrap();
        assert!(by_netns()[&own].contains(&std::process::id()));
    }
}
