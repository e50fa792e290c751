//! The engine: reads state, asks the pure parts what is to be done, does it, records it.
//!
//! Guards order everything: see `guard.rs`.
//!
//! | asked by | function |
//! | --- | --- |
//! | ADD, netavark's `setup` | [`Engine::attach`] |
//! | DEL, netavark's `teardown` | [`Engine::detach`] |
//! | CHECK, STATUS, GC | [`Engine::check`], [`Engine::status`], [`Engine::collect_all_but`] |
//! | `flatnet up`, `down`, `plan` | [`Engine::up`], [`Engine::down`], [`Engine::plan_up`] |
//! | `flatnet repair`, `gc` | [`Engine::repair`], [`Engine::collect_dead`] |
//! | `flatnet ps`, `status`, `rules` | [`Engine::attachments`], [`Engine::loaded`] |
//!
//! `docs/architecture/add-and-del.md` and `state-and-locks.md` show the order in which things happen.

mod attach;
mod check;
mod definitions;
mod detach;
mod firewall_advice;
mod gc;
mod guard;
mod host;
mod leftover;
mod look;
mod owner;
mod recover;
mod repair;
mod store;
mod undo;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use gc::Collected;
use guard::LockDirs;
pub use guard::NetworkGuard;
pub use host::{Change, HostRecord};
pub use leftover::{Concern, Leftover};
pub use look::{Attachment, Loaded, State};
pub use repair::{Part, Repair};
pub use store::Store;

use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{Executor, HostExecutor, Record, Recorded};
use crate::kernel::host::Host;
use crate::kernel::tools::Tools;
use crate::log::Log;
use crate::model::config::{Config, Gateway, Limits};
use crate::model::types::AttachmentId;

/// One network of this host.
pub struct Engine {
    /// Its configuration.
    pub config: Config,
    /// Leases and receipts.
    pub store: Store,
    /// What programs are called, and what runs them.
    pub(crate) host: Host,
    record: Record,
    locks: Option<LockDirs>,
    log: Log,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the state of the configured network, making its directories where they are missing.
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

    /// An engine to detach by, which opens whatever became of the state: a runtime asks only once. What cannot be
    /// read or written is left for later, and the kernel is cleaned of the container all the same. Who may not do
    /// that either is told so.
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
        let record = Record::default();
        let executor = Box::new(Recorded::new(executor, record.clone()));
        let host = Host::new(Tools::new(&config.tools), executor);
        Self { config, store, host, record, locks, log }
    }

    /// An engine to look and plan with: it makes no directory and takes no lock, and must not be asked to change
    /// anything. State that is not there, or may not be read, is taken as absent.
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
            record: Record::default(),
            log: Log::silent(),
            config,
        }
    }

    /// One line of log for one operation: how it ended, how long it took, and every command it ran.
    fn log_operation<T>(
        &self,
        operation: &str,
        id: Option<&AttachmentId>,
        started: Instant,
        result: Result<&T, &Error>,
        mut fields: Map<String, Value>,
    ) {
        fields.insert("network".to_owned(), json!(self.config.network));
        if let Some(id) = id {
            fields.insert("container".to_owned(), json!(id.container_id));
            fields.insert("interface".to_owned(), json!(id.if_name));
        }
        fields
            .insert("milliseconds".to_owned(), json!((started.elapsed().as_secs_f64() * 1e6).round() / 1e3));
        fields.insert("steps".to_owned(), json!(self.record.take()));
        self.log.operation(operation, result.map(|_| ()), fields);
    }

    /// How messages call an attachment: by the container's name too, where its receipt tells it.
    fn called(&self, id: &AttachmentId) -> String {
        let receipt = self.store.receipt(id).ok().flatten();
        receipt.map_or_else(|| id.to_string(), |(receipt, _)| receipt.called())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.limits.lock_seconds)
    }
}

/// What was opened; nothing, with a warning, where it cannot be used and yet the caller may do without.
fn or_without<T>(opened: Result<T>, log: &Log) -> Result<Option<T>> {
    match opened {
        Err(error) if error.kind() != Kind::NotAllowed => {
            log.warn(&format!("detaching without unusable state: {}", error.whole()));
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

/// Changes with each version after which this host must be set up again: 0.1.0 had none.
const GENERATION: &str = "routed links, a table for each address";

/// A hash over what the configuration says of the network, whatever its comments and layout. How long a command may take
/// is another at boot.
fn config_hash(config: &Config) -> String {
    let config = Config { gateway: Gateway::default(), limits: Limits::default(), ..config.clone() };
    // What a version made whose rules, links or sets were others is made again.
    let text = GENERATION.to_owned() + &serde_json::to_string(&config).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Whether `path` exists, without following it.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
