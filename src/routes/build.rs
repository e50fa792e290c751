//! Builds the routes table from containers. Pure: the same input gives the same table.

pub(super) mod holders;
mod hosts;
mod merge;
mod namespace;
mod owners;
pub(super) mod reserved;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::labels::{Labels, labels};
use super::podman::Container;
use super::port_choice::{self, Answers, KnownPorts};
use super::table::{Endpoint, Host, Route, Scheme, Table, Unrouted, VERSION};
use super::unrouted_reason::{Explanation, Reason};
use crate::error::Result;
use crate::model::config::{Config, Expose};
use crate::model::types::{Caller, HostName, HostPattern, UrlPath, User};

/// The input of [`build`].
#[derive(Debug)]
pub struct Sources<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// This host's name.
    pub host: &'a HostName,
    /// All containers of root's Podman.
    pub containers: &'a [Container],
    /// The containers of users' rootless Podmans, as Flatnet calls them.
    pub of_users: &'a [Container],
    /// The last address of each container, by ID.
    pub last_addresses: &'a BTreeMap<String, Ipv4Addr>,
    /// The previous table.
    pub before: Option<&'a Table>,
    /// The ports of previous tables.
    pub remembered: &'a KnownPorts,
}

impl<'a> Sources<'a> {
    /// Root's containers by age, then users': those that had a route keep their order, whatever their Podmans say.
    fn in_order(&self) -> Vec<&'a Container> {
        let mut containers: Vec<&Container> = self.containers.iter().collect();
        containers.sort_by_key(|one| (&one.created, &one.name));
        let before =
            || self.before.into_iter().flat_map(Table::own_routes).flat_map(|route| &route.endpoints);
        let places: BTreeMap<&str, usize> = before().map(|one| one.id.as_str()).zip(0..).collect();
        let place = |one: &Container| places.get(one.id.in_routes().as_str()).copied().unwrap_or(usize::MAX);
        let mut of_users: Vec<&Container> = self.of_users.iter().collect();
        of_users.sort_by_cached_key(|one| (place(one), one.created, one.name.clone()));
        containers.extend(of_users);
        containers
    }

    fn all(&self) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().chain(self.of_users)
    }
}

/// An unpublished table and its warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The table, of generation 0.
    pub table: Table,
    /// Routes that claim a host and path of another route.
    pub conflicts: Vec<String>,
}

/// A container with its route.
struct RoutedContainer<'a> {
    container: &'a Container,
    labels: Labels,
    address: Ipv4Addr,
    port: u16,
    hosts: Vec<HostPattern>,
}

/// How many ports of one user's containers are probed.
const MOST_PROBED: usize = 64;

/// The ports to be probed before [`build`], each with the current run of its container: after a restart the port may belong
/// to another program.
#[must_use]
pub fn to_probe(sources: &Sources<'_>) -> BTreeMap<SocketAddrV4, String> {
    let mut of_users: BTreeMap<Caller, usize> = BTreeMap::new();
    let asked = sources.all().filter_map(|container| {
        let wanted = wanted(sources, container)?.ok()?;
        let life = format!("{} {}", container.id, container.since);
        let mut ports = port_choice::to_probe(container, &sources.config.network, sources.remembered);
        let caller = Caller::of(&container.id);
        if !caller.is_root() {
            let probed = of_users.entry(caller).or_default();
            ports.truncate(MOST_PROBED.saturating_sub(*probed));
            *probed += ports.len();
        }
        wanted.port.is_none().then(|| ports.into_iter().map(move |port| (port, life.clone())))
    });
    asked.flatten().collect()
}

/// Builds the table of all containers.
#[must_use]
pub fn build(sources: &Sources<'_>, answers: &Answers) -> Draft {
    let (mut found, mut unrouted) = (Vec::new(), Vec::new());
    for container in sources.in_order() {
        let Some(wanted) = wanted(sources, container) else { continue };
        match wanted.and_then(|labels| route(sources, container, labels, answers)) {
            Ok(one) => found.push(one),
            Err(why) => unrouted.push((container, why)),
        }
    }
    let (sure, doubtful) = namespace::one_per_port(found);
    unrouted.extend(doubtful);
    let (sure, refused) = owners::within_own_names(sources, sure);
    unrouted.extend(refused);
    let (routes, conflicts) = merge::merged(sources, sure);
    let Config { network, subnet, .. } = sources.config;
    let number = sources.config.overlay.as_ref().map(|overlay| overlay.number);
    let host = Host { name: sources.host.clone(), network: network.clone(), subnet: *subnet, number };
    let unrouted = unrouted.into_iter().map(|(container, why)| shown(sources, container, why)).collect();
    let (generation, written, hosts) = (0, String::new(), Vec::new());
    let table = Table { version: VERSION, generation, written, host, hosts, routes, unrouted, end: 0 };
    Draft { table, conflicts }
}

