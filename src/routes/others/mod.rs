//! Other hosts' routes. Each host builds the table of its own containers and asks the others for theirs; what is published is
//! one table of all. Pure.

mod check;
mod merge;

use std::collections::BTreeMap;

pub use self::check::check;
pub use self::merge::merged;
use super::table::{Host, OtherHost, Route, Table, Unrouted, VERSION};
use crate::model::config::Config;
use crate::model::types::HostName;

/// Other hosts, by number.
pub type Others = BTreeMap<u16, Other>;

/// Another host, with the routes of the last table of it that was valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub name: HostName,
    /// Its routes, as it names them.
    pub routes: Vec<Route>,
    /// Its containers without a route.
    pub unrouted: Vec<Unrouted>,
    /// Whether it answers.
    pub answers: bool,
    /// As [`OtherHost::since`].
    pub since: String,
}

impl Other {
    /// A host that answers since `now` with `table`, which [`check`] has accepted.
    #[must_use]
    pub fn new(table: Table, now: String) -> Self {
        let Table { host, routes, unrouted, .. } = table;
        Self { name: host.name, routes, unrouted, answers: true, since: now }
    }
}

/// The other hosts of the table that was published last, so that routes to hosts that are away survive a restart.
#[must_use]
pub fn read_back(published: &Table, config: &Config) -> Others {
    let own = config.overlay.as_ref().map(|overlay| overlay.number);
    let mut routes: BTreeMap<u16, Vec<Route>> = BTreeMap::new();
    let mut unrouted: BTreeMap<u16, Vec<Unrouted>> = BTreeMap::new();
    for route in &published.routes {
        let (Some(number), Some(first)) = (route.host, route.endpoints.first()) else { continue };
        let name = first.container.clone();
        routes.entry(number).or_default().push(Route { name, host: None, ..route.clone() });
    }
    for one in &published.unrouted {
        let Some(number) = one.host else { continue };
        unrouted.entry(number).or_default().push(Unrouted { host: None, ..one.clone() });
    }
    let host = |one: &OtherHost| {
        let OtherHost { number, name, subnet, answers, since } = one.clone();
        let network = published.host.network.clone();
        let table = Table {
            version: VERSION,
            generation: 0,
            written: String::new(),
            host: Host { name, network, subnet, number: Some(number) },
            hosts: Vec::new(),
            routes: routes.remove(&number).unwrap_or_default(),
            unrouted: unrouted.remove(&number).unwrap_or_default(),
            end: 0,
        };
        // The configuration may have changed since.
        let is_other = own.is_some_and(|own| own != number);
        let table = check(table, number, config).ok().filter(|_| is_other)?;
        Some((number, Other { answers, ..Other::new(table, since) }))
    };
    published.hosts.iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests;
