//! Which port of a container speaks HTTP, where no label says so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use super::podman::{Container, State};
use super::table::Table;
use super::why::{Reason, Why};
use crate::types::NetworkName;

/// What a port did when it was asked by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answered HTTP.
    Http,
    /// It answered something else.
    Other,
    /// It took the question, and said nothing.
    Silence,
    /// It did not take it.
    Nothing,
}

/// What ports did when they were asked.
pub type Answers = BTreeMap<SocketAddrV4, Answer>;

/// The ports that containers were routed to before, by ID and by name: one that restarts does not answer for a moment,
/// and is what it was.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    ports: BTreeMap<String, u16>,
}

impl Remembered {
    /// Those of `table`.
    #[must_use]
    pub fn of(table: Option<&Table>) -> Self {
        let mut ports = BTreeMap::new();
        for one in table.into_iter().flat_map(|table| &table.routes).flat_map(|route| &route.endpoints) {
            ports.insert(format!("name {}", one.container), one.port);
            ports.insert(one.id.clone(), one.port);
        }
        Self { ports }
    }

    /// The port of `container`, if it still exposes it.
    fn port(&self, container: &Container) -> Option<u16> {
        let by_name = || self.ports.get(&format!("name {}", container.name));
        let port = self.ports.get(container.id.short()).or_else(by_name)?;
        container.exposed.contains(port).then_some(*port)
    }
}

/// The ports of `container` that have to be asked before [`port`] can tell.
pub(super) fn to_ask(
    container: &Container,
    network: &NetworkName,
    remembered: &Remembered,
) -> Vec<SocketAddrV4> {
    let is_known = container.exposed.len() == 1 && remembered.port(container).is_some();
    match container.address(network) {
        Some(address) if container.state == State::Running && !is_known => {
            container.exposed.iter().map(|&port| SocketAddrV4::new(address, port)).collect()
        }
        _ => Vec::new(),
    }
}

/// The one exposed port of `container` that answers HTTP.
pub(super) fn port(
    container: &Container,
    network: &NetworkName,
    remembered: &Remembered,
    answers: &Answers,
) -> Result<u16, Why> {
    if container.exposed.is_empty() {
        return Err(Why::new(Reason::NoPort, &[]));
    }
    let address = container.address(network);
    let speaks_http = |port: &&u16| {
        address.is_some_and(|address| answers.get(&SocketAddrV4::new(address, **port)) == Some(&Answer::Http))
    };
    let http: BTreeSet<u16> = container.exposed.iter().filter(speaks_http).copied().collect();
    let mut some = http.iter();
    match (some.next(), some.next()) {
        (Some(&port), None) => return Ok(port),
        (Some(_), Some(_)) => return Err(Why::new(Reason::SeveralPorts, &[("ports", &in_words(&http))])),
        (None, _) => {}
    }
    let ports = in_words(&container.exposed);
    remembered.port(container).ok_or_else(|| match container.state {
        State::Running if container.exposed.len() == 1 => Why::new(Reason::PortSilent, &[("ports", &ports)]),
        State::Running => Why::new(Reason::PortsSilent, &[("ports", &ports)]),
        state => Why::new(Reason::NotRunning, &[("state", &state.word())]),
    })
}

fn in_words(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
