//! `flatnet gateway watch`: keeps the routes table up to date, and exchanges routes with other hosts.

mod exchange;
mod prober;
mod wake;

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use self::exchange::Exchange;
use self::prober::Prober;
pub(super) use self::wake::Wake;
use super::build;
use super::follow::{Changes, Event, Follower, follow};
use super::others::Others;
use super::publish;
use super::sync::{Snapshot, SyncOutcome, lock};
use super::users::{Answer, Background};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::HostExecutor;
use crate::model::config::Config;
use crate::model::types::UserName;
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// What happened, for the caller: a new table was published, or its warnings changed.
pub type WatchEvent<'a> = Event<'a, SyncOutcome>;

/// The lock that each watch holds (shared) while it runs, so that the doctor can tell.
#[must_use]
pub fn lock_path(config: &Config) -> PathBuf {
    config.paths.run.join(format!("{}.gateway-watch.lock", config.network))
}

/// Keeps the routes table up to date until `stop` is readable. `open` reads the configuration.
pub fn watch(
    open: &dyn Fn() -> Result<Engine>,
    executor: HostExecutor,
    stop: &UnixStream,
    report: &mut dyn FnMut(WatchEvent<'_>),
) -> Result<()> {
    let failed = |cause: std::io::Error| Error::new(Kind::Internal, "cannot wait for events").source(cause);
    let engine = open()?;
    let wake = Wake::new().map_err(failed)?;
    let routes = Routes {
        running: share(&engine.config)?,
        running_at: lock_path(&engine.config),
        prober: Prober::new(wake.clone()),
        users: Background::new(wake.clone()),
        exchange: Exchange::start(&engine.config, &wake, Instant::now()),
        wake,
        snapshot: None,
        has_answers: false,
        answers: Vec::new(),
        conflicts: Vec::new(),
    };
    follow(routes, open, engine, executor, stop, report)
}

/// Acquires the lock that marks a running watch.
fn share(config: &Config) -> Result<Lock> {
    StateDir::create(&config.paths.run)?;
    Lock::share(&lock_path(config), config.limits.patience())
}

/// The routes table and what it is made from.
struct Routes {
    running: Lock,
    running_at: PathBuf,
    wake: Wake,
    prober: Prober,
    users: Background,
    /// The exchange with other hosts, if there is an overlay.
    exchange: Option<Exchange>,
    /// The last snapshot.
    snapshot: Option<Snapshot>,
    /// Whether a probe, another host or a user's Podman has a new answer.
    has_answers: bool,
    /// What users' Podmans have answered since.
    answers: Vec<(UserName, Result<Answer>)>,
    conflicts: Vec<String>,
}

impl Follower for Routes {
    type News = SyncOutcome;

    fn reopened(&mut self, engine: &Engine) -> Result<()> {
        let path = lock_path(&engine.config);
        if path != self.running_at {
            self.running = share(&engine.config)?;
            self.running_at = path;
        }
        if !self.exchange.as_mut().is_some_and(|exchange| exchange.continues(&engine.config)) {
            // The old one gives up its port first.
            self.exchange = None;
            self.exchange = Exchange::start(&engine.config, &self.wake, Instant::now());
        }
        Ok(())
    }

    fn inspect(
        &mut self,
        engine: &Engine,
        executor: &mut HostExecutor,
        changes: &Changes,
    ) -> Result<(bool, Option<SyncOutcome>)> {
        let _lock = lock(&engine.config)?;
        let (users, changes) = changes.clone().split();
        let is_done = match &mut self.snapshot {
            Some(snapshot) if !changes.everything => {
                snapshot.read_published(&engine.config);
                snapshot.update(engine, executor, &changes)?
            }
            _ => false,
        };
        let now = Instant::now();
        if !is_done {
            let mut snapshot = Snapshot::take(engine, executor, self.snapshot.as_ref())?;
            self.users.want(snapshot.users_to_ask(&engine.config), false, now);
            self.snapshot = Some(snapshot);
        }
        let users = users.into_iter().map(|user| user.name);
        self.users.want(users.filter(|name| engine.config.rootless.users.contains_key(name)), true, now);
        Ok((!is_done, self.publish(&engine.config)?))
    }

    fn wants_update(&self) -> bool {
        self.has_answers
    }

    fn update(&mut self, engine: &Engine) -> Result<Option<SyncOutcome>> {
        let _lock = lock(&engine.config)?;
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.read_published(&engine.config);
            snapshot.read_records(engine)?;
            for (user, answer) in std::mem::take(&mut self.answers) {
                snapshot.take_answer(user, answer, &engine.config);
            }
        }
        self.publish(&engine.config)
    }

    fn tick(&mut self, now: Instant) {
        self.prober.probe_due(now);
        self.users.ask_due(now);
        if let Some(exchange) = &mut self.exchange {
            exchange.tick(now);
        }
    }

    fn due(&self) -> Option<Instant> {
        let exchange = self.exchange.as_ref().map(Exchange::next);
        self.prober.next().into_iter().chain(self.users.next()).chain(exchange).min()
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn woken(&mut self, now: Instant) {
        self.wake.drain();
        self.has_answers |= self.prober.take(now);
        self.answers.extend(self.users.take(now));
        self.has_answers |= !self.answers.is_empty();
        self.has_answers |= self.exchange.as_mut().is_some_and(|exchange| exchange.take(now));
    }
}

impl Routes {
    /// Publishes the table of the last snapshot, the probes' answers and other hosts' routes. Returns it if it, or a warning, is
    /// new. A host without a gateway has an overlay to serve its table to.
    fn publish(&mut self, config: &Config) -> Result<Option<SyncOutcome>> {
        self.has_answers = false;
        let Some(snapshot) = &mut self.snapshot else { return Ok(None) };
        snapshot.look_at_users(config);
        self.prober.set_ports(build::to_probe(&snapshot.sources(config)), Instant::now());
        let answers = self.prober.answers();
        let mut draft = snapshot.draft(config, &answers);
        let synced = match &mut self.exchange {
            None => snapshot.publish(config, draft, &Others::new())?,
            Some(exchange) => {
                exchange.set_table(&draft.table)?;
                draft.conflicts.extend(exchange.problems());
                if publish::has_gateway(&config.gateway.directory) {
                    if let Some(published) = snapshot.published_hosts() {
                        exchange.forget_all_but(&published);
                    }
                    snapshot.publish(config, draft, exchange.others())?
                } else {
                    snapshot.keep(draft, &answers)
                }
            }
        };
        let is_news = synced.written || synced.conflicts != self.conflicts;
        if is_news {
            self.conflicts.clone_from(&synced.conflicts);
        }
        Ok(is_news.then_some(synced))
    }
}
