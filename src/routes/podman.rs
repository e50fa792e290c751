//! Parses Podman's output about containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result, parser_says};
use crate::model::types::{ContainerId, ContainerName, NetworkName};

/// The state of a container, as relevant to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Running.
    Running,
    /// Frozen: it accepts connections but does not answer.
    Paused,
    /// Being started again.
    Restarting,
    /// Not running.
    Stopped,
}

impl ContainerState {
    /// Parses libpod's `ContainerStatus`.
    fn of(status: &str) -> Self {
        match status {
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" | "initialized" => Self::Restarting,
            _ => Self::Stopped,
        }
    }

    /// The state as a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
        }
    }
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its ID.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// Its state.
    pub state: ContainerState,
    /// The start of this state: RFC 3339 in UTC, to the second.
    pub since: String,
    /// When it was created.
    pub created: jiff::Timestamp,
    /// Whether it was ever started.
    pub has_run: bool,
    /// Its labels, including those of its image.
    pub labels: BTreeMap<String, String>,
    /// The TCP ports exposed by its image or by `--expose`.
    pub exposed: BTreeSet<u16>,
    /// Its networks, with its address on each while it is running.
    pub networks: BTreeMap<String, Option<Ipv4Addr>>,
    /// The container whose network namespace it shares: a pod's infra container, or that of `--network container:..`.
    pub shares: Option<ContainerId>,
    /// Whether it is a pod's infra container, which only holds the namespace.
    pub is_infra: bool,
}

impl Container {
    /// Whether it is on `network`.
    #[must_use]
    pub fn is_on(&self, network: &NetworkName) -> bool {
        self.networks.contains_key(network.as_str())
    }

    /// Its address on `network`.
    #[must_use]
    pub fn address(&self, network: &NetworkName) -> Option<Ipv4Addr> {
        *self.networks.get(network.as_str())?
    }
}

