//! Locks that outlive a killed run while the programs it started are still running.
//!
//! A lock is an open file description under `flock(2)`. Child processes inherit the descriptors of the locks they run
//! under, so after a run is killed the next one waits until its `ip` and `nft` have exited.

#[cfg(feature = "faults")]
pub(crate) mod pause;
mod waiting;

use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode as FileMode, OFlags, flock};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::error::{self, Error, Kind, Result};

/// A held lock. Dropping it releases it, unless a child process still has it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    /// Whether a program that inherited it may still be running.
    is_left: Rc<Cell<bool>>,
}

/// The lock of a file that may be missing.
#[derive(Debug)]
pub enum Existing {
    /// There is no file.
    Missing,
    /// It was free, and is held now.
    Free(Lock),
    /// Another process holds it.
    Held,
}

/// Exclusive or shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Alone,
    Shared,
}

impl Lock {
    /// Waits up to `patience` (`limits.lock_seconds`) for the lock at `path`, whose directory exists.
    pub fn acquire(path: &Path, patience: Duration) -> Result<Self> {
        Self::acquire_in(Mode::Alone, path, patience)
    }

    /// Waits up to `patience` for a share of the lock at `path`.
    pub fn share(path: &Path, patience: Duration) -> Result<Self> {
        Self::acquire_in(Mode::Shared, path, patience)
    }

    /// Takes the lock at `path` if it is free, else returns `None`.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>> {
        match Self::acquire(path, Duration::ZERO) {
            Err(error) if error.kind() == Kind::TryLater => Ok(None),
            acquired => acquired.map(Some),
        }
    }

    fn acquire_in(mode: Mode, path: &Path, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        boundary();
        loop {
            let file = open(path)?;
            let file = match mode.lock(&file, false) {
                Ok(()) => file,
                Err(Errno::WOULDBLOCK) if patience.is_zero() => return Err(busy(path, patience)),
                Err(Errno::WOULDBLOCK) => {
                    waiting::wait(mode, file, path, deadline).ok_or_else(|| busy(path, patience))?
                }
                Err(errno) => return Err(error::io("lock", path)(errno.into())),
            };
            // Its last holder may have removed the file while we waited. Then the lock is worth nothing.
            if is_still_at(&file, path) {
                return Ok(Self { file, path: path.to_owned(), is_left: Rc::default() });
            }
        }
    }

    /// Takes the lock of the file at `path` if it is free. Never makes the file. What cannot be opened counts as held.
    #[must_use]
    pub fn of_existing(path: &Path) -> Existing {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, FileMode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Existing::Missing,
            Err(_) => return Existing::Held,
        };
        match Mode::Alone.lock(&file, false) {
            Ok(()) if is_still_at(&file, path) => {
                Existing::Free(Self { file, path: path.to_owned(), is_left: Rc::default() })
            }
            Ok(()) => Existing::Missing,
            Err(_) => Existing::Held,
        }
    }

    /// Whether its file is still at its path, and has not been removed or replaced.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        is_still_at(&self.file, &self.path)
    }

    /// Releases the lock and removes its file; waiters notice and take a new one. If a program that inherited
    /// the lock may still be running, the file stays locked.
    pub fn remove(self) {
        if !self.is_left.get() && self.is_in_place() {
            // If it cannot be removed (read-only disk), the next run uses it as it is.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Becomes true if a program that inherited the lock may still be running.
    #[must_use]
    pub fn left(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.is_left)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        boundary();
    }
}

/// A boundary at which a test may stop this run.
fn boundary() {
    #[cfg(feature = "faults")]
    pause::boundary();
}

impl Mode {
    /// `flock(2)`; a blocking call queues fairly.
    fn lock(self, file: &File, waits: bool) -> Result<(), Errno> {
        let operation = match (self, waits) {
            (Self::Alone, true) => FlockOperation::LockExclusive,
            (Self::Alone, false) => FlockOperation::NonBlockingLockExclusive,
            (Self::Shared, true) => FlockOperation::LockShared,
            (Self::Shared, false) => FlockOperation::NonBlockingLockShared,
        };
        flock(file.as_fd(), operation)
    }
}

/// Whether the lock at `path`, or a share of it, is held. Creates nothing.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, FileMode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return false,
        // Out of descriptors, say: it may be held.
        Err(_) => return true,
    };
    flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}

/// Runs `spawn` with `locks` inheritable, so that the new program holds them too.
pub fn inherited<T>(locks: &[&Lock], spawn: impl FnOnce() -> T) -> T {
    let mark = |flags| {
        for lock in locks {
            // Fails only on a closed descriptor.
            let _ = fcntl_setfd(lock.file.as_fd(), flags);
        }
    };
    mark(FdFlags::empty());
    let result = spawn();
    mark(FdFlags::CLOEXEC);
    result
}

/// Opens a lock file. Reading suffices, so existing locks work on a read-only file system.
fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, FileMode::RUSR | FileMode::WUSR);
    opened.map(File::from).map_err(|errno| error::io("open the lock", path)(errno.into()))
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => held.ino() == there.ino() && held.dev() == there.dev(),
        _ => false,
    }
}

/// The error of a lock that was held for so long.
#[must_use]
pub fn busy(path: &Path, patience: Duration) -> Error {
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
    fn second_lock_waits_then_times_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = Lock::acquire(&path, SHORT).unwrap();
        assert_eq!(Lock::acquire(&path, SHORT).unwrap_err().kind(), Kind::TryLater);
        drop(held);
        Lock::acquire(&path, SHORT).unwrap();
    }

    #[test]
    fn shared_lock_has_many_holders_and_check_creates_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        assert!(!is_held(&path) && !path.exists());
        let shares = [Lock::share(&path, SHORT).unwrap(), Lock::share(&path, SHORT).unwrap()];
        assert!(is_held(&path) && is_held(&path));
        let [one, other] = shares;
        drop(one);
        assert!(is_held(&path));
        drop(other);
        assert!(!is_held(&path));
    }

    #[test]
    fn removed_lock_file_is_not_held_by_waiter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let first = Lock::acquire(&path, SHORT).unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || {
                let second = Lock::acquire(&path, Duration::from_secs(5)).unwrap();
                assert!(path.exists());
                assert_eq!(Lock::acquire(&path, SHORT).unwrap_err().kind(), Kind::TryLater);
                second.remove();
                assert!(!path.exists());
            }
        });
        std::thread::sleep(SHORT);
        first.remove();
        waiter.join().unwrap();
    }

    #[test]
    fn lock_file_stays_while_started_program_may_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = Lock::acquire(&path, SHORT).unwrap();
        held.left().set(true);
        held.remove();
        assert!(path.exists());
    }

    #[test]
    fn repeated_lock_timeouts_do_not_leak_threads_or_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = Lock::acquire(&path, SHORT).unwrap();
        let waiters = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
            names.filter(|name| name.trim() == "lock").count()
        };
        let files = || {
            let all = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            all.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path)).count()
        };
        let before = waiters();
        for _ in 0..10 {
            assert_eq!(Lock::acquire(&path, Duration::from_millis(5)).unwrap_err().kind(), Kind::TryLater);
        }
        // The other tests' threads come and go; this lock's is one.
        assert!(waiters() <= before + 2, "{} threads", waiters());
        assert!(files() <= 3, "{} files", files());
        drop(held);
        let again = Lock::acquire(&path, Duration::from_secs(5)).unwrap();
        again.remove();
    }
}
