//! Which port of a container speaks HTTP, where no label says so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use super::podman::{Container, State};
use super::table::{Endpoint, Table};
use super::why::{Reason, Why};
use crate::model::types::{ContainerName, NetworkName};

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

/// How many names are remembered of which there is no container.
const GONE: usize = 1000;

/// The ports that containers were routed to before: one that restarts does not answer for a moment, and is what it was. One that
/// is made anew under its name is so too, as a rule; until it answers, that is no more than a guess.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    by_id: BTreeMap<String, u16>,
    /// With the ID of the container that had it.
    by_name: BTreeMap<ContainerName, (String, u16)>,
}

impl Remembered {
    /// Learns the ports of `table`, and forgets the IDs that are not in it. A container may be gone for longer than one table,
    /// so that its name is kept.
    pub fn learn(&mut self, table: &Table, answers: &Answers) {
        let known = std::mem::take(&mut self.by_id);
        let endpoints = || table.routes.iter().flat_map(|route| &route.endpoints);
        if self.by_name.len() > endpoints().count() + GONE {
            self.by_name.clear();
        }
        for Endpoint { container, id, address, port, .. } in endpoints() {
            let has_answered = answers.get(&SocketAddrV4::new(*address, *port)) == Some(&Answer::Http);
            let is_guess =
                self.by_name.get(container).is_some_and(|(other, same)| other != id && same == port);
            if has_answered || known.get(id) == Some(port) || !is_guess {
                self.by_id.insert(id.clone(), *port);
                self.by_name.insert(container.clone(), (id.clone(), *port));
            }
        }
    }

    /// The port of this very container, if it still exposes it.
    fn own(&self, container: &Container) -> Option<u16> {
        self.by_id.get(container.id.short()).copied().filter(|port| container.exposed.contains(port))
    }

    /// The port that the last container of its name had, if it exposes that too.
    fn predecessor(&self, container: &Container) -> Option<u16> {
        let (_, port) = self.by_name.get(&container.name)?;
        container.exposed.contains(port).then_some(*port)
    }
}

/// The ports of `container` that have to be asked before [`port`] can tell.
pub(super) fn to_ask(
    container: &Container,
    network: &NetworkName,
    remembered: &Remembered,
) -> Vec<SocketAddrV4> {
    let is_known = container.exposed.len() == 1 && remembered.own(container).is_some();
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
    let answer = |port: u16| answers.get(&SocketAddrV4::new(address?, port)).copied();
    let speaks_http = |port: &u16| answer(*port) == Some(Answer::Http);
    let http: BTreeSet<u16> = container.exposed.iter().copied().filter(speaks_http).collect();
    let mut some = http.iter();
    match (some.next(), some.next()) {
        (Some(&port), None) => return Ok(port),
        (Some(_), Some(_)) => return Err(Why::new(Reason::SeveralPorts, &[("ports", &in_words(&http))])),
        (None, _) => {}
    }
    let ports = in_words(&container.exposed);
    // What answers something else is another program than the one before it.
    let predecessor =
        || remembered.predecessor(container).filter(|port| answer(*port) != Some(Answer::Other));
    remembered.own(container).or_else(predecessor).ok_or_else(|| match container.state {
        State::Running if container.exposed.len() == 1 => Why::new(Reason::PortSilent, &[("ports", &ports)]),
        State::Running => Why::new(Reason::PortsSilent, &[("ports", &ports)]),
        state => Why::new(Reason::NotRunning, &[("state", &state.word())]),
    })
}

fn in_words(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
