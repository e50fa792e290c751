//! The section `names`: names of containers.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Config;
use super::problem::{Problem, problem};
use crate::model::types::HostName;

/// Names of containers, which Flatnet's resolver answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// Whether containers use Flatnet's resolver. If not, they have no names, and `dns` is the contents of their
    /// resolv.conf.
    pub enabled: bool,
    /// The domain of containers' names: `web.direct.flatnet.internal`. In containers `web` is enough.
    #[schemars(with = "String")]
    pub zone: HostName,
    /// Hosts outside that may ask the resolver, besides `ingress_gateways`: addresses, or networks such as
    /// 192.168.50.0/24.
    #[serde(deserialize_with = "addresses_or_networks")]
    #[schemars(with = "Vec<String>")]
    pub clients: Vec<Ipv4Net>,
}

/// The largest number of `clients`: each is a rule of its own.
const MAX_CLIENTS: usize = 64;

impl Default for Names {
    fn default() -> Self {
        let zone = HostName::parse("direct.flatnet.internal");
        let zone = zone.unwrap_or_else(|_| unreachable!("a constant that parses"));
        Self { enabled: true, zone, clients: Vec::new() }
    }
}

/// The first invalid value.
pub(super) fn validate(config: &Config) -> Result<(), Problem> {
    let Names { enabled: _, zone, clients } = &config.names;
    validate_clients(clients, config)?;
    let invalid = |why: String, remedy: &str| Err(problem("names.zone", zone, why, remedy));
    if zone.is_bare() {
        let why = "is a single label, which would be a top-level domain".to_owned();
        return invalid(why, "Write a name with a dot, such as direct.flatnet.internal");
    }
    let within = |domain: &&HostName| domain.is_in(zone);
    match config.gateway.domains.iter().find(within) {
        Some(domain) if domain == zone => invalid(
            "is also one of gateway.domains, whose names lead to the HTTP gateway".to_owned(),
            "Write a domain below it, such as direct.flatnet.internal",
        ),
        Some(domain) => invalid(
            format!("contains {domain} of gateway.domains, whose names lead to the HTTP gateway"),
            "Write a domain that contains no other, such as direct.flatnet.internal",
        ),
        None => Ok(()),
    }
}

fn validate_clients(clients: &[Ipv4Net], config: &Config) -> Result<(), Problem> {
    if clients.len() > MAX_CLIENTS {
        let remedy = "Write a network that contains several of them";
        return Err(problem("names.clients", clients.len(), format!("exceeds {MAX_CLIENTS}"), remedy));
    }
    for (index, client) in clients.iter().enumerate() {
        let invalid = |why: String, remedy: String| {
            let shown =
                if client.prefix_len() == 32 { client.addr().to_string() } else { client.to_string() };
            Err(problem(format!("names.clients[{index}]"), shown, why, remedy))
        };
        let first = client.network();
        if client.addr() != first {
            return invalid("has host bits set".to_owned(), format!("Write {}", client.trunc()));
        }
        if client.prefix_len() < 8 {
            let why = "is so large that the resolver would answer strangers".to_owned();
            return invalid(why, "Write the LAN's network, such as 192.168.50.0/24".to_owned());
        }
        if first.is_unspecified() || first.is_loopback() || first.is_multicast() || first.octets()[0] >= 240 {
            let why = "is not an address of another host".to_owned();
            return invalid(why, "Write the address of one host, or a network".to_owned());
        }
        if config.range.contains(client) {
            let why = format!("is in Flatnet's own range {}", config.range);
            return invalid(why, "Remove it: containers may ask".to_owned());
        }
    }
    Ok(())
}

