//! Checks the table that another host sends. Nothing in it is believed: an invalid value would make the gateway reject the
//! whole merged table, and an address that is not that host's would make the gateway a way to anywhere.

use ipnet::Ipv4Net;

use crate::model::config::Config;
use crate::routes::table::{Endpoint, Health, Route, Table, Unrouted};

/// The longest text.
const LONGEST_TEXT: usize = 1000;

/// The table, if it is one that host `number` may send.
pub fn check(table: Table, number: u16, config: &Config) -> Result<Table, String> {
    let subnet = config.subnet_of(number);
    if table.host.number != Some(number) || table.host.subnet != subnet {
        let Table { host, .. } = &table;
        let of = host.number.map_or("no number".to_owned(), |other| format!("number {other}"));
        return Err(format!("it is the table of a host with {of} and subnet {}", host.subnet));
    }
    if !table.hosts.is_empty() {
        return Err("it has routes of other hosts".to_owned());
    }
    table.validate(&subnet)?;
    table.routes.iter().try_for_each(route)?;
    table.unrouted.iter().try_for_each(|one| unrouted(one, subnet))?;
    Ok(table)
}

fn route(route: &Route) -> Result<(), String> {
    // All fields: a new one must be checked here, if its type and `validate` do not.
    let Route {
        name,
        host,
        user: _,
        hosts: _,
        path: _,
        strip: _,
        scheme: _,
        stream: _,
        hold: _,
        health,
        endpoints,
    } = route;
    if host.is_some() || endpoints.first().map(|first| &first.container) != Some(name) {
        return Err(format!("route {name} is not named after its first container"));
    }
    for Endpoint { container, id, address: _, port: _, state: _, since } in endpoints {
        state(id, since).map_err(|what| format!("container {container}: {what}"))?;
    }
    let is_valid = |health: &Health| {
        let Health { path: _, interval, healthy, unhealthy } = health;
        (1..=3600).contains(interval) && (1..=100).contains(healthy) && (1..=100).contains(unhealthy)
    };
    if health.as_ref().is_some_and(|health| !is_valid(health)) {
        return Err(format!("route {name} has an invalid health check"));
    }
    Ok(())
}

fn unrouted(one: &Unrouted, subnet: Ipv4Net) -> Result<(), String> {
    let Unrouted {
        container,
        host,
        user: _,
        id,
        address,
        state: _,
        since,
        why,
        warning: _,
        reason: _,
        facts,
    } = one;
    let said = |what: &str| format!("container {container}: {what}");
    if host.is_some() || address.is_some_and(|address| !subnet.contains(&address)) {
        return Err(said(&format!("it is outside {subnet}")));
    }
    let texts = facts.iter().flat_map(|(name, fact)| [name, fact]);
    if why.is_empty() || !texts.chain([why]).all(|text| is_plain(text)) {
        return Err(said("the reason is not plain text"));
    }
    state(id, since).map_err(|what| said(&what))
}

fn state(id: &str, since: &str) -> Result<(), String> {
    if !(1..=64).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("invalid ID".to_owned());
    }
    if since.len() > 40 || since.parse::<jiff::Timestamp>().is_err() {
        return Err("invalid time".to_owned());
    }
    Ok(())
}

/// Whether a terminal may show it.
fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
