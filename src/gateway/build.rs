//! Containers -> the table of routes. Pure: the same containers, answers and table before give the same table.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::choose::{self, Answers, Remembered, Why};
use super::labels::{Labels, labels};
use super::podman::{Container, State};
use super::table::{Endpoint, Host, LONGEST_NAME, Route, Scheme, Table, Unrouted, VERSION};
use crate::config::{Config, Expose};
use crate::error::Result;
use crate::types::{HostName, HostPattern, UrlPath};

/// What a table is built from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// This host's name.
    pub host: &'a HostName,
    /// All containers of this host.
    pub containers: &'a [Container],
    /// The addresses that containers had last, by ID.
    pub last_addresses: &'a BTreeMap<String, Ipv4Addr>,
    /// The table before this one.
    pub before: Option<&'a Table>,
}

/// A table that has not been published, and what somebody should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The table, of generation 0.
    pub table: Table,
    /// Routes that ask for what another one has.
    pub conflicts: Vec<String>,
}

/// A container that gets a route.
struct Routed<'a> {
    container: &'a Container,
    labels: Labels,
    address: Ipv4Addr,
    port: u16,
    hosts: Vec<HostPattern>,
}

/// The ports to be asked before [`build`], each with the life of its container: after a start it may be another program.
#[must_use]
pub fn to_ask(sources: &Sources<'_>) -> BTreeMap<SocketAddrV4, String> {
    let remembered = Remembered::of(sources.before);
    let asked = sources.containers.iter().filter_map(|container| {
        let wanted = wanted(sources, container)?.ok()?;
        let life = format!("{} {}", container.id, container.since);
        let ports = choose::to_ask(container, &sources.config.network, &remembered);
        wanted.port.is_none().then(|| ports.into_iter().map(move |port| (port, life.clone())))
    });
    asked.flatten().collect()
}

/// The table of all containers.
#[must_use]
pub fn build(sources: &Sources<'_>, answers: &Answers) -> Built {
    let remembered = Remembered::of(sources.before);
    let mut containers: Vec<&Container> = sources.containers.iter().collect();
    containers.sort_by_key(|one| (&one.created, &one.name));
    let (mut found, mut unrouted) = (Vec::new(), Vec::new());
    for container in containers {
        let Some(wanted) = wanted(sources, container) else { continue };
        match wanted.and_then(|labels| route(sources, container, labels, &remembered, answers)) {
            Ok(one) => found.push(one),
            Err(why) => unrouted.push((container, why)),
        }
    }
    let (sure, doubtful) = one_to_a_port(found);
    unrouted.extend(doubtful);
    let (routes, conflicts) = merged(sources, sure);
    let Config { network, subnet, .. } = sources.config;
    let host = Host { name: sources.host.clone(), network: network.clone(), subnet: *subnet };
    let unrouted = unrouted.into_iter().map(|(container, why)| shown(sources, container, &why)).collect();
    let table =
        Table { version: VERSION, generation: 0, written: String::new(), host, routes, unrouted, end: 0 };
    Built { table, conflicts }
}

/// The labels of a container that should have a route, or why it should not. `None`: nobody would expect one.
fn wanted(sources: &Sources<'_>, container: &Container) -> Option<Result<Labels, Why>> {
    let Config { network, gateway, .. } = sources.config;
    if container.is_infra {
        return None;
    }
    let labels = match labels(&container.name, &container.labels) {
        Ok(labels) => labels,
        Err(error) => return Some(Err(Why::warning(error.message()))),
    };
    if !container.is_on(network) {
        let text = format!("it has labels of Flatnet's, and is not on the network {network}");
        return (labels.any && labels.enable != Some(false)).then_some(Err(Why::warning(text)));
    }
    Some(match (labels.enable, gateway.expose) {
        (Some(false), _) => Err(Why::fine("its label flatnet.enable says so")),
        (_, Expose::None) => Err(Why::fine("gateway.expose is none")),
        (_, Expose::Labelled) if !labels.any => {
            Err(Why::fine("gateway.expose is labelled, and it has no label of Flatnet's"))
        }
        _ => Ok(labels),
    })
}

