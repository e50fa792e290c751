//! `flatnet gateway watch`: keeps the routes table up to date.
//!
//! One thread waits for the first of: an event of Podman, a receipt, a probe's answer, the periodic full inspection, the signal
//! to stop. It inspects the affected containers again and rebuilds the whole table. A missed event is made up for within a
//! minute.

mod prober;
mod sources;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::prober::Prober;
use self::sources::{Events, SourceUpdate};
use super::build;
use super::events::Changes;
use super::sync::{Snapshot, SyncOutcome, lock};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::HostExecutor;
use crate::model::config::Config;
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// Events come in bursts: the time to wait for the rest of one.
const BURST: Duration = Duration::from_millis(30);
/// The delay after a receipt until its container is inspected, unless an event comes first. A receipt is written while Podman
/// starts the container, and `podman inspect` would wait for that.
const STARTED: Duration = Duration::from_secs(1);
/// The interval of full inspections.
const EVERYTHING: Duration = Duration::from_secs(60);
/// The delay of another full inspection after Podman's event stream has started: something may have happened in between.
const SETTLED: Duration = Duration::from_secs(2);
/// The first and the longest pause after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// An event reported to the caller.
#[derive(Debug)]
pub enum WatchEvent<'a> {
    /// A new table was published.
    Changed(&'a SyncOutcome),
    /// An operation failed and will be retried.
    Failed(&'a Error),
    /// Operations succeed again.
    Recovered,
}

/// The lock that each watch holds (shared) while it runs, so that the doctor can tell.
#[must_use]
pub fn lock_path(config: &Config) -> PathBuf {
    config.paths.run.join(format!("{}.gateway-watch.lock", config.network))
}

fn receipts_folder(config: &Config) -> PathBuf {
    config.paths.state.join(config.network.as_str()).join("receipts")
}

/// Keeps the routes table up to date until `stop` is readable. `open` reads the configuration; it is called again before each
/// inspection, so that no table is published from an old configuration.
pub fn watch(
    open: &dyn Fn() -> Result<Engine>,
    executor: HostExecutor,
    stop: &UnixStream,
    report: &mut dyn FnMut(WatchEvent<'_>),
) -> Result<()> {
    let failed = |cause: std::io::Error| Error::new(Kind::Internal, "cannot wait for events").source(cause);
    let engine = open()?;
    let running = share(&engine.config)?;
    let now = Instant::now();
    let mut watch = Watch {
        prober: Prober::new().map_err(failed)?,
        events: Events::new(now),
        receipts: None,
        snapshot: None,
        changed: Changes::default(),
        inspect_at: None,
        everything_at: now,
        publish_now: false,
        has_begun: false,
        pause: PAUSE.0,
        failing: None,
        conflicts: Vec::new(),
        open,
        engine,
        running,
        executor,
    };
    loop {
        watch.work(report);
        if watch.wait(stop, report).map_err(|errno| failed(errno.into()))? {
            return Ok(());
        }
    }
}

/// Acquires the lock that marks a running watch.
fn share(config: &Config) -> Result<Lock> {
    StateDir::create(&config.paths.run)?;
    Lock::share(&lock_path(config), Duration::from_secs(config.limits.lock_seconds))
}

struct Watch<'a> {
    open: &'a dyn Fn() -> Result<Engine>,
    engine: Engine,
    running: Lock,
    executor: HostExecutor,
    prober: Prober,
    events: Events,
    /// Notifies of new and removed receipts; `None` while their folder does not exist.
    receipts: Option<OwnedFd>,
    /// The last snapshot.
    snapshot: Option<Snapshot>,
    /// The containers to inspect again.
    changed: Changes,
    inspect_at: Option<Instant>,
    /// The time of the next full inspection.
    everything_at: Instant,
    /// Whether a probe has a new answer.
    publish_now: bool,
    /// Whether Podman's event stream has started since the last full inspection.
    has_begun: bool,
    pause: Duration,
    /// The failure reported last, while it lasts.
    failing: Option<String>,
    conflicts: Vec<String>,
}

impl Watch<'_> {
    /// Runs what is due.
    fn work(&mut self, report: &mut dyn FnMut(WatchEvent<'_>)) {
        let now = Instant::now();
        let started = self.events.start(&mut self.executor, now);
        self.has_begun |= !started.changed.is_nothing();
        self.record(started, now, BURST, report);
        if self.receipts.is_none() {
            self.receipts = sources::receipts(&receipts_folder(&self.engine.config)).ok();
        }
        if self.everything_at <= now {
            (self.changed, self.inspect_at) = (Changes::everything(), Some(now));
        }
        if self.inspect_at.is_some_and(|at| at <= now) {
            self.inspect_at = None;
            let inspected = self.reopen().and_then(|()| self.inspect(now));
            self.report_result(inspected, report);
        } else if self.publish_now {
            let published = self.reopen().and_then(|()| {
                let _lock = lock(&self.engine.config)?;
                self.publish(now)
            });
            self.report_result(published, report);
        }
        self.prober.probe_due(Instant::now());
    }

    /// Reads the configuration again, and reopens state, whose folders may have been replaced.
    fn reopen(&mut self) -> Result<()> {
        let engine = (self.open)()?;
        let before = std::mem::replace(&mut self.engine, engine).config;
        let config = &self.engine.config;
        if lock_path(config) != lock_path(&before) {
            self.running = share(config)?;
        }
        if receipts_folder(config) != receipts_folder(&before) {
            self.receipts = None;
        }
        Ok(())
    }

    /// Inspects changed containers and publishes the table.
    fn inspect(&mut self, now: Instant) -> Result<Option<SyncOutcome>> {
        let _lock = lock(&self.engine.config)?;
        let changed = std::mem::take(&mut self.changed);
        let is_done = match &mut self.snapshot {
            Some(snapshot) if !changed.everything => {
                snapshot.update(&self.engine, &mut self.executor, &changed)?
            }
            _ => false,
        };
        if !is_done {
            self.snapshot = Some(Snapshot::take(&self.engine, &mut self.executor, self.snapshot.as_ref())?);
            self.everything_at = now + if std::mem::take(&mut self.has_begun) { SETTLED } else { EVERYTHING };
        }
        self.publish(now)
    }

    /// Publishes the table of the last snapshot and the probes' answers.
    fn publish(&mut self, now: Instant) -> Result<Option<SyncOutcome>> {
        self.publish_now = false;
        let Some(snapshot) = &mut self.snapshot else { return Ok(None) };
        let config = &self.engine.config;
        self.prober.set_ports(build::to_probe(&snapshot.sources(config)), now);
        let synced = snapshot.publish(config, &self.prober.answers())?;
        Ok(Some(synced))
    }

    /// Reports the result; a repeated failure only once.
    fn report_result(&mut self, result: Result<Option<SyncOutcome>>, report: &mut dyn FnMut(WatchEvent<'_>)) {
        match result {
            Ok(synced) => {
                self.pause = PAUSE.0;
                if self.failing.take().is_some() {
                    report(WatchEvent::Recovered);
                }
                if let Some(synced) =
                    synced.filter(|synced| synced.written || synced.conflicts != self.conflicts)
                {
                    report(WatchEvent::Changed(&synced));
                    self.conflicts = synced.conflicts;
                }
            }
            Err(error) => {
                self.everything_at = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(PAUSE.1);
                let text = error.to_line();
                if self.failing.as_ref() != Some(&text) {
                    report(WatchEvent::Failed(&error));
                    self.failing = Some(text);
                }
            }
        }
    }

    /// Waits for the next event. Returns whether it is the signal to stop.
    fn wait(
        &mut self,
        stop: &UnixStream,
        report: &mut dyn FnMut(WatchEvent<'_>),
    ) -> rustix::io::Result<bool> {
        let timeout = self.timeout();
        let is_readable = {
            let sources: [Option<BorrowedFd<'_>>; 4] = [
                Some(stop.as_fd()),
                Some(self.prober.as_fd()),
                self.events.stream().map(AsFd::as_fd),
                self.receipts.as_ref().map(AsFd::as_fd),
            ];
            readable(sources, timeout)?
        };
        let [is_end, has_answers, has_events, has_receipts] = is_readable;
        let now = Instant::now();
        if has_answers {
            self.publish_now |= self.prober.take(now);
        }
        if has_events {
            let update = self.events.read(now);
            self.record(update, now, BURST, report);
        }
        if has_receipts {
            // If the folder was removed, it is opened again later.
            let receipts = self.receipts.take();
            if let Some(changed) = receipts.as_ref().and_then(sources::drain) {
                self.receipts = receipts;
                self.record(SourceUpdate { changed, problem: None }, now, STARTED, report);
            }
        }
        Ok(is_end)
    }

    /// Records changes, to be inspected after `pause`.
    fn record(
        &mut self,
        update: SourceUpdate,
        now: Instant,
        pause: Duration,
        report: &mut dyn FnMut(WatchEvent<'_>),
    ) {
        let SourceUpdate { changed, problem } = update;
        if !changed.is_nothing() {
            self.changed.add(changed);
            self.inspect_at = Some(self.inspect_at.map_or(now + pause, |at| at.min(now + pause)));
        }
        if let Some(error) = problem {
            report(WatchEvent::Failed(&error));
        }
    }

    /// The time until something is due.
    fn timeout(&self) -> Duration {
        let due = [self.inspect_at, self.prober.next(), self.events.next()];
        let due = due.into_iter().flatten().fold(self.everything_at, Instant::min);
        due.saturating_duration_since(Instant::now())
    }
}

/// Waits up to `timeout`. Returns which of `sources` are readable or closed.
fn readable<const N: usize>(
    sources: [Option<BorrowedFd<'_>>; N],
    timeout: Duration,
) -> rustix::io::Result<[bool; N]> {
    // Rounded up: a wait that ends too early would be repeated without a pause.
    let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX - 1) + 1;
    let timeout = Timespec { tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000) * 1_000_000 };
    let mut fds: Vec<PollFd<'_>> =
        sources.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    let mut found = fds.iter().map(|fd| !fd.revents().is_empty());
    Ok(sources.map(|source| source.is_some() && found.next() == Some(true)))
}
