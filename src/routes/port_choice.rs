//! Chooses the HTTP port of a container that has no label for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use super::podman::{Container, ContainerState};
use super::table::{Endpoint, Table};
use super::unrouted_reason::{Explanation, Reason};
use crate::model::types::{ContainerName, NetworkName};

/// The result of probing a port by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answered HTTP.
    Http,
    /// It answered something else.
    Other,
    /// It accepted the request, but did not answer.
    Silence,
    /// It did not accept the connection.
    Nothing,
}

/// The results of probes, by address and port.
pub type Answers = BTreeMap<SocketAddrV4, Answer>;

/// How many names of removed containers are remembered.
const GONE: usize = 1000;

/// The ports to which containers were routed before. A restarting container does not answer for a moment, but keeps its
/// port. A new container with the same name probably has the same port; until it answers, this is a guess.
#[derive(Clone, Debug, Default)]
pub struct KnownPorts {
    by_id: BTreeMap<String, u16>,
    /// With the ID of the container that had the name.
    by_name: BTreeMap<ContainerName, (String, u16)>,
}

impl KnownPorts {
    /// Learns the ports of this host's containers in `table`, and forgets the IDs that are not in it. Names are kept, because a container may be missing
    /// from several tables before it is created again.
    pub fn learn(&mut self, table: &Table, answers: &Answers) {
        let known = std::mem::take(&mut self.by_id);
        let endpoints = || table.own_routes().flat_map(|route| &route.endpoints);
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

    /// The port of this container, if it still exposes it.
    fn own(&self, container: &Container) -> Option<u16> {
        self.by_id.get(&container.id.in_routes()).copied().filter(|port| container.exposed.contains(port))
    }

    /// The port of the last container of the same name, if it is exposed.
    fn predecessor(&self, container: &Container) -> Option<u16> {
        let (_, port) = self.by_name.get(&container.name)?;
        container.exposed.contains(port).then_some(*port)
    }
}

/// The ports of `container` to be probed before [`port`] can choose.
pub(super) fn to_probe(
    container: &Container,
    network: &NetworkName,
    remembered: &KnownPorts,
) -> Vec<SocketAddrV4> {
    let is_known = container.exposed.len() == 1 && remembered.own(container).is_some();
    match container.address(network) {
        Some(address) if container.state == ContainerState::Running && !is_known => {
            container.exposed.iter().map(|&port| SocketAddrV4::new(address, port)).collect()
        }
        _ => Vec::new(),
    }
}

/// The one exposed port of `container` that answers HTTP.
pub(super) fn port(
    container: &Container,
    network: &NetworkName,
    remembered: &KnownPorts,
    answers: &Answers,
) -> Result<u16, Explanation> {
    if container.exposed.is_empty() {
        return Err(Explanation::new(Reason::NoPort, &[]));
    }
    let address = container.address(network);
    let answer = |port: u16| answers.get(&SocketAddrV4::new(address?, port)).copied();
    let speaks_http = |port: &u16| answer(*port) == Some(Answer::Http);
    let http: BTreeSet<u16> = container.exposed.iter().copied().filter(speaks_http).collect();
    let mut some = http.iter();
    match (some.next(), some.next()) {
        (Some(&port), None) => return Ok(port),
        (Some(_), Some(_)) => {
            return Err(Explanation::new(Reason::SeveralPorts, &[("ports", &in_words(&http))]));
        }
        (None, _) => {}
    }
    let ports = in_words(&container.exposed);
    // A port that answers something else belongs to another program than before.
    let predecessor =
        || remembered.predecessor(container).filter(|port| answer(*port) != Some(Answer::Other));
    remembered.own(container).or_else(predecessor).ok_or_else(|| match container.state {
        ContainerState::Running if container.exposed.len() == 1 => {
            Explanation::new(Reason::PortSilent, &[("ports", &ports)])
        }
        ContainerState::Running => Explanation::new(Reason::PortsSilent, &[("ports", &ports)]),
        state => Explanation::new(Reason::NotRunning, &[("state", &state.word())]),
    })
}

fn in_words(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
