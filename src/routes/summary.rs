//! Text about a routes table.

use std::collections::BTreeMap;

use super::table::{Endpoint, OtherHost, Route, Scheme, Table, Unrouted};
use crate::model::types::ContainerName;

/// `3 routes, 2 containers without one, 1 warning (`flatnet gateway routes` lists them)`.
#[must_use]
pub fn count(table: &Table) -> String {
    let Table { routes, unrouted, .. } = table;
    let warnings = unrouted.iter().filter(|one| one.warning).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut text = plural(routes.len(), "route");
    if !unrouted.is_empty() {
        text = format!("{text}, {} without one", plural(unrouted.len(), "container"));
    }
    if warnings > 0 {
        text = format!("{text}, {} (`flatnet gateway routes` lists them)", plural(warnings, "warning"));
    }
    text
}

/// The URLs of `route`; without hosts, its path at the gateway's own names.
#[must_use]
pub fn urls(route: &Route, listen: u16) -> Vec<String> {
    let port = if listen == 80 { String::new() } else { format!(":{listen}") };
    let Route { hosts, path, .. } = route;
    if hosts.is_empty() {
        return vec![format!("http://GATEWAY{port}{path}")];
    }
    hosts.iter().map(|host| format!("http://{host}{port}{path}")).collect()
}

/// The differences between two tables, one per line.
#[must_use]
pub fn changes(before: Option<&Table>, after: &Table) -> Vec<String> {
    let of_hosts = hosts(before, after);
    let old = before.map(facts).unwrap_or_default();
    let new = facts(after);
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("{name}: gone"));
    let differs = new.iter().filter(|(name, fact)| old.get(*name) != Some(*fact));
    of_hosts.into_iter().chain(gone).chain(differs.map(|(name, fact)| format!("{name}: {fact}"))).collect()
}

/// A line about each other host that answers again, or no longer.
fn hosts(before: Option<&Table>, after: &Table) -> Vec<String> {
    let answered = |number: u16| {
        let mut hosts = before?.hosts.iter();
        hosts.find(|host| host.number == number).map(|host| host.answers)
    };
    let line = |host: &OtherHost| {
        let OtherHost { number, name, answers, since, .. } = host;
        match (answered(*number), answers) {
            (Some(before), now) if before == *now => None,
            (_, true) => Some(format!("host {number} ({name}): answers")),
            (_, false) => Some(format!("host {number} ({name}): has not answered since {since}")),
        }
    };
    after.hosts.iter().filter_map(line).collect()
}

/// A line about each container, by name.
fn facts(table: &Table) -> BTreeMap<String, String> {
    let routed = table.routes.iter().flat_map(|route| {
        route.endpoints.iter().map(move |one| (label(&one.container, route.host), endpoint(route, one)))
    });
    let none = |one: &Unrouted| {
        let how = if one.warning { "no route, warning" } else { "no route" };
        (label(&one.container, one.host), format!("{how}: {}", one.why))
    };
    routed.chain(table.unrouted.iter().map(none)).collect()
}

/// `web`, and `web of host 2` for another host's container.
fn label(container: &ContainerName, host: Option<u16>) -> String {
    host.map_or_else(|| container.to_string(), |number| format!("{container} of host {number}"))
}

fn endpoint(route: &Route, one: &Endpoint) -> String {
    let Endpoint { address, port, state, .. } = one;
    let scheme = match route.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Grpc => "grpc",
        Scheme::Grpcs => "grpcs",
    };
    let url = urls(route, 80).first().cloned().unwrap_or_default();
    format!("{} at {scheme}://{address}:{port}, {url}", state.word())
}
