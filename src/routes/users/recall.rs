//! Recalls users' containers from the table of routes: a Podman that does not answer, or a user who is not logged in, loses no route.

use std::collections::{BTreeMap, BTreeSet};

use super::Records;
use crate::model::config::Config;
use crate::model::types::{ContainerId, HostPattern, User, UserName};
use crate::routes::podman::Container;
use crate::routes::table::{Endpoint, Health, Route, Scheme, Table};

/// The containers of `user` that have routes in `table` and an address, with labels that give the same routes.
pub(super) fn containers(
    table: &Table,
    user: &UserName,
    config: &Config,
    records: &Records,
) -> Vec<Container> {
    let by_id: BTreeMap<String, &ContainerId> = records.known.iter().map(|id| (id.in_routes(), id)).collect();
    let own = table.own_routes().filter(|route| route.user.as_ref() == Some(user));
    let ends = own.flat_map(|route| route.endpoints.iter().map(move |one| (route, one)));
    ends.filter_map(|(route, one)| {
        let id = by_id.get(&one.id).filter(|id| User::of(id).is_some_and(|owner| owner.name == *user))?;
        Some(container((*id).clone(), route, one, config))
    })
    .collect()
}

fn container(id: ContainerId, route: &Route, one: &Endpoint, config: &Config) -> Container {
    let Endpoint { container, id: _, address: _, port: _, state, since } = one;
    Container {
        id,
        name: container.clone(),
        state: *state,
        since: since.clone(),
        created: jiff::Timestamp::default(),
        has_run: true,
        labels: labels(route, one, config),
        exposed: BTreeSet::new(),
        networks: BTreeMap::from([(config.network.to_string(), None)]),
        shares: None,
        is_infra: false,
    }
}

fn labels(route: &Route, one: &Endpoint, config: &Config) -> BTreeMap<String, String> {
    // All fields: a new one needs its label here.
    let Route { name: _, host: _, user: _, hosts, path, strip, scheme, stream, hold, health, endpoints: _ } =
        route;
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Grpc => "grpc",
        Scheme::Grpcs => "grpcs",
    };
    let mut labels = BTreeMap::from([
        ("port", one.port.to_string()),
        ("path", path.to_string()),
        ("strip", strip.to_string()),
        ("scheme", scheme.to_owned()),
        ("stream", stream.to_string()),
        ("hold", hold.to_string()),
    ]);
    let hosts: Vec<&str> = hosts.iter().map(HostPattern::as_str).collect();
    // None if it has its hosts by its name, or only a path.
    let name = one.container.as_str().to_ascii_lowercase();
    if !hosts.is_empty() && !hosts.iter().eq(&in_each(&name, config)) {
        labels.insert("host", words(&hosts, config).join(","));
    }
    if let Some(Health { path, interval, healthy, unhealthy }) = health {
        labels.insert("health.path", path.to_string());
        labels.insert("health.interval", interval.to_string());
        labels.insert("health.healthy", healthy.to_string());
        labels.insert("health.unhealthy", unhealthy.to_string());
    }
    labels.into_iter().map(|(key, value)| (format!("flatnet.{key}"), value)).collect()
}

fn in_each(word: &str, config: &Config) -> Vec<String> {
    config.gateway.domains.iter().map(|domain| format!("{word}.{domain}")).collect()
}

/// The hosts with a word for those that have it in each of the gateway's domains.
fn words(hosts: &[&str], config: &Config) -> Vec<String> {
    let domains = &config.gateway.domains;
    let mut words = Vec::new();
    let mut rest = hosts;
    while let Some((first, others)) = rest.split_first() {
        let word = domains.first().and_then(|domain| first.strip_suffix(domain.as_str())?.strip_suffix('.'));
        let is_in_each = |word: &&str| rest.iter().take(domains.len()).eq(&in_each(word, config));
        if let Some(word) = word.filter(|word| !word.contains(['.', '*'])).filter(is_in_each) {
            words.push(word.to_owned());
            rest = rest.get(domains.len()..).unwrap_or_default();
        } else {
            words.push((*first).to_owned());
            rest = others;
        }
    }
    words
}
