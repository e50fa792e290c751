//! The result of ADD in each version's format, and the previous plugin's result.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::Version;
use crate::error::{Error, Kind, Result};
use crate::model::config::Dns;
use crate::model::request::Attached;
use crate::model::types::IfName;

/// `prevResult`.
#[derive(Debug, Default)]
pub(super) struct Previous {
    interfaces: Vec<Value>,
    ips: Vec<Value>,
    routes: Vec<Value>,
    dns: Map<String, Value>,
}

impl Previous {
    /// Parses a result. Results before 0.3.0 cannot be chained and are ignored.
    pub(super) fn parse(value: &Value, version: Version) -> Result<Self> {
        let Some(object) = value.as_object() else {
            return Err(Error::new(Kind::Decode, "prevResult is not a JSON object"));
        };
        if version < Version::V0_3_0 {
            return Ok(Self::default());
        }
        let list = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(list.clone()),
            Some(_) => {
                Err(Error::new(Kind::Decode, format!("prevResult.{key} is not a list of JSON objects")))
            }
        };
        Ok(Self {
            interfaces: list("interfaces")?,
            ips: list("ips")?,
            routes: list("routes")?,
            dns: object.get("dns").and_then(Value::as_object).cloned().unwrap_or_default(),
        })
    }

    /// The addresses of the container's interface `if_name`.
    pub(super) fn addresses(&self, if_name: &IfName) -> Vec<Ipv4Addr> {
        let is_ours = |ip: &&Value| {
            let index =
                ip.get("interface").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
            let interface = index.and_then(|index| self.interfaces.get(index));
            interface.and_then(|interface| interface.get("name")).and_then(Value::as_str)
                == Some(if_name.as_str())
        };
        let address = |ip: &Value| ip.get("address")?.as_str()?.split('/').next()?.parse().ok();
        self.ips.iter().filter(is_ours).filter_map(address).collect()
    }
}

/// The result in the format of `version`, appended to `previous`.
pub(super) fn render(version: Version, attached: &Attached, dns: &Dns, previous: Option<Previous>) -> Value {
    if version < Version::V0_3_0 {
        return json!({
            "cniVersion": version.as_str(),
            "ip4": {
                "ip": attached.address,
                "gateway": attached.next_hop,
                "routes": routes(attached),
            },
            "dns": dns_json(dns),
        });
    }
    let mut all = previous.unwrap_or_default();
    let container_end = all.interfaces.len() + 2;
    all.interfaces.extend(interfaces(version, attached));
    let mut ip =
        json!({"address": attached.address, "gateway": attached.next_hop, "interface": container_end});
    if version < Version::V1_0_0 {
        ip["version"] = json!("4");
    }
    all.ips.push(ip);
    all.routes.extend(routes(attached));
    all.dns.extend(dns_json(dns));
    json!({
        "cniVersion": version.as_str(),
        "interfaces": all.interfaces,
        "ips": all.ips,
        "routes": all.routes,
        "dns": all.dns,
    })
}

fn routes(attached: &Attached) -> Vec<Value> {
    attached.routes_to.iter().map(|to| json!({"dst": to, "gw": attached.next_hop})).collect()
}

/// The interfaces: bridge, host's end, container's end.
fn interfaces(version: Version, attached: &Attached) -> [Value; 3] {
    let host = |name: &IfName, mac| json!({"name": name, "mac": mac});
    let mut container = host(&attached.if_name, attached.mac);
    container["sandbox"] = json!(attached.netns);
    let mut interfaces = [
        host(&attached.bridge, attached.bridge_mac),
        host(&attached.host_link, attached.host_mac),
        container,
    ];
    if version >= Version::V1_1_0 {
        for interface in &mut interfaces {
            interface["mtu"] = json!(attached.mtu);
        }
    }
    interfaces
}

fn dns_json(dns: &Dns) -> Map<String, Value> {
    let mut object = Map::new();
    if !dns.servers.is_empty() {
        object.insert("nameservers".to_owned(), json!(dns.servers));
    }
    if !dns.search.is_empty() {
        object.insert("search".to_owned(), json!(dns.search));
    }
    object
}
