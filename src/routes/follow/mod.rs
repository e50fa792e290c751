//! Follows this host's containers: waits for the first of an event of Podman, a receipt, whatever else the [`Follower`] waits
//! for, the periodic full inspection, the signal to stop; then has the follower inspect what has changed. A missed event is
//! made up for within a minute.

mod events;
mod sources;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use self::events::Changes;
use self::sources::{Events, SourceUpdate};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::HostExecutor;
use crate::model::config::Config;

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

/// What is kept up to date with this host's containers, such as the routes table.
pub trait Follower {
    /// What the caller is told about.
    type News;

    /// Called after the configuration was read again, before anything else is done with it.
    fn reopened(&mut self, engine: &Engine) -> Result<()>;

    /// Inspects what has changed. Returns whether it inspected all containers, which it may always do, and the news.
    fn inspect(
        &mut self,
        engine: &Engine,
        executor: &mut HostExecutor,
        changes: &Changes,
    ) -> Result<(bool, Option<Self::News>)>;

    /// Whether [`Follower::update`] has something to do although no container changed.
    fn wants_update(&self) -> bool;

    /// Does what is to be done although no container changed.
    fn update(&mut self, engine: &Engine) -> Result<Option<Self::News>>;

    /// Called whenever something happened or was due.
    fn tick(&mut self, now: Instant);

    /// When [`Follower::tick`] is to be called next, if nothing else happens.
    fn due(&self) -> Option<Instant>;

    /// Readable when [`Follower::woken`] is to be called.
    fn wake(&self) -> BorrowedFd<'_>;

    /// Takes what made [`Follower::wake`] readable.
    fn woken(&mut self, now: Instant);
}

/// What happened, for the caller.
#[derive(Debug)]
pub enum Event<'a, N> {
    /// The follower has news.
    News(N),
    /// An operation failed and will be retried.
    Failed(&'a Error),
    /// Operations succeed again.
    Recovered,
}

/// Follows this host's containers until `stop` is readable. `open` reads the configuration; it is called again before each
/// inspection, so that nothing is made from an old configuration.
pub fn follow<F: Follower>(
    follower: F,
    open: &dyn Fn() -> Result<Engine>,
    engine: Engine,
    executor: HostExecutor,
    stop: &UnixStream,
    report: &mut dyn FnMut(Event<'_, F::News>),
) -> Result<()> {
    let failed = |cause: std::io::Error| Error::new(Kind::Internal, "cannot wait for events").source(cause);
    let now = Instant::now();
    let mut following = Following {
        follower,
        open,
        engine,
        executor,
        events: Events::new(now),
        receipts: None,
        changed: Changes::default(),
        inspect_at: None,
        everything_at: now,
        has_begun: false,
        pause: PAUSE.0,
        failing: None,
    };
    loop {
        following.work(report);
        if following.wait(stop, report).map_err(|errno| failed(errno.into()))? {
            return Ok(());
        }
    }
}

fn receipts_folder(config: &Config) -> PathBuf {
    config.paths.state.join(config.network.as_str()).join("receipts")
}

struct Following<'a, F> {
    follower: F,
    open: &'a dyn Fn() -> Result<Engine>,
    engine: Engine,
    executor: HostExecutor,
    events: Events,
    /// Notifies of new and removed receipts; `None` while their folder does not exist.
    receipts: Option<OwnedFd>,
    /// The containers to inspect again.
    changed: Changes,
    inspect_at: Option<Instant>,
    /// The time of the next full inspection.
    everything_at: Instant,
    /// Whether Podman's event stream has started since the last full inspection.
    has_begun: bool,
    pause: Duration,
    /// The failure reported last, while it lasts.
    failing: Option<String>,
}

impl<F: Follower> Following<'_, F> {
    /// Runs what is due.
    fn work(&mut self, report: &mut dyn FnMut(Event<'_, F::News>)) {
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
        } else if self.follower.wants_update() {
            let updated = self.reopen().and_then(|()| self.follower.update(&self.engine));
            self.report_result(updated, report);
        }
        self.follower.tick(Instant::now());
    }

    /// Reads the configuration again, and reopens state, whose folders may have been replaced.
    fn reopen(&mut self) -> Result<()> {
        let engine = (self.open)()?;
        let before = std::mem::replace(&mut self.engine, engine).config;
        if receipts_folder(&self.engine.config) != receipts_folder(&before) {
            self.receipts = None;
        }
        self.follower.reopened(&self.engine)
    }

    /// Has changed containers inspected.
    fn inspect(&mut self, now: Instant) -> Result<Option<F::News>> {
        let changed = std::mem::take(&mut self.changed);
        let (everything, news) = self.follower.inspect(&self.engine, &mut self.executor, &changed)?;
        if everything {
            self.everything_at = now + if std::mem::take(&mut self.has_begun) { SETTLED } else { EVERYTHING };
        }
        Ok(news)
    }

    /// Reports the result; a repeated failure only once.
    fn report_result(&mut self, result: Result<Option<F::News>>, report: &mut dyn FnMut(Event<'_, F::News>)) {
        match result {
            Ok(news) => {
                self.pause = PAUSE.0;
                if self.failing.take().is_some() {
                    report(Event::Recovered);
                }
                if let Some(news) = news {
                    report(Event::News(news));
                }
            }
            Err(error) => {
                self.everything_at = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(PAUSE.1);
                let text = error.to_line();
                if self.failing.as_ref() != Some(&text) {
                    report(Event::Failed(&error));
                    self.failing = Some(text);
                }
            }
        }
    }

    /// Waits for the next event. Returns whether it is the signal to stop.
    fn wait(
        &mut self,
        stop: &UnixStream,
        report: &mut dyn FnMut(Event<'_, F::News>),
    ) -> rustix::io::Result<bool> {
        let timeout = self.timeout();
        let is_readable = {
            let sources: [Option<BorrowedFd<'_>>; 4] = [
                Some(stop.as_fd()),
                Some(self.follower.wake()),
                self.events.stream().map(AsFd::as_fd),
                self.receipts.as_ref().map(AsFd::as_fd),
            ];
            readable(sources, timeout)?
        };
        let [is_end, is_woken, has_events, has_receipts] = is_readable;
        let now = Instant::now();
        if is_woken {
            self.follower.woken(now);
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
        report: &mut dyn FnMut(Event<'_, F::News>),
    ) {
        let SourceUpdate { changed, problem } = update;
        if !changed.is_nothing() {
            self.changed.add(changed);
            self.inspect_at = Some(self.inspect_at.map_or(now + pause, |at| at.min(now + pause)));
        }
        if let Some(error) = problem {
            report(Event::Failed(&error));
        }
    }

    /// The time until something is due.
    fn timeout(&self) -> Duration {
        let due = [self.inspect_at, self.follower.due(), self.events.next()];
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