/// An address is a network of its own.
fn addresses_or_networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ipv4Net>, D::Error> {
    // A type of its own, so that an error has the line of the entry.
    struct AddressOrNetwork(Ipv4Net);
    impl<'de> Deserialize<'de> for AddressOrNetwork {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let parsed = text.parse::<Ipv4Addr>().map(Ipv4Net::from).or_else(|_| text.parse());
            parsed.map(Self).map_err(|_| {
                let shown = text.escape_debug();
                serde::de::Error::custom(format!(
                    "\"{shown}\" is neither an IPv4 address nor a network such as 192.168.50.0/24"
                ))
            })
        }
    }
    let networks = Vec::<AddressOrNetwork>::deserialize(deserializer)?;
    Ok(networks.into_iter().map(|AddressOrNetwork(network)| network).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::model::config::parse;

    #[test]
    fn invalid_zone_is_rejected_with_line_and_remedy() {
        for (text, wanted) in [
            (
                "names:\n  zone: containers\n",
                "f.yaml:2: names.zone: containers is a single label, which would be a top-level domain. Write a name \
                 with a dot, such as direct.flatnet.internal",
            ),
            (
                "names:\n  enabled: false\n  zone: Flatnet.internal\n",
                "f.yaml:3: names.zone: flatnet.internal is also one of gateway.domains, whose names lead to the HTTP \
                 gateway. Write a domain below it, such as direct.flatnet.internal",
            ),
            (
                "names: {zone: corp.example}\ngateway: {domains: [local, web.corp.example]}\n",
                "f.yaml:1: names.zone: corp.example contains web.corp.example of gateway.domains, whose names lead",
            ),
            ("names: {zone: a.b c}\n", "f.yaml:1:8: names: \"a.b c\" is not a valid host name"),
            (
                "names: {zones: a.b}\n",
                "f.yaml:1:9: names: unknown field `zones`, expected one of `enabled`, `zone`, `clients`",
            ),
        ] {
            let line = parse(text, Path::new("f.yaml")).unwrap_err().to_line();
            assert!(line.contains(wanted), "{text}: {line}");
        }
        let close = "names: {zone: xcorp.example}\ngateway: {domains: [corp.example]}\n";
        assert_eq!(parse(close, Path::new("f.yaml")).unwrap().names.zone.as_str(), "xcorp.example");
    }

    #[test]
    fn clients_are_addresses_or_networks() {
        let text = "names: {clients: [192.168.50.53, 192.168.60.0/24]}\n";
        let clients = parse(text, Path::new("f.yaml")).unwrap().names.clients;
        assert_eq!(clients, ["192.168.50.53/32".parse().unwrap(), "192.168.60.0/24".parse().unwrap()]);
        for (clients, wanted) in [
            ("192.168.50.1/24", "names.clients[0]: 192.168.50.1/24 has host bits set. Write 192.168.50.0/24"),
            (
                "10.9.9.9, 0.0.0.0/0",
                "names.clients[1]: 0.0.0.0/0 is so large that the resolver would answer strangers",
            ),
            ("127.0.0.1", "names.clients[0]: 127.0.0.1 is not an address of another host"),
            ("224.0.0.0/8", "names.clients[0]: 224.0.0.0/8 is not an address of another host"),
            ("0.0.0.0/8", "names.clients[0]: 0.0.0.0/8 is not an address of another host"),
            ("10.87.7.0/24", "names.clients[0]: 10.87.7.0/24 is in Flatnet's own range 10.87.0.0/16"),
            ("\"1.2.3.4; drop\"", "\"1.2.3.4; drop\" is neither an IPv4 address nor a network"),
            ("\"::1\"", "\"::1\" is neither an IPv4 address nor a network"),
        ] {
            let text = format!("names: {{clients: [{clients}]}}\n");
            let line = parse(&text, Path::new("f.yaml")).unwrap_err().to_line();
            assert!(line.contains(wanted), "{text}: {line}");
        }
        let many = vec!["192.0.2.1"; 65].join(", ");
        let line =
            parse(&format!("names: {{clients: [{many}]}}\n"), Path::new("f.yaml")).unwrap_err().to_line();
        assert!(line.contains("names.clients: 65 exceeds 64"), "{line}");
    }
}
