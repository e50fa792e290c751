//! Locks that outlive a killed run for as long as the programs it started still work.
//!
//! A lock is an open file description under `flock(2)`. Children inherit the descriptors of the locks they run
//! under, so when a run is killed the next one waits until its `ip` and `nft` are done.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::error::{self, Error, Kind, Result};

/// A held lock; dropping it lets it go, unless a child still has it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits up to `patience` for the lock at `path`, whose directory exists.
    pub fn acquire(path: &Path, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        loop {
            let file = open(path)?;
            let file = match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => file,
                Err(Errno::WOULDBLOCK) => wait(file, deadline).ok_or_else(|| busy(path, patience))?,
                Err(errno) => return Err(error::io("lock", path)(errno.into())),
            };
            // Its last holder may have removed the file while we waited: then we hold nothing.
            if is_still_at(&file, path) {
                return Ok(Self { file, path: path.to_owned() });
            }
        }
    }

    /// Takes a share of the lock at `path`, beside whoever else has one.
    pub fn share(path: &Path) -> Result<Self> {
        let file = open(path)?;
        flock(file.as_fd(), FlockOperation::LockShared)
            .map_err(|errno| error::io("lock", path)(errno.into()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Removes the file and lets the lock go. Who waits for it finds out and takes a new one.
    pub fn remove(self) {
        // One that stays, on a disk that became read-only, is taken by the next as it is.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether somebody has the lock at `path`, or a share of it. Makes nothing.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return false };
    flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}

/// Runs `spawn` with `locks` inheritable, so that the program it starts holds them too.
pub fn inherited<T>(locks: &[&Lock], spawn: impl FnOnce() -> T) -> T {
    let mark = |flags| {
        for lock in locks {
            // Only fails on a descriptor that is not open.
            let _ = fcntl_setfd(lock.file.as_fd(), flags);
        }
    };
    mark(FdFlags::empty());
    let result = spawn();
    mark(FdFlags::CLOEXEC);
    result
}

/// A lock needs no more than reading: one that is there can be had where nothing can be written.
fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    opened.map(File::from).map_err(|errno| error::io("open the lock", path)(errno.into()))
}

/// Blocks in a thread of its own: `flock(2)` queues fairly and knows no time-out. A thread that waits in vain
/// ends with the process.
fn wait(file: File, deadline: Instant) -> Option<File> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        if flock(file.as_fd(), FlockOperation::LockExclusive).is_ok() {
            // Nobody may be waiting any more: then the file is dropped, and the lock with it.
            let _ = sender.send(file);
        }
    });
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => held.ino() == there.ino() && held.dev() == there.dev(),
        _ => false,
    }
}

fn busy(path: &Path, patience: Duration) -> Error {
    Error::new(
        Kind::TryLater,
        format!(
            "another flatnet, or a program it started, has held {} for {} s",
            path.display(),
            patience.as_secs()
        ),
    )
    .remedy(format!("Try again; `fuser -v {}` shows who holds it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn the_second_waits_and_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = Lock::acquire(&path, SHORT).unwrap();
        assert_eq!(Lock::acquire(&path, SHORT).unwrap_err().kind(), Kind::TryLater);
        drop(held);
        Lock::acquire(&path, SHORT).unwrap();
    }

    #[test]
    fn several_share_one_and_who_looks_takes_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        assert!(!is_held(&path) && !path.exists());
        let shares = [Lock::share(&path).unwrap(), Lock::share(&path).unwrap()];
        assert!(is_held(&path) && is_held(&path));
        let [one, other] = shares;
        drop(one);
        assert!(is_held(&path));
        drop(other);
        assert!(!is_held(&path));
    }

    #[test]
    fn a_removed_lock_is_not_held_by_who_waited_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let first = Lock::acquire(&path, SHORT).unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || Lock::acquire(&path, Duration::from_secs(5)).unwrap()
        });
        std::thread::sleep(SHORT);
        first.remove();
        let second = waiter.join().unwrap();
        assert!(path.exists());
        assert_eq!(Lock::acquire(&path, SHORT).unwrap_err().kind(), Kind::TryLater);
        second.remove();
        assert!(!path.exists());
    }
}
