//! Waiting with a timeout, which `flock(2)` lacks: a thread waits for the lock, and the caller for the thread.
//! A thread whose caller gave up continues, and the next waiter for the same lock takes it over, so that there
//! is one per lock.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Mode;

/// The polling interval if no thread can be started.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// Threads whose callers gave up, or are about to.
static LEFT: Mutex<BTreeMap<(PathBuf, Mode), Arc<Waiter>>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
struct Waiter {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_wanted: bool,
    has_ended: bool,
    file: Option<File>,
}

/// Ignores poisoning: a panic in another thread leaves these values consistent.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiter {
    /// Waits for `file` in a new thread; returns it if no thread can be started.
    fn start(mode: Mode, file: File) -> Result<Arc<Self>, File> {
        let waiter = Arc::new(Self::default());
        locked(&waiter.state).is_wanted = true;
        let theirs = Arc::clone(&waiter);
        // The thread owns its captures, which are lost if it cannot be started.
        let Ok(spare) = file.try_clone() else { return Err(file) };
        let wait = move || {
            let got = loop {
                match mode.lock(&file, true) {
                    Err(Errno::INTR) => {}
                    got => break got.is_ok(),
                }
            };
            let mut state = locked(&theirs.state);
            state.has_ended = true;
            // With no waiter left, closing the file releases the lock.
            state.file = (got && state.is_wanted).then_some(file);
            theirs.changed.notify_all();
        };
        let thread = std::thread::Builder::new().name("lock".to_owned()).spawn(wait);
        if thread.is_ok() { Ok(waiter) } else { Err(spare) }
    }

    /// Takes over from a caller that gave up; false if another waits, or the thread has ended.
    fn take_over(&self) -> bool {
        let mut state = locked(&self.state);
        let is_free = !state.is_wanted && !state.has_ended;
        state.is_wanted |= is_free;
        is_free
    }

    /// The locked file; `None` after `deadline`.
    fn wait(&self, deadline: Instant) -> Option<File> {
        let state = locked(&self.state);
        let patience = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(state, patience, |state| !state.has_ended);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_wanted = false;
        state.file.take()
    }
}

/// The locked file at `path`; `None` after `deadline`.
pub(super) fn wait(mode: Mode, file: File, path: &Path, deadline: Instant) -> Option<File> {
    let key = (path.to_owned(), mode);
    let left = locked(&LEFT).get(&key).filter(|waiter| waiter.take_over()).cloned();
    let waiter = match left {
        Some(waiter) => waiter,
        None => match Waiter::start(mode, file) {
            Ok(waiter) => waiter,
            Err(file) => return poll(mode, file, deadline),
        },
    };
    let file = waiter.wait(deadline);
    let mut left = locked(&LEFT);
    if file.is_some() {
        left.remove(&key);
    } else {
        left.insert(key, waiter);
    }
    file
}

/// The same without a thread, by polling.
fn poll(mode: Mode, file: File, deadline: Instant) -> Option<File> {
    while mode.lock(&file, false).is_err() {
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(TRY_AGAIN);
    }
    Some(file)
}
