//! A container's network namespace: opened once, checked, observed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{ipv6, proc_route, proc_tcp, processes};
use crate::error::{self, Error, Kind, Result};
use crate::model::types::{Caller, IfName, NetnsId, NetnsPath};

/// `f_type` of the file system of namespaces (`NSFS_MAGIC` of linux/magic.h).
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// An open network namespace that is not this host's.
#[derive(Debug)]
pub struct Netns {
    file: Rc<File>,
    path: NetnsPath,
    id: NetnsId,
}

/// A container's network namespace before its link is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Whether the interface exists.
    pub has_link: bool,
    /// Whether another network has added a default route.
    pub has_way_out: bool,
    /// Whether links can have IPv6 addresses.
    pub has_ipv6: bool,
}

impl Netns {
    /// Opens the namespace at `path`; an error if it is missing, not a network namespace, or the host's own.
    pub fn open(path: &NetnsPath) -> Result<Self> {
        Self::found_at(path.as_str(), path)
    }

    /// The same for a namespace at `place` that messages and commands call `path`, which need not lead to it.
    pub fn found_at(place: &str, path: &NetnsPath) -> Result<Self> {
        let file = &open_path(place).map_err(|cause| {
            Error::new(Kind::Netns, format!("cannot open the network namespace {path}")).source(cause)
        })?;
        let file_system = rustix::fs::fstatfs(file).map_err(|errno| {
            Error::new(Kind::Netns, format!("cannot stat {path}")).source(std::io::Error::from(errno))
        })?;
        #[allow(clippy::useless_conversion, reason = "f_type has another width on other platforms")]
        if i64::from(file_system.f_type) != NSFS_MAGIC {
            return Err(Error::new(Kind::NotANetns, format!("{path} is not a network namespace")));
        }
        let id = id_of(file).ok_or_else(|| Error::new(Kind::Netns, format!("cannot stat {path}")))?;
        if own().is_some_and(|own| own == id) {
            return Err(Error::new(Kind::OwnNetns, format!("{path} is this host's own network namespace")));
        }
        let opened = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let file = opened.map_err(|cause| {
            Error::new(Kind::Netns, format!("cannot open the network namespace {path}")).source(cause)
        })?;
        Ok(Self { file: Rc::new(file), path: path.clone(), id })
    }

    /// Its descriptor, which leads to this namespace whatever becomes of its path.
    #[must_use]
    pub fn descriptor(&self) -> Rc<File> {
        Rc::clone(&self.file)
    }

    /// The namespace's identity.
    #[must_use]
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// What an attachment depends on, before `if_name` is made.
    pub fn before(&self, if_name: &IfName) -> Result<Before> {
        self.inside(|| {
            let routes = proc_route::read()?;
            Ok(Before {
                has_link: !super::link_is_gone(if_name.as_str()),
                has_way_out: proc_route::default_route(&routes).is_some(),
                has_ipv6: ipv6::is_enabled(),
            })
        })
    }

    /// Whether its links can have IPv6 addresses.
    pub fn has_ipv6(&self) -> Result<bool> {
        self.inside(|| Ok(ipv6::is_enabled()))
    }

    /// The TCP ports that listen at `address` or at every address; `false` if that may be IPv6 only.
    pub fn listening(&self, address: Ipv4Addr) -> Result<BTreeMap<u16, bool>> {
        let text = self.inside(|| {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
            // A kernel without IPv6 has no tcp6.
            Ok(read("tcp")? + &read("tcp6").unwrap_or_default())
        })?;
        Ok(proc_tcp::listening(&text, address))
    }

    /// Runs `look` inside: this thread enters the namespace and comes back. A program, or a thread, would take
    /// longer than everything else.
    pub(super) fn inside<T>(&self, look: impl FnOnce() -> std::io::Result<T>) -> Result<T> {
        let enter =
            |namespace: &File| move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
        let enter_and_look = || {
            let own = File::open("/proc/thread-self/ns/net")?;
            enter(&self.file)?;
            let looked = look();
            if enter(&own).is_err() {
                // Anything that ran from here on would change the container instead of this host.
                std::process::abort();
            }
            looked
        };
        enter_and_look().map_err(|cause| self.not_entered(cause))
    }

