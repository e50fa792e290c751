//! The engine: reads state, plans, runs the plan, records the result.
//!
//! Guards define the order of everything: see `guard.rs`.
//!
//! | caller | function |
//! | --- | --- |
//! | ADD, netavark's `setup` | [`Engine::attach`] |
//! | DEL, netavark's `teardown` | [`Engine::detach`] |
//! | CHECK, STATUS, GC | [`Engine::check`], [`Engine::status`], [`Engine::collect_all_but`] |
//! | `flatnet up`, `down`, `plan` | [`Engine::up`], [`Engine::down`], [`Engine::plan_up`] |
//! | `flatnet repair`, `gc` | [`Engine::repair`], [`Engine::collect_dead`] |
//! | `flatnet ps`, `status`, `rules` | [`Engine::attachments`], [`Engine::loaded`] |
//!
//! `docs/architecture/add-and-del.md` and `state-and-locks.md` show the order of operations.

mod attach;
mod check;
mod definitions;
mod dels_at_once;
mod detach;
mod firewall_advice;
mod flows;
mod gc;
mod guard;
mod host;
mod leftover;
mod names;
mod operations;
mod owner;
mod recover;
mod repair;
mod requested;
mod store;
mod undo;
mod views;

use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use gc::Collected;
use guard::LockDirs;
pub use guard::NetworkGuard;
pub use host::{Change, HostRecord};
pub use leftover::{Concern, Leftover};
pub use names::Names;
pub use repair::{Part, Repair};
pub use store::Store;
pub use views::{Attachment, AttachmentStatus, Loaded};

use crate::error::{Error, Kind, Result};
use crate::hex;
use crate::kernel::execute::{CommandLog, Executor, HostExecutor, LoggingExecutor};
use crate::kernel::host::Host;
use crate::kernel::observe;
use crate::kernel::tools::Tools;
use crate::log::Log;
use crate::model::config::{Config, Gateway, Limits, Rootless};
use crate::model::types::AttachmentId;

/// One network of this host.
pub struct Engine {
    /// Its configuration.
    pub config: Config,
    /// Leases and receipts.
    pub store: Store,
    /// What programs are called, and what runs them.
    pub(crate) host: Host,
    command_log: CommandLog,
    locks: Option<LockDirs>,
    log: Log,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the state of the configured network, creating missing directories.
    pub fn open(config: Config, log: Log) -> Result<Self> {
        let executor = host_executor(&config);
        Self::with_executor(config, executor, log)
    }

    /// The same, running commands by `executor`.
    pub fn with_executor(config: Config, executor: Box<dyn Executor>, log: Log) -> Result<Self> {
        let locks = LockDirs::create(&config)?;
        let store = Store::create(&config, log.clone())?;
        Ok(Self::with_state(config, executor, log, store, Some(locks)))
    }

    /// An engine to detach with, which opens whatever the condition of the state: a runtime asks only once.
    /// What cannot be read or written is left for later, and the container is removed from the kernel all the
    /// same. A user without the right to do that gets an error.
    pub fn open_to_detach(config: Config, log: Log) -> Result<Self> {
        let locks = or_without(LockDirs::create(&config), &log)?;
        let store = or_without(Store::create(&config, log.clone()), &log)?;
        let store = store.unwrap_or_else(|| Store::open_or_nothing(&config));
        let executor = host_executor(&config);
        Ok(Self::with_state(config, executor, log, store, locks))
    }

    fn with_state(
        config: Config,
        executor: Box<dyn Executor>,
        log: Log,
        store: Store,
        locks: Option<LockDirs>,
    ) -> Self {
        let command_log = CommandLog::default();
        let executor = Box::new(LoggingExecutor::new(executor, command_log.clone()));
        let host = Host::new(Tools::new(&config.tools), executor);
        Self { config, store, host, command_log, locks, log }
    }

    /// The range of another network of this host, such as one with an overlay, by which this one is cut off, if there is one.
    pub fn cut_off_by(&mut self) -> Result<Option<Ipv4Net>> {
        observe::host::range_of_another_network(&self.config, &mut self.host)
    }

    /// A read-only engine for looking and planning: it creates no directory and takes no lock. Missing or
    /// unreadable state is treated as absent.
    pub fn open_to_look(config: Config) -> Result<Self> {
        let executor = HostExecutor::new(Duration::from_secs(config.limits.command_seconds));
        Ok(Self::look_with_executor(config, Box::new(executor)))
    }

    /// The same, running commands by `executor`.
    #[must_use]
    pub fn look_with_executor(config: Config, executor: Box<dyn Executor>) -> Self {
        Self {
            host: Host::new(Tools::new(&config.tools), executor),
            store: Store::open_or_nothing(&config),
            locks: None,
            command_log: CommandLog::default(),
            log: Log::silent(),
            config,
        }
    }

    /// Counts one operation, and logs it on one line: its outcome, its duration and every command it ran.
    fn log_operation<T>(
        &self,
        operation: &str,
        id: Option<&AttachmentId>,
        started: Instant,
        result: Result<&T, &Error>,
        mut fields: Map<String, Value>,
    ) {
        let took = started.elapsed();
        self.count_operation(operation, result.is_ok(), took);
        fields.insert("network".to_owned(), json!(self.config.network));
        if let Some(id) = id {
            fields.insert("container".to_owned(), json!(id.container_id));
            fields.insert("interface".to_owned(), json!(id.if_name));
        }
        fields.insert("milliseconds".to_owned(), json!((took.as_secs_f64() * 1e6).round() / 1e3));
        fields.insert("steps".to_owned(), json!(self.command_log.take()));
        self.log.operation(operation, result.map(|_| ()), fields);
    }

    /// The name of an attachment in messages, with the container's name if its receipt has one.
    fn label(&self, id: &AttachmentId) -> String {
        let receipt = self.store.receipt(id).ok().flatten();
        receipt.map_or_else(|| id.to_string(), |(receipt, _)| receipt.label())
    }

    /// How long to wait for a lock.
    fn patience(&self) -> Duration {
        self.config.limits.patience()
    }
}

/// The opened state; empty, with a warning, if it is unusable and the caller can do without.
fn or_without<T>(opened: Result<T>, log: &Log) -> Result<Option<T>> {
    match opened {
        Err(error) if error.kind() != Kind::NotAllowed => {
            log.warn(&format!("detaching without unusable state: {}", error.to_line()));
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// Runs commands on this host; fails where a test asks for it.
fn host_executor(config: &Config) -> Box<dyn Executor> {
    let executor = HostExecutor::new(Duration::from_secs(config.limits.command_seconds));
    #[cfg(feature = "faults")]
    let executor = crate::kernel::execute::fault::FaultyExecutor::new(executor);
    Box::new(executor)
}

/// Whoever changes rules, sets or links of `up` changes this text too: then the first ADD after an upgrade sets this host up
/// again. 0.1.0 had none.
const GENERATION: &str = "routed links, a table for each address, routes for other hosts";

/// A hash of the network's configuration, independent of comments and layout. Without `limits`: at boot `--command-seconds` overrides one, which is no
/// reason to set this host up again.
fn config_hash(config: &Config) -> String {
    let config = Config {
        gateway: Gateway::default(),
        limits: Limits::default(),
        rootless: Rootless::default(),
        ..config.clone()
    };
    let text = GENERATION.to_owned() + &serde_json::to_string(&config).unwrap_or_default();
    hex::digits(&Sha256::digest(text.as_bytes())[..8])
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Whether `path` exists, without following it.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
