//! The section `gateway`: the HTTP gateway.

use std::fmt;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::{Problem, problem};
use crate::model::types::{HostName, NginxPath};

/// The maximum of `hold`, in seconds.
pub const LONGEST_HOLD: u16 = 300;

/// The HTTP gateway, through which browsers of the LAN reach containers by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The gateway's directory on this host. With the gateway on Windows, for example `/mnt/c/flatnet/gateway`.
    pub directory: PathBuf,
    /// The domains of containers' names: `web.flatnet.internal`, `web.local`.
    #[schemars(with = "Vec<String>")]
    pub domains: Vec<HostName>,
    /// Which containers get a route.
    pub expose: Expose,
    /// The HTTP port.
    pub listen: u16,
    /// Networks that may open the portal, the status page and the metrics. Services are open to every client.
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Ipv4Net>,
    /// Certificate and key for HTTPS. Default: HTTP only.
    pub tls: Option<Tls>,
    /// How long a request waits for a restarting container: seconds, 0 to 300.
    pub hold: u16,
}

/// Which containers get a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Expose {
    /// All that answer HTTP, except with the label `flatnet.enable=false`.
    All,
    /// Those with a label that begins with `flatnet.`.
    Labelled,
    /// None.
    None,
}

/// Certificate and key for HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate with its chain (PEM): nginx's path, absolute or relative to the folder `conf`.
    #[schemars(with = "String")]
    pub certificate: NginxPath,
    /// The key (PEM), likewise.
    #[schemars(with = "String")]
    pub key: NginxPath,
    /// The HTTPS port.
    #[serde(default = "https")]
    pub listen: u16,
    /// Whether HTTP is redirected to HTTPS.
    #[serde(default)]
    pub redirect: bool,
}

fn https() -> u16 {
    443
}

impl Default for Gateway {
    fn default() -> Self {
        let domain = |text| HostName::parse(text).unwrap_or_else(|_| unreachable!("a constant that parses"));
        let net = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("a constant that parses"));
        Self {
            directory: "/var/lib/flatnet-gateway".into(),
            domains: ["flatnet.internal", "local"].map(domain).into(),
            expose: Expose::All,
            listen: 80,
            allow: ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(net).into(),
            tls: None,
            hold: 10,
        }
    }
}

/// Reads the section. The error for an address explains that the field of this name once held the bridge's address.
pub(super) fn section<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gateway, D::Error> {
    deserializer.deserialize_any(Section)
}

struct Section;

impl<'de> Visitor<'de> for Section {
    type Value = Gateway;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of the HTTP gateway")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Gateway, A::Error> {
        Gateway::deserialize(MapAccessDeserializer::new(map))
    }

    /// `gateway:` with every line below it commented out.
    fn visit_unit<E: serde::de::Error>(self) -> Result<Gateway, E> {
        Ok(Gateway::default())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Gateway, E> {
        Err(match text.parse::<std::net::Ipv4Addr>() {
            Ok(address) => E::custom(format_args!(
                "`gateway` is the section of the HTTP gateway; for the bridge's address write `bridge_address: {address}`"
            )),
            Err(_) => E::invalid_type(serde::de::Unexpected::Str(text), &self),
        })
    }
}

/// The first invalid value.
pub(super) fn validate(gateway: &Gateway) -> Result<(), Problem> {
    let Gateway { directory: _, domains, expose: _, listen, allow, tls, hold } = gateway;
    if domains.is_empty() {
        return Err(problem("gateway.domains", "[]", "is empty", "Write [flatnet.internal]"));
    }
    let ports =
        [("gateway.listen", Some(*listen)), ("gateway.tls.listen", tls.as_ref().map(|tls| tls.listen))];
    for (field, port) in ports {
        if port == Some(0) {
            return Err(problem(field, 0, "is not a valid port", "Use 1 to 65535"));
        }
    }
    if tls.as_ref().is_some_and(|tls| tls.listen == *listen) {
        return Err(problem("gateway.tls.listen", listen, "is also the port of gateway.listen", "Write 443"));
    }
    for (index, net) in allow.iter().enumerate() {
        if net.addr() != net.network() {
            let remedy = format!("Write {}", net.trunc());
            return Err(problem(format!("gateway.allow[{index}]"), net, "has host bits set", remedy));
        }
    }
    if *hold > LONGEST_HOLD {
        let why = format!("exceeds {LONGEST_HOLD} seconds");
        return Err(problem("gateway.hold", hold, why, "Write 10"));
    }
    Ok(())
}
