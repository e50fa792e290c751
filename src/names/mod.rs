//! `flatnet dns`: the resolver of all networks of this host.
//!
//! One thread answers from the files of names that `up`, ADD and DEL write, and forwards everything else to this host's own
//! servers. What is answered is decided by `decide`, which is pure.

pub mod ask;
mod cache;
mod channel;
mod client;
mod connection;
pub mod counters;
mod decide;
mod files;
mod forward;
mod host_label;
mod listener;
pub mod lookup;
mod network;
mod own_addresses;
mod podman;
pub mod privileges;
mod query;
mod question;
mod rate;
mod reply;
mod resolver;
mod servers;
mod systemd;

use domain::base::iana::Rcode;

use crate::state::names::NamesFile;
use network::Network;
use question::{Question, Refusal};
use reply::Transport;

pub use query::Query;
pub use resolver::{Event, Resolver, Settings};

/// What is done with a message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// It is answered with this.
    Answer(Vec<u8>),
    /// It goes to another server.
    Forward,
    /// It is dropped.
    Silence,
}

/// Answers messages from a client of the first of `files`. It needs no sockets.
pub fn answers(files: Vec<NamesFile>, is_tcp: bool) -> impl FnMut(&[u8]) -> Response {
    let networks: Vec<Network> = files.into_iter().map(Network::new).collect();
    let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
    let mut turn = 0;
    move |message| {
        let mut answer = Vec::new();
        match Question::parse(message) {
            Err(Refusal::Silence) => return Response::Silence,
            Err(Refusal::Error(rcode)) => reply::error(&mut answer, message, rcode),
            Ok(question) if question.is_transfer() => {
                reply::error(&mut answer, message, Rcode::NOTIMP.into());
            }
            Ok(question) => {
                let verdict = decide::decide(networks.iter(), None, &question.name, question.rtype);
                if matches!(verdict, decide::Verdict::Forward | decide::Verdict::OtherHost(_)) {
                    return Response::Forward;
                }
                reply::answer(&mut answer, &question, transport, &verdict, turn);
                turn += 1;
            }
        }
        Response::Answer(answer)
    }
}

#[cfg(test)]
mod tests;