    fn not_entered(&self, cause: std::io::Error) -> Error {
        let path = &self.path;
        match cause.raw_os_error() {
            Some(code) if code == Errno::INVAL.raw_os_error() => {
                Error::new(Kind::NotANetns, format!("{path} is a namespace, but not a network namespace"))
            }
            Some(code) if code == Errno::PERM.raw_os_error() => {
                Error::new(Kind::NoCapability, format!("this process may not enter {path}"))
            }
            _ => Error::new(Kind::Netns, format!("cannot enter {path}")),
        }
        .source(cause)
    }
}

/// The identity of the namespace at `path`; `None` if there is none. A failed lookup is an error: it does not
/// prove that a namespace is gone.
pub fn id_at(path: &NetnsPath) -> Result<Option<NetnsId>> {
    let failed = |cause| error::io("stat", Path::new(path.as_str()))(cause);
    let file = match open_path(path.as_str()) {
        // For a process that has ended the kernel returns the latter.
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(cause) if cause.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let file_system = rustix::fs::fstatfs(&file).map_err(|errno| failed(errno.into()))?;
    #[allow(clippy::useless_conversion, reason = "f_type has another width on other platforms")]
    let is_namespace = i64::from(file_system.f_type) == NSFS_MAGIC;
    if !is_namespace {
        return Ok(None);
    }
    let found = file.metadata().map_err(failed)?;
    Ok(Some(NetnsId::of(&found)))
}

/// A path to the namespace `id` of a container of `owner`: `recorded`, or that of a process of `owner` in it, if this mount namespace lacks
/// the runtime's mount. `None` if neither leads to it.
pub fn path_of(id: NetnsId, recorded: Option<&NetnsPath>, owner: Caller) -> Result<Option<NetnsPath>> {
    if let Some(recorded) = recorded {
        if id_at(recorded)? == Some(id) {
            return Ok(Some(recorded.clone()));
        }
    }
    let of_process = processes::first_in(id, owner)?.map(|pid| format!("/proc/{pid}/ns/net").parse());
    of_process.transpose()
}

/// Finds the file without really opening it: an open would wait for a pipe's other end, or wake a device.
fn open_path(path: &str) -> std::io::Result<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn own() -> Option<NetnsId> {
    id_of(&File::open("/proc/thread-self/ns/net").ok()?)
}

fn id_of(file: &File) -> Option<NetnsId> {
    Some(NetnsId::of(&file.metadata().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_without_path_is_found_by_process() {
        let own = own().unwrap();
        let elsewhere = "/run/netns/none-of-this-name".parse().unwrap();
        let found = path_of(own, Some(&elsewhere), Caller::Root).unwrap().unwrap();
        assert_eq!(path_of(own, None, Caller::Root).unwrap(), Some(found.clone()));
        assert_eq!(id_at(&found).unwrap(), Some(own), "{found}");
        let by_name = "/proc/self/ns/net".parse().unwrap();
        assert_eq!(path_of(own, Some(&by_name), Caller::Root).unwrap(), Some(by_name));
        // A path may lead to another namespace by now, since process IDs are reused.
        assert_eq!(path_of(NetnsId { ino: 1, ..own }, Some(&elsewhere), Caller::Root).unwrap(), None);
    }

    #[test]
    fn unreadable_path_does_not_prove_namespace_gone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| id_at(&dir.path().join(name).display().to_string().parse().unwrap());
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(at("loop").is_err());
        assert_eq!((at("file").unwrap(), at("none").unwrap(), at("file/none").unwrap()), (None, None, None));
        assert!(id_at(&"/proc/self/ns/net".parse().unwrap()).unwrap().is_some());
    }
}
