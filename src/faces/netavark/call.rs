//! Parses arguments and standard input. Nothing is observed, changed or started here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::create;
use crate::error::{self, Error, Kind, Result};
use crate::faces::plugin;
use crate::model::request::{self, Request};
use crate::model::types::{
    AttachmentId, Caller, ContainerId, ContainerName, IfName, Mac, NetnsPath, PortMapping, shown,
};

/// A parsed call.
#[derive(Debug)]
pub struct Call(pub(super) Verb);

/// The command with its arguments, including the network's name and the path of its configuration.
#[derive(Debug)]
pub(super) enum Verb {
    Info,
    Create { network: Map<String, Value>, name: String, config: PathBuf },
    Setup { request: Request, name: String, config: PathBuf },
    Teardown { id: AttachmentId, name: String, config: PathBuf },
}

impl Call {
    /// `stdin` is called only if the command has input.
    pub(super) fn parse(arguments: &[String], stdin: impl FnOnce() -> Result<Vec<u8>>) -> Result<Self> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let verb = match words[..] {
            ["info"] => Verb::Info,
            ["create"] => create(parse(&stdin()?)?)?,
            ["setup", netns] => setup(netns, parse(&stdin()?)?)?,
            ["teardown", _] => teardown(parse(&stdin()?)?)?,
            _ => {
                let what = "expected `create`, `setup NETNS`, `teardown NETNS` or `info`";
                return Err(Error::new(Kind::Environment, what));
            }
        };
        Ok(Self(verb))
    }
}

fn parse<T: serde::de::DeserializeOwned>(stdin: &[u8]) -> Result<T> {
    serde_json::from_slice(stdin).map_err(|cause| {
        Error::new(Kind::Decode, "standard input is not what netavark sends")
            .source(error::parser_says(&cause))
    })
}

fn create(network: Map<String, Value>) -> Result<Verb> {
    let name = network.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let config =
        plugin::config_path(network.get("options").and_then(|options| options.get("config")?.as_str()))?;
    Ok(Verb::Create { network, name, config })
}

fn setup(netns: &str, call: Setup) -> Result<Verb> {
    let request = call.request(netns)?;
    Ok(Verb::Setup { request, config: call.network.config()?, name: call.network.name })
}

fn teardown(Subject { container_id, network, network_options }: Subject) -> Result<Verb> {
    let id = AttachmentId { container_id, if_name: network_options.interface_name };
    Ok(Verb::Teardown { id, config: network.config()?, name: network.name })
}

/// The part of the input of `setup` and `teardown` that names the attachment. `teardown` reads no more, so that
/// no other invalid field keeps a container from being detached.
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

/// The input of `setup`.
#[derive(Deserialize)]
struct Setup {
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
    aliases: Option<Vec<String>>,
    #[serde(default)]
    static_ips: Option<Vec<String>>,
    #[serde(default)]
    static_mac: Option<String>,
    /// `--network flatnet:KEY=VALUE`, for keys that Podman does not handle itself.
    #[serde(default, rename = "options")]
    others: Option<BTreeMap<String, String>>,
}

impl Network {
    fn config(&self) -> Result<PathBuf> {
        let path = self.options.as_ref().and_then(|options| options.get("config"));
        plugin::config_path(path.map(String::as_str))
    }
}

impl Setup {
    fn request(&self, netns: &str) -> Result<Request> {
        let Options { interface_name, aliases, static_ips, static_mac, others } = &self.network_options;
        if let Some((key, value)) = others.iter().flatten().next() {
            let option = format!("--network {}:{}={}", shown(&self.network.name), shown(key), shown(value));
            return Err(create::unsupported(&option, format!("Remove {option}")));
        }
        let ips = static_ips.iter().flatten().map(|text| request::address(text));
        let mac: Option<Mac> = match static_mac.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse()?),
        };
        Ok(Request {
            id: AttachmentId { container_id: self.container_id.clone(), if_name: interface_name.clone() },
            netns: NetnsPath::parse(netns)?,
            name: self.container_name.clone(),
            aliases: request::aliases(aliases.as_deref().unwrap_or_default())?,
            ips: ips.collect::<Result<_>>()?,
            mac,
            ports: ports(self.port_mappings.as_deref().unwrap_or_default())?,
            caller: Caller::Root,
            most: None,
        })
    }
}

/// Expands a range of ports into one mapping per port.
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
                    format!("a range of {} ports from {} exceeds 65535", port.range, port.host_port),
                ));
            };
            let protocols = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
            for protocol in protocols.split(',') {
                mappings.push(PortMapping {
                    protocol: protocol.parse()?,
                    host_ip: crate::faces::cni::host_ip(&port.host_ip)?,
                    host_port,
                    container_port,
                });
            }
        }
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_range_is_expanded_and_must_not_overflow() {
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