fn route<'a>(
    sources: &Sources<'_>,
    container: &'a Container,
    labels: Labels,
    remembered: &Remembered,
    answers: &Answers,
) -> Result<Routed<'a>, Why> {
    let network = &sources.config.network;
    let address = address(sources, container).ok_or_else(|| Why::fine("it has had no address yet"))?;
    if !sources.config.range.contains(&address) {
        return Err(Why::warning(format!("its address {address} is outside of {}", sources.config.range)));
    }
    let port = match labels.port {
        Some(port) => port,
        None => choose::port(container, network, remembered, answers)?,
    };
    let hosts = hosts(sources, container, &labels)?;
    Ok(Routed { container, labels, address, port, hosts })
}

/// Its address; of one that does not run the last that is known.
fn address(sources: &Sources<'_>, container: &Container) -> Option<Ipv4Addr> {
    let before = || {
        let mut endpoints = sources.before?.routes.iter().flat_map(|route| &route.endpoints);
        endpoints.find(|one| one.id == container.id.short()).map(|one| one.address)
    };
    let whose = container.shares.as_ref().unwrap_or(&container.id);
    let last = || sources.last_addresses.get(whose.as_str()).copied().or_else(before);
    container.address(&sources.config.network).or_else(last)
}

/// The hosts it answers to: those of its label, in each domain where they are a bare word; else its own name. One with a
/// path and no host answers at the gateway's own.
fn hosts(sources: &Sources<'_>, container: &Container, labels: &Labels) -> Result<Vec<HostPattern>, Why> {
    let name = container.name.as_str();
    if name.len() > LONGEST_NAME {
        return Err(Why::warning(format!("its name has more than {LONGEST_NAME} characters")));
    }
    if labels.hosts.is_empty() && labels.path.as_ref().is_some_and(|path| !path.is_root()) {
        return Ok(Vec::new());
    }
    let domains = &sources.config.gateway.domains;
    let in_each = |word: &HostName| domains.iter().map(|domain| Ok(word.within(domain)?.into())).collect();
    let whole = |host: &HostPattern| match HostName::parse(host.as_str()) {
        Ok(word) if word.is_bare() => in_each(&word),
        _ => Ok(vec![host.clone()]),
    };
    let hosts: Result<Vec<Vec<HostPattern>>> = if labels.hosts.is_empty() {
        HostName::parse(name).and_then(|word| in_each(&word)).map(|hosts| vec![hosts])
    } else {
        labels.hosts.iter().map(whole).collect()
    };
    match hosts {
        Ok(hosts) => Ok(hosts.into_iter().flatten().collect()),
        Err(error) => {
            Err(Why::warning(format!("{}: give it one by the label flatnet.host", error.message())))
        }
    }
}

/// Containers in one namespace share its ports. Without a label, a port belongs to the namespace's owner; and where that
/// is a pod's own container, it may be any of the others', so that nobody gets it.
fn one_to_a_port(routed: Vec<Routed<'_>>) -> (Vec<Routed<'_>>, Vec<(&Container, Why)>) {
    let mut claims: BTreeMap<(Ipv4Addr, u16), Vec<(String, bool)>> = BTreeMap::new();
    for one in routed.iter().filter(|one| one.container.state != State::Stopped) {
        let is_sure = one.labels.port.is_some() || one.container.shares.is_none();
        claims.entry((one.address, one.port)).or_default().push((one.container.name.to_string(), is_sure));
    }
    let (mut kept, mut doubtful) = (Vec::new(), Vec::new());
    for one in routed {
        let name = one.container.name.as_str();
        let others =
            claims.get(&(one.address, one.port)).into_iter().flatten().filter(|(other, _)| other != name);
        let rivals: Vec<&(String, bool)> = others.collect();
        let is_sure = one.labels.port.is_some() || one.container.shares.is_none();
        let why = match (is_sure, rivals.iter().find(|(_, is_sure)| *is_sure), rivals.first()) {
            (true, ..) | (_, _, None) => None,
            (false, Some((owner, _)), _) => {
                Some(Why::fine(format!("port {} is that of {owner}, whose address it shares", one.port)))
            }
            (false, None, Some((other, _))) => Some(Why::warning(format!(
                "port {} may be its own or that of {other}, whose address it shares: give one the label flatnet.port",
                one.port
            ))),
        };
        match why {
            None => kept.push(one),
            Some(why) => doubtful.push((one.container, why)),
        }
    }
    (kept, doubtful)
}

