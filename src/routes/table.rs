//! The routes table: the format of `state/routes.json`, which the gateway reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::podman::ContainerState;
use super::unrouted_reason::Reason;
use crate::model::config::LONGEST_HOLD;
use crate::model::types::{ContainerName, HostName, HostPattern, NetworkName, UrlPath, UserName};

/// The version of the format.
pub const VERSION: u32 = 1;
/// The maximum length of a route's name.
pub const LONGEST_NAME: usize = 128;

/// The document. `end` repeats the generation as the last key, so that an incomplete file is detected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// [`VERSION`].
    pub version: u32,
    /// Incremented with each change.
    pub generation: u64,
    /// The time of writing: RFC 3339 in UTC.
    pub written: String,
    /// The host of the containers.
    pub host: Host,
    /// Other hosts whose routes are in the table, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<OtherHost>,
    /// The routes. Of two that claim the same, the first has it.
    pub routes: Vec<Route>,
    /// Containers without a route, and why.
    pub unrouted: Vec<Unrouted>,
    /// The generation again.
    pub end: u64,
}

/// The host of the containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The host's name.
    pub name: HostName,
    /// Its network.
    pub network: NetworkName,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// Its number in the overlay, if it has joined one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u16>,
}

/// Another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherHost {
    /// Its number in the overlay.
    pub number: u16,
    /// Its name.
    pub name: HostName,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// Whether it answers when it is asked for its table. If not, its routes are those of its last answer.
    pub answers: bool,
    /// The time of its last answer if it does not answer, otherwise the time since when it does.
    pub since: String,
}

/// Sends requests for any of `hosts` below `path` to one of `endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The name of its first container, for another host's with `.h` and its number; unique.
    pub name: ContainerName,
    /// The number of the other host whose containers these are; none for this host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// The user whose rootless Podman runs these containers; none for root's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// The host names. Empty only if `path` is not `/`: the route is then at the gateway's own names.
    pub hosts: Vec<HostPattern>,
    /// The URL prefix.
    pub path: UrlPath,
    /// Whether the prefix is removed from requests.
    pub strip: bool,
    /// The protocol of the container.
    pub scheme: Scheme,
    /// Whether request bodies are streamed, not buffered.
    pub stream: bool,
    /// Seconds for which requests are held while the container restarts.
    pub hold: u16,
    /// The health check.
    pub health: Option<Health>,
    /// The containers.
    pub endpoints: Vec<Endpoint>,
}

/// The protocol of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The path to request.
    pub path: UrlPath,
    /// Seconds between checks.
    pub interval: u16,
    /// Successive successes until it is healthy.
    pub healthy: u16,
    /// Successive failures until it is unhealthy.
    pub unhealthy: u16,
}

/// One container of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    pub container: ContainerName,
    /// The first 12 characters of its ID, for a user's followed by the UID as eight hexadecimal digits.
    pub id: String,
    /// Its flat address; its last one if it is not running.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// Its state.
    pub state: ContainerState,
    /// The start of this state.
    pub since: String,
}

/// A container without a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrouted {
    /// Its name.
    pub container: ContainerName,
    /// The number of the other host whose container this is; none for this host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// The user whose rootless Podman runs it; none for root's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// The first 12 characters of its ID, for a user's followed by the UID as eight hexadecimal digits.
    pub id: String,
    /// Its flat address, if it has one; `-` in the file otherwise.
    #[serde(with = "or_dash")]
    pub address: Option<Ipv4Addr>,
    /// Its state.
    pub state: ContainerState,
    /// The start of this state.
    pub since: String,
    /// The reason as a sentence: plain text.
    pub why: String,
    /// Whether it needs attention.
    pub warning: bool,
    /// The reason as a keyword, which the gateway translates.
    #[serde(default)]
    pub reason: Reason,
    /// The values of the sentence's placeholders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// `-` instead of a missing address.
mod or_dash {
    use std::net::Ipv4Addr;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        address: &Option<Ipv4Addr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str("-"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Ipv4Addr>, D::Error> {
        Ok(String::deserialize(deserializer)?.parse().ok())
    }
}

impl Route {
    /// The host and path that both routes claim.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Option<String> {
        if self.path != other.path {
            return None;
        }
        if self.hosts.is_empty() && other.hosts.is_empty() {
            return Some(self.path.to_string());
        }
        let host = self.hosts.iter().find(|host| other.hosts.contains(host))?;
        Some(if self.path.is_root() { host.to_string() } else { format!("{host}{}", self.path) })
    }

    /// Each host and path that it claims; an empty host for the gateway's own names.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.hosts.is_empty().then_some("");
        self.hosts.iter().map(HostPattern::as_str).chain(own).map(|host| (host, self.path.as_str()))
    }
}