/// Parses the output of `podman inspect --type container ID..`.
pub fn containers(json: &str) -> Result<Vec<Container>> {
    let raw: Vec<Raw> = serde_json::from_str(json).map_err(|cause| {
        Error::new(
            Kind::PodmanOutput,
            format!("cannot parse the output of `podman inspect`: {}", parser_says(&cause)),
        )
    })?;
    raw.into_iter().map(Container::try_from).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    id: ContainerId,
    name: ContainerName,
    created: String,
    state: RawState,
    #[serde(default)]
    is_infra: bool,
    network_settings: RawNetworks,
    config: RawConfig,
    host_config: RawHostConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawState {
    status: String,
    #[serde(default)]
    restarting: bool,
    #[serde(default)]
    started_at: String,
    #[serde(default)]
    finished_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawNetworks {
    /// Podman 4 has exposed ports only here; for a container that shares a namespace, they are those of the owner.
    ports: Option<BTreeMap<String, serde_json::Value>>,
    networks: Option<BTreeMap<String, RawNetwork>>,
}

#[derive(Deserialize)]
struct RawNetwork {
    #[serde(rename = "IPAddress", default)]
    ip_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawConfig {
    labels: Option<BTreeMap<String, String>>,
    /// Podman 5 only.
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawHostConfig {
    #[serde(default)]
    network_mode: String,
}

impl TryFrom<Raw> for Container {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self> {
        let Raw { id, name, created, state, is_infra, network_settings, config, host_config } = raw;
        let shares =
            host_config.network_mode.strip_prefix("container:").map(ContainerId::parse).transpose()?;
        let ports = match config.exposed_ports {
            Some(ports) if shares.is_some() => ports,
            own => own.into_iter().chain(network_settings.ports).flatten().collect(),
        };
        let how =
            if state.restarting { ContainerState::Restarting } else { ContainerState::of(&state.status) };
        let (started, finished) = (time(&state.started_at), time(&state.finished_at));
        let since = if how == ContainerState::Stopped {
            finished.clone().or(started.clone())
        } else {
            started.clone()
        };
        Ok(Self {
            id,
            name,
            state: how,
            since: since.or_else(|| time(&created)).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned()),
            created: created.parse().unwrap_or_default(),
            has_run: started.is_some() || finished.is_some(),
            labels: config.labels.unwrap_or_default(),
            exposed: ports.keys().filter_map(|port| tcp(port)).collect(),
            networks: network_settings
                .networks
                .into_iter()
                .flatten()
                .map(|(name, network)| (name, network.ip_address.parse().ok()))
                .collect(),
            shares,
            is_infra,
        })
    }
}

/// The number of `80/tcp`.
fn tcp(port: &str) -> Option<u16> {
    port.strip_suffix("/tcp")?.parse().ok().filter(|&port| port != 0)
}

/// A time to the second, in UTC; `None` for Go's zero time.
fn time(text: &str) -> Option<String> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let seconds = jiff::Timestamp::from_second(time.as_second()).ok()?;
    (time.as_second() > 0).then(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: [&str; 2] = [
        include_str!("../../tests/captured/podman-4.3.1/inspect.json"),
        include_str!("../../tests/captured/podman-5.4.2/inspect.json"),
    ];

    fn network() -> NetworkName {
        NetworkName::parse("flatnet").unwrap()
    }

    fn ports(container: &Container) -> Vec<u16> {
        container.exposed.iter().copied().collect()
    }

    #[test]
    fn inspect_output_of_both_podmans_parses_alike() {
        for json in CAPTURED {
            let all = containers(json).unwrap();
            let named = |name: &str| all.iter().find(|one| one.name.as_str() == name).unwrap();
            let web = named("web");
            assert_eq!(
                (web.state, web.address(&network())),
                (ContainerState::Running, Some(Ipv4Addr::new(10, 87, 1, 2)))
            );
            assert_eq!(ports(web), [80, 8080]);
            assert_eq!(web.labels["flatnet.port"], "80");
            assert!(web.has_run && web.shares.is_none());
            assert!(web.since.parse::<jiff::Timestamp>().is_ok(), "{}", web.since);
            let gone = named("gone");
            assert_eq!(
                (gone.state, gone.address(&network()), gone.has_run),
                (ContainerState::Stopped, None, true)
            );
            assert!(gone.is_on(&network()) && ports(gone) == [80]);
            let fresh = named("fresh");
            assert!(
                !fresh.has_run && fresh.state == ContainerState::Stopped && fresh.since.starts_with("2026-")
            );
            assert!(!named("onhost").is_on(&network()));
            assert_eq!(named("both").networks.len(), 2);
            let side = named("side");
            assert_eq!(
                (side.shares.as_ref(), side.address(&network())),
                (Some(&web.id), web.address(&network()))
            );
            let infra = all.iter().find(|one| one.is_infra).unwrap();
            let member = named("inpod");
            assert_eq!((member.shares.as_ref(), member.is_infra), (Some(&infra.id), false));
            assert_eq!(member.address(&network()), infra.address(&network()));
        }
    }

    #[test]
    fn podman_5_separates_ports_in_shared_namespace() {
        let all = containers(CAPTURED[1]).unwrap();
        let side = all.iter().find(|one| one.name.as_str() == "side").unwrap();
        assert_eq!(ports(side), [80, 8081]);
    }

    #[test]
    fn malformed_container_list_is_an_error() {
        for json in ["", "{}", "[{}]", "[{\"Id\":\"x;y\"}]"] {
            assert_eq!(containers(json).unwrap_err().kind(), Kind::PodmanOutput, "{json}");
        }
        assert!(containers("[]").unwrap().is_empty());
    }

    #[test]
    fn only_tcp_ports_count() {
        assert_eq!(
            ["80/tcp", "53/udp", "0/tcp", "x/tcp", "99999/tcp", "80"].map(tcp),
            [Some(80), None, None, None, None, None]
        );
    }
}