/// One route to each set of hosts and path, with all of its containers; and what two routes both ask for. Only labels
/// join containers: two whose names make the same host did not ask for that.
fn merged(sources: &Sources<'_>, all: Vec<Routed<'_>>) -> (Vec<Route>, Vec<String>) {
    let mut routes: Vec<(Route, bool)> = Vec::new();
    let mut conflicts = Vec::new();
    for one in all {
        let by_label = !one.labels.hosts.is_empty() || one.hosts.is_empty();
        let (route, endpoint) = single(sources, one);
        let same = routes.iter_mut().find(|(other, other_by_label)| {
            by_label && *other_by_label && (&other.hosts, &other.path) == (&route.hosts, &route.path)
        });
        if let Some((other, _)) = same {
            if settings(other) != settings(&route) {
                conflicts.push(format!(
                    "{} joins the route of {}, whose labels hold for both",
                    route.name, other.name
                ));
            }
            other.endpoints.push(endpoint);
            continue;
        }
        if let Some((other, what)) =
            routes.iter().find_map(|(other, _)| Some((other, shared(other, &route)?)))
        {
            conflicts.push(format!("{} asks for {what}, which {} has", route.name, other.name));
        }
        routes.push((Route { endpoints: vec![endpoint], ..route }, by_label));
    }
    (routes.into_iter().map(|(route, _)| route).collect(), conflicts)
}

/// What both routes ask for.
fn shared(one: &Route, other: &Route) -> Option<String> {
    if one.path != other.path {
        return None;
    }
    if one.hosts.is_empty() && other.hosts.is_empty() {
        return Some(one.path.to_string());
    }
    let host = one.hosts.iter().find(|host| other.hosts.contains(host))?;
    Some(if one.path.is_root() { host.to_string() } else { format!("{host}{}", one.path) })
}

fn settings(route: &Route) -> impl PartialEq + use<> {
    let Route { strip, scheme, stream, hold, health, .. } = route.clone();
    (strip, scheme, stream, hold, health)
}

fn single(sources: &Sources<'_>, routed: Routed<'_>) -> (Route, Endpoint) {
    let Routed { container, labels, address, port, hosts } = routed;
    let Container { id, name, state, since, .. } = container;
    let endpoint = Endpoint {
        container: name.clone(),
        id: id.short().to_owned(),
        address,
        port,
        state: *state,
        since: since.clone(),
    };
    let route = Route {
        name: name.clone(),
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

fn shown(sources: &Sources<'_>, container: &Container, why: &Why) -> Unrouted {
    let Container { id, name, state, since, .. } = container;
    Unrouted {
        container: name.clone(),
        id: id.short().to_owned(),
        address: address(sources, container),
        state: *state,
        since: since.clone(),
        why: plain(&why.text),
        warning: why.warning,
    }
}

/// `text` with nothing in it that means anything in HTML, JSON or a terminal: it may quote a label.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '"' => '\'',
        '<' | '>' | '&' | '`' | '\\' => '?',
        c if c.is_ascii_graphic() || c == ' ' => c,
        _ => '?',
    };
    text.chars().take(300).map(plain).collect()
}

#[cfg(test)]
mod tests;
