//! The result of ADD in each version's format, and the previous plugin's result.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::Version;
use crate::error::{Error, Kind, Result};
use crate::model::config::Dns;
use crate::model::request::Attached;
use crate::model::types::{IfName, are_of_one_family};

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
    pub(super) fn addresses(&self, if_name: &IfName) -> Vec<IpAddr> {
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
pub(super) fn render(version: Version, attached: &Attached, previous: Option<Previous>) -> Value {
    let dns = dns_json(&attached.dns, &attached.next_hops);
    if version < Version::V0_3_0 {
        let mut result = json!({"cniVersion": version.as_str()});
        // These versions have one address of each family.
        for address in attached.addresses.nets() {
            let key = if address.addr().is_ipv4() { "ip4" } else { "ip6" };
            let routes = routes(attached, |to| are_of_one_family(to.addr(), address.addr()));
            let part = json!({"ip": address, "gateway": attached.next_hop(address), "routes": routes});
            if result.get(key).is_none() {
                result[key] = part;
            }
        }
        result["dns"] = json!(dns);
        return result;
    }
    let mut all = previous.unwrap_or_default();
    let container_end = all.interfaces.len() + 2;
    all.interfaces.extend(interfaces(version, attached));
    for address in attached.addresses.nets() {
        let next_hop = attached.next_hop(address);
        let mut ip = json!({"address": address, "gateway": next_hop, "interface": container_end});
        if version < Version::V1_0_0 {
            ip["version"] = json!(if address.addr().is_ipv4() { "4" } else { "6" });
        }
        all.ips.push(ip);
    }
    all.routes.extend(routes(attached, |_| true));
    all.dns.extend(dns);
    json!({
        "cniVersion": version.as_str(),
        "interfaces": all.interfaces,
        "ips": all.ips,
        "routes": all.routes,
        "dns": all.dns,
    })
}

fn routes(attached: &Attached, is_shown: impl Fn(&IpNet) -> bool) -> Vec<Value> {
    let route = |&to: &IpNet| json!({"dst": to, "gw": attached.next_hop(to)});
    attached.routes_to.iter().filter(|to| is_shown(to)).map(route).collect()
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

/// Podman 4 appends this host's name servers, which do not know containers' names. Resolvers read three servers, and
/// musl takes the first answer of any: Flatnet's own resolver, which is at the next hop, is given three times.
fn dns_json(dns: &Dns, next_hops: &[IpAddr]) -> Map<String, Value> {
    let mut object = Map::new();
    let is_resolver = |server: &Ipv4Addr| next_hops.contains(&IpAddr::V4(*server));
    if dns.servers.len() == 1 && dns.servers.iter().all(is_resolver) {
        object.insert("nameservers".to_owned(), json!(dns.servers.repeat(3)));
    } else if !dns.servers.is_empty() {
        object.insert("nameservers".to_owned(), json!(dns.servers));
    }
    if !dns.search.is_empty() {
        object.insert("search".to_owned(), json!(dns.search));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an attachment of both families will be.
    fn attached() -> Attached {
        let mac = "02:f1:0a:57:01:02".parse().unwrap();
        Attached {
            bridge: "br0".parse().unwrap(),
            bridge_mac: mac,
            host_link: "fn0".parse().unwrap(),
            host_mac: mac,
            if_name: "eth0".parse().unwrap(),
            mac,
            mtu: 1500,
            netns: "/run/netns/c1".parse().unwrap(),
            addresses: serde_json::from_str(r#"["10.87.1.2/24", "fd00::2/128"]"#).unwrap(),
            next_hops: vec!["10.87.1.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            routes_to: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            dns: Dns::default(),
        }
    }

    #[test]
    fn result_lists_each_address_with_next_hop_of_its_family() {
        let result = |version| render(version, &attached(), None);
        let ip = |address, gateway| json!({"address": address, "gateway": gateway, "interface": 2});
        let ips = [ip("10.87.1.2/24", "10.87.1.1"), ip("fd00::2/128", "fd00::1")];
        assert_eq!(result(Version::V1_0_0)["ips"], json!(ips));
        let versions: Vec<Value> = result(Version::V0_4_0)["ips"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ip| ip["version"].clone())
            .collect();
        assert_eq!(versions, ["4", "6"]);
        let routes =
            [json!({"dst": "0.0.0.0/0", "gw": "10.87.1.1"}), json!({"dst": "::/0", "gw": "fd00::1"})];
        assert_eq!(result(Version::V1_0_0)["routes"], json!(routes));
        let old = result(Version::V0_1_0);
        let part = |ip, gateway, route: &Value| json!({"ip": ip, "gateway": gateway, "routes": [route]});
        assert_eq!(old["ip4"], part("10.87.1.2/24", "10.87.1.1", &routes[0]));
        assert_eq!(old["ip6"], part("fd00::2/128", "fd00::1", &routes[1]));
    }
}