impl Table {
    /// The number of routes that claim a host and path of an earlier one, which keeps it.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        let mut taken = BTreeSet::new();
        let mut conflicts = 0;
        for route in &self.routes {
            conflicts += usize::from(route.claims().any(|claim| taken.contains(&claim)));
            taken.extend(route.claims());
        }
        conflicts
    }

    /// The routes to this host's containers.
    pub fn own_routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.host.is_none())
    }

    /// Whether `other` is equal except for its generation and time.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let Self { version, generation: _, written: _, host, hosts, routes, unrouted, end: _ } = self;
        (*version, host, hosts) == (other.version, &other.host, &other.hosts)
            && (routes, unrouted) == (&other.routes, &other.unrouted)
    }

    /// The same table with another generation and time.
    #[must_use]
    pub fn numbered(self, number: u64, written: String) -> Self {
        Self { generation: number, end: number, written, ..self }
    }

    /// Rejects what the gateway would reject: one invalid route makes the gateway reject the whole table.
    pub fn validate(&self, range: &Ipv4Net) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("version {} is not supported; it must be {VERSION}", self.version));
        }
        if self.generation != self.end {
            return Err(format!(
                "incomplete: it begins as generation {} and ends as {}",
                self.generation, self.end
            ));
        }
        let mut names = BTreeSet::new();
        for route in &self.routes {
            let Route { name, hosts, path, hold, endpoints, .. } = route;
            if !names.insert(name) || name.as_str().len() > LONGEST_NAME {
                return Err(format!("route {name} is duplicate, or its name is too long"));
            }
            if hosts.is_empty() && path.is_root() {
                return Err(format!("route {name} has neither a host nor a path"));
            }
            if *hold > LONGEST_HOLD {
                return Err(format!("route {name}: hold {hold} exceeds {LONGEST_HOLD} s"));
            }
            let outside = |one: &&Endpoint| !range.contains(&one.address) || one.port == 0;
            if let Some(one) = endpoints.iter().find(outside) {
                return Err(format!(
                    "route {name} leads to {}:{}, which is outside {range}",
                    one.address, one.port
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document as the gateway expects it.
    const CONTRACT: &str = r#"{"version":1,"generation":17,"written":"2026-11-23T12:00:00Z",
        "host":{"name":"dev-pc","network":"flatnet","subnet":"10.87.1.0/24"},
        "routes":[{"name":"forgejo","hosts":["forgejo.flatnet.internal","*.git.example.org"],"path":"/","strip":false,
        "scheme":"http","stream":false,"hold":10,
        "health":{"path":"/healthz","interval":5,"healthy":2,"unhealthy":3},
        "endpoints":[{"container":"forgejo","id":"0123456789ab","address":"10.87.1.2","port":3000,"state":"running",
        "since":"2026-11-23T11:58:01Z"}]}],
        "unrouted":[{"container":"db","id":"0123456789ac","address":"10.87.1.3","state":"running",
        "since":"2026-11-23T11:58:01Z","why":"its port 5432 does not answer HTTP","warning":false,
        "reason":"port_silent","facts":{"ports":"5432"}}],"end":17}"#;

    fn table() -> Table {
        serde_json::from_str(CONTRACT).unwrap()
    }

    fn range() -> Ipv4Net {
        "10.87.0.0/16".parse().unwrap()
    }

    #[test]
    fn table_serialises_as_contract_document() {
        let again = serde_json::to_string(&table()).unwrap();
        assert_eq!(again, CONTRACT.lines().map(str::trim).collect::<String>());
        assert!(again.ends_with("\"end\":17}"));
        let mut other = table();
        other.unrouted[0].address = None;
        let again = serde_json::to_string(&other).unwrap();
        assert!(again.contains("\"address\":\"-\""), "{again}");
        assert_eq!(serde_json::from_str::<Table>(&again).unwrap(), other);
        table().validate(&range()).unwrap();
    }

    #[test]
    fn table_invalid_for_gateway_is_rejected() {
        let refused = |change: fn(&mut Table)| {
            let mut table = table();
            change(&mut table);
            table.validate(&range()).unwrap_err()
        };
        assert!(refused(|table| table.end = 16).contains("ends as 16"));
        assert!(refused(|table| table.version = 2).contains("version"));
        assert!(refused(|table| table.routes.push(table.routes[0].clone())).contains("duplicate"));
        assert!(refused(|table| table.routes[0].hosts.clear()).contains("neither"));
        assert!(refused(|table| table.routes[0].hold = 301).contains("hold 301 exceeds 300 s"));
        assert!(
            refused(|table| table.routes[0].endpoints[0].address = Ipv4Addr::LOCALHOST).contains("127.0.0.1")
        );
        assert!(refused(|table| table.routes[0].endpoints[0].port = 0).contains(":0"));
    }

    #[test]
    fn routes_that_claim_what_is_taken_are_counted() {
        let mut table = table();
        let of = |name: &str, path: &str| Route {
            name: name.parse().unwrap(),
            path: path.parse().unwrap(),
            ..table.routes[0].clone()
        };
        let routes = [of("a", "/"), of("b", "/x"), of("c", "/x"), of("d", "/")];
        assert_eq!(table.conflicts(), 0);
        table.routes.extend(routes);
        assert_eq!(table.conflicts(), 3, "all but b");
    }

    #[test]
    fn table_comparison_ignores_generation_and_time() {
        let other = table().numbered(18, "2027-01-01T00:00:00Z".to_owned());
        assert!(other.says_the_same_as(&table()) && other.end == 18);
        let mut other = table();
        other.unrouted.clear();
        assert!(!other.says_the_same_as(&table()));
    }
}
