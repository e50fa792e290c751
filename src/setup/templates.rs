//! The configuration and the conflist that `init` writes, from `templates/`.

use std::path::Path;

use crate::model::config::DEFAULT_PATH;
use crate::model::types::{IfName, NetworkName};

const YAML: &str = include_str!("../../templates/flatnet.yaml");
const CONFLIST: &str = include_str!("../../templates/flatnet.conflist");

/// The commented configuration of host `host`.
pub(crate) fn yaml(host: u8, network: &NetworkName, bridge: &IfName) -> String {
    YAML.replace("10.87.1.", &format!("10.87.{host}."))
        .replace("--network flatnet\n", &format!("--network {network}\n"))
        .replace("\nnetwork: flatnet\n", &format!("\nnetwork: {network}\n"))
        .replace("\nbridge: flatnet-br0\n", &format!("\nbridge: {bridge}\n"))
}

/// The conflist for Podman with CNI; `config` is the path of the configuration.
pub(crate) fn conflist(network: &NetworkName, config: &Path) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    CONFLIST
        .replace(&quoted(DEFAULT_PATH), &quoted(&config.to_string_lossy()))
        .replace("\"name\": \"flatnet\"", &format!("\"name\": {}", quoted(network.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::{Config, parse};

    fn network(name: &str) -> NetworkName {
        NetworkName::parse(name).unwrap()
    }

    fn bridge(name: &str) -> IfName {
        IfName::parse(name).unwrap()
    }

    #[test]
    fn the_example_is_the_default() {
        let text = yaml(1, &network("flatnet"), &bridge("flatnet-br0"));
        assert_eq!(text, YAML);
        assert_eq!(parse(&text, Path::new("f")).unwrap(), Config::default());
    }

    /// Also the values that are commented out are ones that the configuration takes.
    #[test]
    fn commented_examples_are_valid() {
        for example in [
            "bridge_address: 10.87.1.1",
            "tls: {certificate: tls/gateway.pem, key: tls/gateway.key, listen: 443, redirect: false}",
            "allocate:\n  from: 10.87.1.10\n  to: 10.87.1.199",
            "host_ports:\n  - {protocol: tcp, port: 5432}",
            "tools:\n  ip: /usr/sbin/ip",
        ] {
            for line in example.lines().filter(|line| *line != "host_ports:") {
                assert!(YAML.contains(line), "{line}");
            }
            let whole = if example.starts_with("tls: ") {
                format!("gateway: {{{example}}}")
            } else {
                example.to_owned()
            };
            parse(&whole, Path::new("f")).unwrap();
        }
    }

    #[test]
    fn the_example_mentions_every_field() {
        let schema = crate::model::config::schema();
        let mut fields = Vec::new();
        collect_fields(&schema, &mut fields);
        assert!(fields.len() > 30, "{fields:?}");
        for field in fields {
            assert!(YAML.contains(&format!("{field}:")), "the example lacks {field}");
        }
    }

    fn collect_fields(schema: &serde_json::Value, into: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(object) => {
                if let Some(properties) = object.get("properties").and_then(serde_json::Value::as_object) {
                    into.extend(properties.keys().cloned());
                }
                object.values().for_each(|value| collect_fields(value, into));
            }
            serde_json::Value::Array(array) => array.iter().for_each(|value| collect_fields(value, into)),
            _ => {}
        }
    }

    #[test]
    fn yaml_follows_host_network_and_bridge() {
        let text = yaml(7, &network("lab"), &bridge("lab-br0"));
        let config = parse(&text, Path::new("f")).unwrap();
        let wanted = Config {
            network: network("lab"),
            bridge: bridge("lab-br0"),
            subnet: "10.87.7.0/24".parse().unwrap(),
            ..Config::default()
        };
        assert_eq!(config, wanted);
        assert!(!text.contains("10.87.1."), "comments speak of this host too");
    }

    #[test]
    fn conflist_has_fields_podman_4_needs() {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let default = read(&conflist(&network("flatnet"), Path::new(DEFAULT_PATH)));
        assert_eq!(default, read(CONFLIST));
        let other = read(&conflist(&network("lab"), Path::new("/etc/a \"b\".yaml")));
        assert_eq!(other["cniVersion"], "1.0.0");
        assert_eq!(other["name"], "lab");
        assert_eq!(other["plugins"][0]["type"], "flatnet");
        assert_eq!(other["plugins"][0]["config"], "/etc/a \"b\".yaml");
        for capability in ["aliases", "ips", "portMappings"] {
            assert_eq!(other["plugins"][0]["capabilities"][capability], true);
        }
    }
}
