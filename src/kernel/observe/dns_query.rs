//! Checks whether name servers answer, by one query to each, in parallel.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::resolv_conf::NameServer;
use crate::model::types::IfName;

/// The time limit for a server. A resolver waits five seconds before it tries the next one.
const PATIENCE: Duration = Duration::from_secs(1);
/// When the query is repeated, since UDP packets may be lost.
const AGAIN: Duration = Duration::from_millis(400);
pub(super) const PORT: u16 = 53;
/// How much of an answer is read.
pub(super) const HEADER: usize = 12;
/// A query for `localhost.`, A, IN, after the ID: a server can answer it by itself (RFC 6761).
const QUESTION: &[u8] = b"\x01\x00\0\x01\0\0\0\0\0\0\x09localhost\0\0\x01\0\x01";

/// The result of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Some answer.
    Came,
    /// No answer, with the reason, if known.
    Missing(&'static str),
}

/// A query in progress.
#[derive(Debug)]
pub(super) struct Query {
    server: NameServer,
    /// Its socket stays in the namespace in which it was opened.
    socket: UdpSocket,
    /// The index of the server's link there.
    scope: u32,
    answer: Option<Answer>,
}

impl Query {
    /// Opens a socket in the namespace of the calling thread, without sending anything.
    pub(super) fn open(server: NameServer) -> io::Result<Self> {
        let any: IpAddr = match server.address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        let index = |zone: &IfName| rustix::net::netdevice::name_to_index(&socket, zone.as_str()).ok();
        // No link has index 0: a server on a link that does not exist cannot be queried.
        let scope = server.zone.as_ref().and_then(index).unwrap_or_default();
        Ok(Self { server, socket, scope, answer: None })
    }

    fn send(&mut self) {
        let to = match self.server.address {
            IpAddr::V4(address) => SocketAddr::from((address, PORT)),
            IpAddr::V6(address) => SocketAddrV6::new(address, PORT, 0, self.scope).into(),
        };
        let sent =
            self.socket.connect(to).and_then(|()| self.socket.send(&[&self.id()[..], QUESTION].concat()));
        if let Err(cause) = sent {
            self.answer = Some(Answer::Missing(why(&cause)));
        }
    }

    /// The kernel chooses a random port, and a connected socket receives only from the server.
    fn id(&self) -> [u8; 2] {
        self.socket.local_addr().map_or(0, |own| own.port()).to_be_bytes()
    }

    fn receive(&mut self) {
        let mut header = [0; HEADER];
        self.answer = match self.socket.recv(&mut header) {
            Ok(length) => is_answer(&header[..length], self.id()).then_some(Answer::Came),
            Err(cause) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&cause.kind()) => None,
            Err(cause) => Some(Answer::Missing(why(&cause))),
        };
    }
}

/// Whether this is the header of an answer to the query `id`.
pub(super) fn is_answer(header: &[u8], id: [u8; 2]) -> bool {
    header.len() == HEADER && header[..2] == id && header[2] & 0x80 != 0
}

fn why(cause: &io::Error) -> &'static str {
    match cause.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable => {
            "no way leads there"
        }
        ErrorKind::PermissionDenied => "a rule forbids it",
        _ => "it cannot be asked",
    }
}

/// Queries all of them and waits until each has answered, or for [`PATIENCE`].
pub(super) fn ask(mut queries: Vec<Query>) -> Vec<(NameServer, Answer)> {
    let began = Instant::now();
    for limit in [AGAIN, PATIENCE] {
        open(&mut queries).for_each(Query::send);
        while open(&mut queries).next().is_some() && began.elapsed() < limit {
            wait(&queries, limit.saturating_sub(began.elapsed()));
            open(&mut queries).for_each(Query::receive);
        }
    }
    let silent = Answer::Missing("it is silent");
    queries.into_iter().map(|query| (query.server, query.answer.unwrap_or(silent))).collect()
}

/// Those without an answer so far.
fn open(queries: &mut [Query]) -> impl Iterator<Item = &mut Query> {
    queries.iter_mut().filter(|query| query.answer.is_none())
}

fn wait(queries: &[Query], limit: Duration) {
    let waiting = queries.iter().filter(|query| query.answer.is_none());
    let mut sockets: Vec<PollFd<'_>> =
        waiting.map(|query| PollFd::new(&query.socket, PollFlags::IN)).collect();
    // Errors do not matter here: reading shows who answered.
    let _ = poll(&mut sockets, Timespec::try_from(limit).ok().as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_answer_needs_matching_id_and_response_flag() {
        let header = |id: [u8; 2], flags: u8| [&id[..], &[flags; 10]].concat();
        assert!(is_answer(&header([7, 8], 0x81), [7, 8]));
        for other in [header([7, 9], 0x81), header([7, 8], 0x01), vec![7, 8, 0x81], Vec::new()] {
            assert!(!is_answer(&other, [7, 8]), "{other:?}");
        }
    }

    #[test]
    fn dns_question_has_expected_length() {
        assert_eq!(QUESTION.len(), 10 + 1 + "localhost".len() + 1 + 4);
    }
}