/// The labels of a container that should have a route, or why it has none. `None` for containers that are not listed at all.
fn wanted(sources: &Sources<'_>, container: &Container) -> Option<Result<Labels, Explanation>> {
    let Config { network, gateway, .. } = sources.config;
    if container.is_infra {
        return None;
    }
    let labels = match labels(&container.name, &container.labels) {
        Ok(labels) => labels,
        Err(error) => return Some(Err(Explanation::new(Reason::BadLabel, &[("problem", &error.message())]))),
    };
    if !container.is_on(network) {
        let why = Explanation::new(Reason::NotOnNetwork, &[("network", network)]);
        return (labels.any && labels.enable != Some(false)).then_some(Err(why));
    }
    Some(match (labels.enable, gateway.expose) {
        (Some(false), _) => Err(Explanation::new(Reason::NotEnabled, &[])),
        (_, Expose::None) => Err(Explanation::new(Reason::ExposeNone, &[])),
        (_, Expose::Labelled) if !labels.any => Err(Explanation::new(Reason::ExposeLabelled, &[])),
        _ => Ok(labels),
    })
}

fn route<'a>(
    sources: &Sources<'_>,
    container: &'a Container,
    labels: Labels,
    answers: &Answers,
) -> Result<RoutedContainer<'a>, Explanation> {
    let Config { network, range, .. } = sources.config;
    let address = address(sources, container).ok_or_else(|| Explanation::new(Reason::NoAddress, &[]))?;
    if !range.contains(&address) {
        return Err(Explanation::new(Reason::OutOfRange, &[("address", &address), ("range", range)]));
    }
    let port = match labels.port {
        Some(port) => port,
        None => port_choice::port(container, network, sources.remembered, answers)?,
    };
    let hosts = hosts::hosts(sources, container, &labels)?;
    let root = UrlPath::root();
    if let Some(url) =
        reserved::claimed(sources.config, sources.host, &hosts, labels.path.as_ref().unwrap_or(&root))
    {
        return Err(Explanation::new(Reason::OwnName, &[("url", &url)]));
    }
    Ok(RoutedContainer { container, labels, address, port, hosts })
}

/// The container's address; its last known one if it is not running.
fn address(sources: &Sources<'_>, container: &Container) -> Option<Ipv4Addr> {
    let before = || {
        let mut endpoints = sources.before?.own_routes().flat_map(|route| &route.endpoints);
        endpoints.find(|one| one.id == container.id.in_routes()).map(|one| one.address)
    };
    let whose = container.shares.as_ref().unwrap_or(&container.id);
    let last = || sources.last_addresses.get(whose.as_str()).copied().or_else(before);
    container.address(&sources.config.network).or_else(last)
}

fn single(sources: &Sources<'_>, routed: RoutedContainer<'_>) -> (Route, Endpoint) {
    let RoutedContainer { container, labels, address, port, hosts } = routed;
    let Container { id, name, state, since, .. } = container;
    let endpoint = Endpoint {
        container: name.clone(),
        id: id.in_routes(),
        address,
        port,
        state: *state,
        since: since.clone(),
    };
    let route = Route {
        name: name.clone(),
        host: None,
        user: User::of(id).map(|user| user.name),
        hosts,
        path: labels.path.unwrap_or_else(UrlPath::root),
        strip: labels.strip,
        scheme: labels.scheme.unwrap_or(Scheme::Http),
        stream: labels.stream,
        hold: labels.hold.unwrap_or(sources.config.gateway.hold),
        health: labels.health,
        endpoints: Vec::new(),
    };
    (route, endpoint)
}

fn shown(sources: &Sources<'_>, container: &Container, why: Explanation) -> Unrouted {
    let Container { id, name, state, since, .. } = container;
    Unrouted {
        container: name.clone(),
        host: None,
        user: User::of(id).map(|user| user.name),
        id: id.in_routes(),
        address: address(sources, container),
        state: *state,
        since: since.clone(),
        why: why.text(),
        warning: why.is_warning(),
        reason: why.reason,
        facts: why.facts,
    }
}

#[cfg(test)]
mod tests;
