//! The netavark plugin, API 1.0.0:
//! <https://github.com/containers/netavark/blob/main/plugin-API.md>.
//!
//! `create` and `info` answer questions; `setup` and `teardown` become a [`Request`] to the same engine as CNI's.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::{self, DEFAULT_PATH};
use crate::error::{Error, Kind, Result};
use crate::face;
use crate::request::{Attached, Request};
use crate::types::{AttachmentId, ContainerId, ContainerName, IfName, Mac, NetnsPath, PortMapping};

/// The version of the plugin API.
const API_VERSION: &str = "1.0.0";
/// The IPAM driver that tells Podman to leave addresses to Flatnet's own leases.
const IPAM_DRIVER: &str = "flatnet";

/// Whether `argument`, the first one, is a command of netavark's protocol.
#[must_use]
pub fn is_command(argument: &str) -> bool {
    ["create", "setup", "teardown", "info"].contains(&argument)
}

/// Answers one call. Prints the answer, or the error; returns the exit status.
#[must_use]
pub fn run(arguments: &[String]) -> u8 {
    let (answer, status) = match answer(arguments) {
        Ok(answer) => (answer, 0),
        Err(error) => (Some(json!({"error": error.whole()})), 1),
    };
    if let Some(answer) = answer {
        face::write_line(&answer.to_string());
    }
    status
}

