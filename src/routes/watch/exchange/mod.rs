//! The exchange of routes between hosts: each serves the table of its own containers and asks the others for theirs.

mod ask;
mod fetch;
mod serve;
mod stream;

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Instant;

use self::ask::Asker;
use self::serve::Server;
use super::wake::Wake;
use crate::error::{Error, Kind, Result};
use crate::model::config::{Config, Overlay, ROUTES_PORT};
use crate::routes::others::{Others, read_back};
use crate::routes::publish;
use crate::routes::table::Table;

/// The path of the table.
const PATH: &str = "/routes.json";

/// A running exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    config: Arc<Config>,
    wake: Wake,
    asker: Asker,
    /// The server, or why it cannot listen.
    server: std::result::Result<Server, String>,
    /// What is served.
    table: Vec<u8>,
}

impl Exchange {
    /// Begins, if the configuration has an overlay.
    pub(super) fn start(config: &Config, wake: &Wake, now: Instant) -> Option<Self> {
        let Overlay { number, .. } = *config.overlay.as_ref()?;
        let directory = &config.gateway.directory;
        let before = publish::published(directory).or_else(|| publish::last_good(directory));
        let others = before.map(|table| read_back(&table, config)).unwrap_or_default();
        let (config, wake) = (Arc::new(config.clone()), wake.clone());
        let asker = Asker::new(Arc::clone(&config), number, others, wake.clone(), now);
        let server = serve(&config, &wake);
        Some(Self { config, wake, asker, server, table: Vec::new() })
    }

    /// Whether `config` means the same exchange. If so, a server that could not listen tries again.
    pub(super) fn continues(&mut self, config: &Config) -> bool {
        let facts = |config: &Config| (config.overlay.clone(), config.range, config.subnet);
        let is_same = facts(config) == facts(&self.config);
        if is_same && self.server.is_err() {
            self.server = serve(&self.config, &self.wake);
            self.serve_table();
        }
        is_same
    }

    /// Serves the table of this host's containers from now on.
    pub(super) fn set_table(&mut self, own: &Table) -> Result<()> {
        let failed = |cause: serde_json::Error| {
            Error::new(Kind::Internal, "cannot encode the routes table as JSON").source(cause)
        };
        self.table = serde_json::to_vec(own).map_err(failed)?;
        self.serve_table();
        Ok(())
    }

    fn serve_table(&self) {
        if let Ok(server) = &self.server {
            if !self.table.is_empty() {
                server.set_table(self.table.clone());
            }
        }
    }

    /// Other hosts' routes.
    pub(super) fn others(&self) -> &Others {
        &self.asker.others
    }

    /// Forgets hosts that are away and not among `published`: `flatnet overlay forget` took them out.
    pub(super) fn forget_all_but(&mut self, published: &BTreeSet<u16>) {
        self.asker.forget_all_but(published);
    }

    /// Warnings.
    pub(super) fn problems(&self) -> Vec<String> {
        let unheard =
            self.server.as_ref().err().map(|why| format!("other hosts get no routes of this one: {why}"));
        unheard.into_iter().chain(self.asker.problems()).collect()
    }

    /// Asks the hosts that are due.
    pub(super) fn tick(&mut self, now: Instant) {
        self.asker.ask_due(now);
    }

    /// Takes what has happened. Returns whether it is to be published.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if let Ok(server) = &self.server {
            self.asker.meet(server.take_met(), now);
        }
        self.asker.take(now)
    }

    /// When the next host is due.
    pub(super) fn next(&self) -> Instant {
        self.asker.next()
    }
}

fn serve(config: &Arc<Config>, wake: &Wake) -> std::result::Result<Server, String> {
    let at = SocketAddrV4::new(config.bridge_address(), ROUTES_PORT);
    let server = Server::start(at, Arc::clone(config), wake.clone());
    server.map_err(|cause| format!("cannot listen at {at}: {cause}"))
}
