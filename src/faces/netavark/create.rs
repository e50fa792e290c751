//! `podman network create`: checks the options and returns the network as Podman stores it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{self, Error, Kind, Remedy, Result};
use crate::faces::rootless::client;
use crate::model::config::{self, Config, Egress, IngressGateways};
use crate::model::types::shown;

/// The IPAM driver by which Podman leaves addresses to Flatnet.
const IPAM_DRIVER: &str = "flatnet";
/// The option with the path of the configuration.
const CONFIG: &str = "config";

/// The user's options in the network that Podman sends.
#[derive(Deserialize)]
struct NetworkOptions {
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    ipv6_enabled: bool,
    #[serde(default)]
    network_interface: String,
    #[serde(default)]
    subnets: Option<Vec<Subnet>>,
    #[serde(default)]
    routes: Option<Vec<Value>>,
    #[serde(default)]
    ipam_options: Option<BTreeMap<String, String>>,
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
    #[serde(default)]
    network_dns_servers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Subnet {
    #[serde(rename = "subnet")]
    addresses: String,
    #[serde(default)]
    gateway: Option<String>,
    #[serde(default)]
    lease_range: Option<Range>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    start_ip: Option<String>,
    #[serde(default)]
    end_ip: Option<String>,
}

/// The network as Podman stores it: with Flatnet's leases, and with the subnet, so that no other network gets it.
pub(super) fn create(mut network: Map<String, Value>, name: &str, path: &Path) -> Result<Value> {
    let config = if client::is_needed() { config::load_for_user(path) } else { config::load(path) }?;
    if config.network.as_str() != name {
        let what =
            format!("{} configures network {}, not \"{}\"", path.display(), config.network, shown(name));
        return Err(Error::new(Kind::NetworkName, what)
            .remedy(Remedy::run([format!("podman network create -d flatnet {}", config.network)])));
    }
    let asked = serde_json::from_value(Value::Object(network.clone())).map_err(|cause| {
        Error::new(Kind::Decode, "standard input is not what netavark sends")
            .source(error::parser_says(&cause))
    })?;
    refuse(&asked, &config, path)?;
    network.insert("ipam_options".to_owned(), json!({"driver": IPAM_DRIVER}));
    let mut subnets = vec![json!({"subnet": config.subnet, "gateway": config.bridge_address()})];
    subnets.extend(config.ipv6_mapping().map(|mapping| {
        json!({"subnet": mapping.net_of(config.subnet), "gateway": mapping.address_of(config.bridge_address())})
    }));
    network.insert("subnets".to_owned(), json!(subnets));
    network.insert("network_interface".to_owned(), json!(config.bridge));
    network.insert("ipv6_enabled".to_owned(), json!(config.ipv6_mapping().is_some()));
    network.insert("dns_enabled".to_owned(), json!(false));
    Ok(Value::Object(network))
}

/// An error for the first option that contradicts the configuration, which is where networks are configured.
fn refuse(asked: &NetworkOptions, config: &Config, path: &Path) -> Result<()> {
    let yaml = path.display();
    let unless = |is_so: bool, option: &str, instead: String| {
        if is_so { Ok(()) } else { Err(unsupported(option, instead)) }
    };
    let field = |field: &str| format!("Remove it and write `{field}` in {yaml}");
    let is_internal =
        config.egress == Egress::None && config.ingress_gateways == IngressGateways::List(Vec::new());
    unless(!asked.internal || is_internal, "--internal", field("egress: none` and `ingress_gateways: []"))?;
    let mapping = config.ipv6_mapping();
    unless(!asked.ipv6_enabled || mapping.is_some(), "--ipv6", field("ipv6: auto"))?;
    let own =
        |text: &Option<String>, own: Ipv4Addr| text.as_deref().is_none_or(|text| text.parse() == Ok(own));
    for Subnet { addresses: subnet, gateway, lease_range } in asked.subnets.iter().flatten() {
        if mapping.is_some_and(|mapping| subnet.parse() == Ok(mapping.net_of(config.subnet))) {
            continue;
        }
        unless(
            subnet.parse() == Ok(config.subnet),
            "--subnet",
            field(&format!("subnet: {}", shown(subnet))),
        )?;
        let bridge = gateway.as_deref().map(shown).unwrap_or_default();
        let is_own = own(gateway, config.bridge_address());
        unless(is_own, "--gateway", field(&format!("bridge_address: {bridge}")))?;
        let allocate = config.allocate();
        let is_own = lease_range
            .as_ref()
            .is_none_or(|range| own(&range.start_ip, allocate.from) && own(&range.end_ip, allocate.to));
        unless(is_own, "--ip-range", field("allocate: {from: FIRST, to: LAST}"))?;
    }
    let none = "Remove it: containers route through this host; set routes on the host".to_owned();
    unless(asked.routes.iter().flatten().next().is_none(), "--route", none)?;
    let driver = asked.ipam_options.as_ref().and_then(|options| options.get("driver"));
    unless(
        driver.is_none_or(|driver| driver == IPAM_DRIVER),
        "--ipam-driver",
        format!("Remove it: Flatnet assigns addresses itself, as set by `allocate` and `reserved` in {yaml}"),
    )?;
    for (key, value) in asked.options.iter().flatten().filter(|(key, _)| *key != CONFIG) {
        let (key, value) = (shown(key), shown(value));
        let instead = match key.as_str() {
            "mtu" => field(&format!("mtu: {value}")),
            _ => format!("Remove it; `flatnet config schema` lists the fields of {yaml}"),
        };
        unless(false, &format!("-o {key}={value}"), instead)?;
    }
    let is_configured =
        |server: &String| server.parse().is_ok_and(|server| config.dns.servers.contains(&server));
    let mut servers = asked.network_dns_servers.iter().flatten();
    unless(servers.all(is_configured), "--dns", field("dns: {servers: [ADDRESS]}"))?;
    let interface = shown(&asked.network_interface);
    let is_own = interface.is_empty() || interface == config.bridge.as_str();
    unless(is_own, "--interface-name", field(&format!("bridge: {interface}")))
}

/// The error for an option that Flatnet does not support.
pub(super) fn unsupported(option: &str, instead: String) -> Error {
    Error::new(Kind::Unsupported, format!("{option} is not supported")).remedy(instead)
}