fn answer(arguments: &[String]) -> Result<Option<Value>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["info"] => Ok(Some(json!({"version": env!("CARGO_PKG_VERSION"), "api_version": API_VERSION}))),
        ["create"] => create(&parse(&face::read_stdin()?)?).map(Some),
        ["setup", netns] => setup(netns, &parse(&face::read_stdin()?)?).map(Some),
        ["teardown", _] => teardown(&parse(&face::read_stdin()?)?).map(|()| None),
        _ => {
            Err(Error::new(Kind::Environment, "expected `create`, `setup NETNS`, `teardown NETNS` or `info`"))
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(stdin: &[u8]) -> Result<T> {
    serde_json::from_slice(stdin)
        .map_err(|cause| Error::new(Kind::Decode, "standard input is not what netavark sends").source(cause))
}

/// The network as Podman will keep it: leases of Flatnet's own, and the subnet, so that no other network takes it.
fn create(network: &Map<String, Value>) -> Result<Value> {
    let name = network.get("name").and_then(Value::as_str).unwrap_or_default();
    let options = network.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    let path = options.get("config").and_then(Value::as_str).unwrap_or(DEFAULT_PATH);
    let config = config::load(Path::new(path))?;
    if config.network.as_str() != name {
        return Err(Error::new(
            Kind::NetworkName,
            format!("{path} configures the network {}", config.network),
        )
        .remedy(format!("Run `podman network create -d flatnet {}`", config.network)));
    }
    let mut network = network.clone();
    network.insert("ipam_options".to_owned(), json!({"driver": IPAM_DRIVER}));
    network.insert("subnets".to_owned(), json!([{"subnet": config.subnet, "gateway": config.gateway()}]));
    network.insert("network_interface".to_owned(), json!(config.bridge));
    network.insert("ipv6_enabled".to_owned(), json!(false));
    network.insert("dns_enabled".to_owned(), json!(false));
    Ok(Value::Object(network))
}

/// What `setup` and `teardown` get, as far as it names the attachment. `teardown` reads no more, so that nothing else
/// that is wrong keeps a container from going.
#[derive(Deserialize)]
struct Subject {
    container_id: ContainerId,
    network: Network,
    network_options: SubjectOptions,
}

#[derive(Deserialize)]
struct SubjectOptions {
    interface_name: IfName,
}

/// What `setup` gets.
#[derive(Deserialize)]
struct Call {
    container_id: ContainerId,
    #[serde(default)]
    container_name: Option<ContainerName>,
    #[serde(default)]
    port_mappings: Option<Vec<Port>>,
    network: Network,
    network_options: Options,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
struct Port {
    container_port: u16,
    #[serde(default)]
    host_ip: String,
    host_port: u16,
    #[serde(default)]
    protocol: String,
    #[serde(default)]
    range: u16,
}

#[derive(Deserialize)]
struct Network {
    name: String,
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Options {
    interface_name: IfName,
    #[serde(default)]
    aliases: Option<Vec<ContainerName>>,
    #[serde(default)]
    static_ips: Option<Vec<Ipv4Addr>>,
    #[serde(default)]
    static_mac: Option<String>,
}

impl Network {
    fn config(&self) -> PathBuf {
        let path = self.options.as_ref().and_then(|options| options.get("config"));
        path.map_or_else(|| DEFAULT_PATH.into(), PathBuf::from)
    }
}

impl Call {
    fn id(&self) -> AttachmentId {
        AttachmentId {
            container_id: self.container_id.clone(),
            if_name: self.network_options.interface_name.clone(),
        }
    }

    fn request(&self, netns: &str) -> Result<Request> {
        let Options { interface_name: _, aliases, static_ips, static_mac } = &self.network_options;
        let ips = static_ips.clone().unwrap_or_default();
        if ips.len() > 1 {
            return Err(Error::new(
                Kind::Unsupported,
                format!("{} addresses are asked for, and Flatnet gives one", ips.len()),
            )
            .remedy("Give --ip once"));
        }
        let mac: Option<Mac> = match static_mac.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse()?),
        };
        Ok(Request {
            id: self.id(),
            netns: NetnsPath::parse(netns)?,
            name: self.container_name.clone(),
            aliases: aliases.clone().unwrap_or_default(),
            ip: ips.first().copied(),
            mac,
            ports: ports(self.port_mappings.as_deref().unwrap_or_default())?,
        })
    }
}

/// A range of ports becomes one mapping for each.
fn ports(all: &[Port]) -> Result<Vec<PortMapping>> {
    let mut mappings = Vec::new();
    for port in all.iter().filter(|port| port.host_port != 0) {
        for offset in 0..port.range.max(1) {
            let (Some(host_port), Some(container_port)) = (
                port.host_port.checked_add(offset),
                port.container_port.checked_add(offset).filter(|&port| port != 0),
            ) else {
                return Err(Error::new(
                    Kind::BadValue,
                    format!("{} ports from {} on end behind 65535", port.range, port.host_port),
                ));
            };
            let protocols = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
            for protocol in protocols.split(',') {
                mappings.push(PortMapping {
                    protocol: protocol.parse()?,
                    host_ip: crate::cni::host_ip(&port.host_ip)?,
                    host_port,
                    container_port,
                });
            }
        }
    }
    Ok(mappings)
}

fn setup(netns: &str, call: &Call) -> Result<Value> {
    let request = call.request(netns)?;
    let mut engine = face::engine(&call.network.config(), &call.network.name)?;
    let attached = engine.attach(&request)?;
    Ok(status_block(&attached, &engine.config.dns))
}

fn teardown(subject: &Subject) -> Result<()> {
    let Subject { container_id, network, network_options } = subject;
    let id =
        AttachmentId { container_id: container_id.clone(), if_name: network_options.interface_name.clone() };
    face::engine_to_detach(&network.config(), &network.name)?.detach(&id)
}

/// netavark's `StatusBlock`.
fn status_block(attached: &Attached, dns: &config::Dns) -> Value {
    let interface = json!({
        "mac_address": attached.mac,
        "subnets": [{"ipnet": attached.address, "gateway": attached.gateway}],
    });
    let mut interfaces = Map::new();
    interfaces.insert(attached.if_name.to_string(), interface);
    json!({"dns_server_ips": dns.servers, "dns_search_domains": dns.search, "interfaces": interfaces})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_spread_out_and_must_end_in_time() {
        let port = |host_port, range| Port {
            container_port: 80,
            host_ip: "0.0.0.0".into(),
            host_port,
            protocol: "tcp".into(),
            range,
        };
        let spread = ports(&[port(8080, 3)]).unwrap();
        assert_eq!(
            spread.iter().map(|port| (port.host_port, port.container_port)).collect::<Vec<_>>(),
            [(8080, 80), (8081, 81), (8082, 82)]
        );
        assert!(ports(&[port(65535, 2)]).is_err());
    }
}
