//! Parses `nft -j list table`.
//!
//! Rulesets are compared in nft's own output, so that neither its version nor the spelling of a rule matters.
//! Handles and counters are dropped, and elements of the containers' sets are kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::kernel::sets::{self, Set};
use crate::model::plan::Element;

/// The contents of one table, or of both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ruleset {
    /// Chains, rules, sets and maps, without handles and counters.
    pub structure: Vec<Value>,
    /// The elements of [`sets::SETS`], with their comments.
    pub elements: BTreeMap<Element, String>,
}

impl Ruleset {
    /// Adds the contents of `other`.
    pub fn extend(&mut self, other: Self) {
        self.structure.extend(other.structure);
        self.elements.extend(other.elements);
    }
}

impl Ruleset {
    /// The ingress gateways.
    #[must_use]
    pub fn gateways(&self) -> BTreeSet<Ipv4Addr> {
        let elements = |name: &str| {
            let sets = self.structure.iter().filter_map(|object| object.get("set"));
            let set = sets.filter(|set| set.get("name").and_then(Value::as_str) == Some(name));
            set.filter_map(|set| set.get("elem")?.as_array()).flatten().cloned().collect::<Vec<_>>()
        };
        // That of 0.1.0 holds only addresses, as `gateway_addresses` does now.
        let gateways = ["gateways", "gateway_addresses"].into_iter().flat_map(elements);
        gateways.filter_map(|elem| elem.as_str()?.parse().ok()).collect()
    }
}

/// Parses the output of `nft -j list table` or `nft -j list ruleset`.
pub fn parse(json: &str) -> Result<Ruleset, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Document {
        nftables: Vec<Value>,
    }
    let document: Document = serde_json::from_str(json)?;
    let mut ruleset = Ruleset::default();
    for mut object in document.nftables {
        if object.get("metainfo").is_some() {
            continue;
        }
        take_elements(&mut object, &mut ruleset.elements);
        forget_what_changes(&mut object);
        ruleset.structure.push(object);
    }
    Ok(ruleset)
}

fn take_elements(object: &mut Value, elements: &mut BTreeMap<Element, String>) {
    for kind in ["set", "map"] {
        let Some(set) = object.get_mut(kind).and_then(Value::as_object_mut) else { continue };
        let family = set.get("family").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = set.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(kind) = sets::find(&family, &name) {
            let found = set.remove("elem").unwrap_or_default();
            elements.extend(found.as_array().into_iter().flatten().filter_map(|elem| element(kind, elem)));
        }
    }
}

fn element(set: &Set, elem: &Value) -> Option<(Element, String)> {
    // A map's element is [key, value]; a key with a comment is {"elem": {"val": KEY, "comment": TEXT}}.
    let (key, value) = match elem.as_array() {
        Some(pair) => (pair.first()?, pair.get(1)),
        None => (elem, None),
    };
    let comment = key.pointer("/elem/comment").and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = parts(key.pointer("/elem/val").unwrap_or(key))?;
    let value = value.map_or_else(|| Some(Vec::new()), parts)?;
    let [key, value] = [&key, &value].map(|parts| parts.iter().map(String::as_str).collect::<Vec<_>>());
    Some((set.element(&key, &value)?, comment))
}

/// The parts of `{"concat": [..]}` as text.
fn parts(value: &Value) -> Option<Vec<String>> {
    let text = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    Some(value.get("concat")?.as_array()?.iter().map(text).collect())
}

fn forget_what_changes(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("handle");
            if let Some(counter) = object.get_mut("counter") {
                *counter = Value::Null;
            }
            object.values_mut().for_each(forget_what_changes);
        }
        Value::Array(array) => array.iter_mut().for_each(forget_what_changes),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::{PortMapping, Protocol};

    #[test]
    fn parses_the_elements_of_nft_1_0_6() {
        let mut ruleset = parse(include_str!("../../../tests/captured/nft-1.0.6/inet.json")).unwrap();
        ruleset.extend(parse(include_str!("../../../tests/captured/nft-1.0.6/arp.json")).unwrap());
        let mac = "02:f1:0a:57:01:02".parse().unwrap();
        let ipv4 = Ipv4Addr::new(10, 87, 1, 2);
        let address = ipv4.into();
        let port = |protocol, host_ip: Option<&str>| PortMapping {
            protocol,
            host_ip: host_ip.map(|text| text.parse().unwrap()),
            host_port: 8080,
            container_port: 80,
        };
        let desired = [
            Element::Binding { dev: "fn76dac0ffaa3e".parse().unwrap(), address },
            Element::FrameBinding { mac, address },
            Element::ArpBinding { mac, address: ipv4 },
            Element::Published { port: port(Protocol::Tcp, None), address },
            Element::Published { port: port(Protocol::Udp, Some("127.0.0.1")), address },
        ];
        assert_eq!(
            ruleset.elements,
            desired.into_iter().map(|element| (element, "abc".to_owned())).collect()
        );
        assert!(ruleset.structure.len() > 30);
        assert!(!serde_json::to_string(&ruleset.structure).unwrap().contains("handle"));
    }

    /// Its set `bindings` is now named `frame_bindings`.
    #[test]
    fn parses_the_elements_of_flatnet_0_1_0() {
        let ruleset = parse(include_str!("../../../tests/captured/nft-1.0.6/inet-of-0.1.0.json")).unwrap();
        let binding = Element::FrameBinding {
            mac: "02:f1:0a:57:01:02".parse().unwrap(),
            address: "10.87.1.2".parse().unwrap(),
        };
        assert_eq!(ruleset.elements.get(&binding).map(String::as_str), Some("abc"));
        assert_eq!(ruleset.elements.len(), 3, "and two published ports");
    }

    #[test]
    fn gateways_are_read_from_the_sets() {
        let gateways = |elem: &str| {
            let set = |name, elem: &str| format!(r#"{{"set": {{"name": "{name}"{elem}}}}}"#);
            let sets = [set("gateways", elem), set("bindings", "")].join(",");
            parse(&format!(r#"{{"nftables": [{sets}]}}"#)).unwrap().gateways()
        };
        let found = gateways(r#", "elem": ["192.0.2.1", {"concat": ["eth0", "192.0.2.2"]}]"#);
        assert_eq!(found, BTreeSet::from(["192.0.2.1".parse().unwrap()]));
        assert_eq!(gateways(""), BTreeSet::new());
    }

    #[test]
    fn numeric_protocols_are_parsed_like_names() {
        let by_name = include_str!("../../../tests/captured/nft-1.0.6/inet.json");
        let by_number =
            by_name.replace("[\"tcp\", 8080]", "[6, 8080]").replace("[\"udp\", \"127", "[17, \"127");
        assert_eq!(by_number.len(), by_name.len() - 7, "both were replaced");
        assert_eq!(parse(&by_number).unwrap().elements, parse(by_name).unwrap().elements);
    }
}
