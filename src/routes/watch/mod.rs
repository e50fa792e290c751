//! Keeping the routes as the containers are, for as long as it runs.
//!
//! One thread waits for whatever comes first: an event of Podman's, a receipt, the answer of a port, the time for a look
//! at everything, the signal to end. The containers that it is about are looked at again, and the whole table is made anew;
//! what was missed is not missed for longer than a minute.

mod prober;
mod sources;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::prober::Prober;
use self::sources::{Events, News};
use super::build;
use super::changed::Changed;
use super::sync::{Seen, Synced, lock};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::HostExecutor;
use crate::model::config::Config;
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// Events come in bursts: so long is waited for the rest of one.
const BURST: Duration = Duration::from_millis(30);
/// How long after a receipt its container is looked at, unless an event tells of it before. A receipt is written while
/// Podman starts the container, and a look at it would wait for Podman.
const STARTED: Duration = Duration::from_secs(1);
/// How often everything is looked at, whether or not anything was said.
const EVERYTHING: Duration = Duration::from_secs(60);
/// After Podman's events have begun, once more: between their beginning and the first look something may have happened.
const SETTLED: Duration = Duration::from_secs(2);
/// How long is waited at first, and at most, after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What happened, for whoever runs it.
#[derive(Debug)]
pub enum Said<'a> {
    /// Another table is published.
    Changed(&'a Synced),
    /// Something does not work, and will be tried again.
    Failed(&'a Error),
    /// It works again.
    Recovered,
}

/// Each watch holds a share of this lock as long as it runs, so that others can tell.
#[must_use]
pub fn lock_path(config: &Config) -> PathBuf {
    config.paths.run.join(format!("{}.gateway-watch.lock", config.network))
}

fn receipts_folder(config: &Config) -> PathBuf {
    config.paths.state.join(config.network.as_str()).join("receipts")
}

/// Keeps the routes until something can be read from `stop`. `open` reads the configuration; it is called again before each
/// look, so that none is published by what the configuration said before.
pub fn watch(
    open: &dyn Fn() -> Result<Engine>,
    executor: HostExecutor,
    stop: &UnixStream,
    say: &mut dyn FnMut(Said<'_>),
) -> Result<()> {
    let failed =
        |cause: std::io::Error| Error::new(Kind::Internal, "cannot wait for what happens").source(cause);
    let engine = open()?;
    let running = share(&engine.config)?;
    let now = Instant::now();
    let mut watch = Watch {
        prober: Prober::new().map_err(failed)?,
        events: Events::new(now),
        receipts: None,
        seen: None,
        changed: Changed::default(),
        look_at: None,
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
        watch.work(say);
        if watch.wait(stop, say).map_err(|errno| failed(errno.into()))? {
            return Ok(());
        }
    }
}

/// Says, as long as it is held, that a watch keeps the routes of this network.
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
    /// Says when a receipt comes or goes; `None` while there is no such folder yet.
    receipts: Option<OwnedFd>,
    /// What there was at the last look.
    seen: Option<Seen>,
    /// What is to be looked at again, and when.
    changed: Changed,
    look_at: Option<Instant>,
    /// When to look at everything.
    everything_at: Instant,
    /// Whether a port has answered something new.
    publish_now: bool,
    /// Whether Podman's events have begun and nothing was looked at since.
    has_begun: bool,
    pause: Duration,
    /// The failure that was told last, as long as it lasts.
    failing: Option<String>,
    conflicts: Vec<String>,
}

impl Watch<'_> {
    /// Does what is due.
    fn work(&mut self, say: &mut dyn FnMut(Said<'_>)) {
        let now = Instant::now();
        let started = self.events.start(&mut self.executor, now);
        self.has_begun |= !started.changed.is_nothing();
        self.take(started, now, BURST, say);
        if self.receipts.is_none() {
            self.receipts = sources::receipts(&receipts_folder(&self.engine.config)).ok();
        }
        if self.everything_at <= now {
            (self.changed, self.look_at) = (Changed::everything(), Some(now));
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            let looked = self.reopen().and_then(|()| self.look(now));
            self.tell(looked, say);
        } else if self.publish_now {
            let published = self.reopen().and_then(|()| {
                let _lock = lock(&self.engine.config)?;
                self.publish(now)
            });
            self.tell(published, say);
        }
        self.prober.ask_due(Instant::now());
    }

    /// Takes up the configuration as it is now, and the state, whose folders may have been replaced.
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

    /// Looks at what has changed and publishes what all containers make.
    fn look(&mut self, now: Instant) -> Result<Option<Synced>> {
        let _lock = lock(&self.engine.config)?;
        let changed = std::mem::take(&mut self.changed);
        let is_done = match &mut self.seen {
            Some(seen) if !changed.everything => seen.update(&self.engine, &mut self.executor, &changed)?,
            _ => false,
        };
        if !is_done {
            self.seen = Some(Seen::look(&self.engine, &mut self.executor, self.seen.as_ref())?);
            self.everything_at = now + if std::mem::take(&mut self.has_begun) { SETTLED } else { EVERYTHING };
        }
        self.publish(now)
    }

    /// Publishes what the containers of the last look make with what their ports answer.
    fn publish(&mut self, now: Instant) -> Result<Option<Synced>> {
        self.publish_now = false;
        let Some(seen) = &mut self.seen else { return Ok(None) };
        let config = &self.engine.config;
        self.prober.want(build::to_ask(&seen.sources(config)), now);
        let synced = seen.publish(config, &self.prober.answers())?;
        Ok(Some(synced))
    }

    /// Says what came of it, a failure once.
    fn tell(&mut self, result: Result<Option<Synced>>, say: &mut dyn FnMut(Said<'_>)) {
        match result {
            Ok(synced) => {
                self.pause = PAUSE.0;
                if self.failing.take().is_some() {
                    say(Said::Recovered);
                }
                if let Some(synced) =
                    synced.filter(|synced| synced.written || synced.conflicts != self.conflicts)
                {
                    say(Said::Changed(&synced));
                    self.conflicts = synced.conflicts;
                }
            }
            Err(error) => {
                self.everything_at = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(PAUSE.1);
                let text = error.to_line();
                if self.failing.as_ref() != Some(&text) {
                    say(Said::Failed(&error));
                    self.failing = Some(text);
                }
            }
        }
    }

    /// Waits for whatever comes first; whether it is the end.
    fn wait(&mut self, stop: &UnixStream, say: &mut dyn FnMut(Said<'_>)) -> rustix::io::Result<bool> {
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
            let news = self.events.read(now);
            self.take(news, now, BURST, say);
        }
        if has_receipts {
            // A folder that is gone is looked for again.
            let receipts = self.receipts.take();
            if let Some(changed) = receipts.as_ref().and_then(sources::drain) {
                self.receipts = receipts;
                self.take(News { changed, problem: None }, now, STARTED, say);
            }
        }
        Ok(is_end)
    }

    /// Notes what has changed, to be looked at after `pause`.
    fn take(&mut self, news: News, now: Instant, pause: Duration, say: &mut dyn FnMut(Said<'_>)) {
        let News { changed, problem } = news;
        if !changed.is_nothing() {
            self.changed.add(changed);
            self.look_at = Some(self.look_at.map_or(now + pause, |at| at.min(now + pause)));
        }
        if let Some(error) = problem {
            say(Said::Failed(&error));
        }
    }

    /// Until something is due.
    fn timeout(&self) -> Duration {
        let due = [self.look_at, self.prober.next(), self.events.next()];
        let due = due.into_iter().flatten().fold(self.everything_at, Instant::min);
        due.saturating_duration_since(Instant::now())
    }
}

/// Which of `sources` can be read, or have ended, within `timeout`.
fn readable<const N: usize>(
    sources: [Option<BorrowedFd<'_>>; N],
    timeout: Duration,
) -> rustix::io::Result<[bool; N]> {
    // Rounded up: a wait that ends a moment too early would be repeated without any pause.
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
