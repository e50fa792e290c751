//! What is told of a question: who asked what, and what the answer was.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::decide::Verdict;
use super::reply::Transport;
use crate::model::types::NetworkName;
use crate::state::names::NameEntry;

/// A question that was answered.
#[derive(Debug)]
pub struct Query<'a> {
    /// The network at whose address it was asked.
    pub(super) network: Option<&'a NetworkName>,
    /// Who asked.
    pub(super) address: Ipv4Addr,
    /// The container at that address.
    pub(super) holder: Option<&'a NameEntry>,
    /// The name, escaped.
    pub(super) name: String,
    pub(super) rtype: String,
    pub(super) transport: Transport,
    pub(super) outcome: QueryOutcome,
    pub(super) took: Duration,
}

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum QueryOutcome {
    Addresses(Vec<Ipv4Addr>),
    Addresses6(Vec<Ipv6Addr>),
    Name(String),
    /// The name exists, but has nothing of this type.
    NoData,
    NoName,
    Minimal,
    /// All names of this host.
    Transfer,
    /// From an earlier answer of another server.
    Cached,
    Forwarded(SocketAddr),
    Failed,
}

impl QueryOutcome {
    pub(super) fn of(verdict: &Verdict<'_>) -> Self {
        match verdict {
            Verdict::Addresses(addresses) => Self::Addresses(addresses.to_vec()),
            Verdict::Addresses6(addresses) => Self::Addresses6(addresses.clone()),
            Verdict::Pointer(name) => Self::Name(name.to_string()),
            Verdict::NoData(_) | Verdict::Authority(_) | Verdict::Version => Self::NoData,
            Verdict::NoName(_) => Self::NoName,
            Verdict::Minimal => Self::Minimal,
            Verdict::Forward | Verdict::OtherHost(_) => Self::Failed,
        }
    }
}

fn joined(addresses: &[impl ToString], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    f.write_str(&texts.join(" "))
}

impl fmt::Display for QueryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(addresses) => joined(addresses, f),
            Self::Addresses6(addresses) => joined(addresses, f),
            Self::Name(name) => f.write_str(name),
            Self::NoData => f.write_str("no data"),
            Self::NoName => f.write_str("no such name"),
            Self::Minimal => f.write_str("not answered in full"),
            Self::Transfer => f.write_str("all names of this host"),
            Self::Cached => f.write_str("from the cache"),
            Self::Forwarded(server) => write!(f, "forwarded to {}", server.ip()),
            Self::Failed => f.write_str("no server answered"),
        }
    }
}

impl Query<'_> {
    /// The container, as people call it.
    fn container(&self) -> Option<&str> {
        let holder = self.holder?;
        Some(holder.names.first().map_or_else(|| holder.id.container_id.short(), |name| name.as_str()))
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "network": self.network,
            "address": self.address,
            "container": self.container(),
            "name": self.name,
            "type": self.rtype,
            "transport": format!("{:?}", self.transport).to_lowercase(),
            "answer": self.outcome.to_string(),
            "microseconds": u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        })
    }
}

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, name, rtype, outcome, took, .. } = self;
        match self.container() {
            Some(container) => write!(f, "{container} ({address})")?,
            None => write!(f, "{address}")?,
        }
        write!(f, " {name} {rtype}: {outcome} ({} us)", took.as_micros())
    }
}
