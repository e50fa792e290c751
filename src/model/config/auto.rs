//! Fields that are `auto` or a value.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv6Net;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::types::{IfName, shown};

/// `auto` or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtu {
    /// The uplink's MTU; 1500 without an uplink.
    Auto,
    /// This many bytes.
    Bytes(u32),
}

/// `auto`, `none` or the name of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// The interface of the default route.
    Auto,
    /// No uplink.
    None,
    /// This interface.
    Dev(IfName),
}

/// `auto` or a list of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngressGateways {
    /// On WSL2 in NAT mode the default route's next hop, which is Windows; otherwise none.
    Auto,
    /// These addresses.
    List(Vec<Ipv4Addr>),
}

/// `off`, `auto` or a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv6 {
    /// Containers have no IPv6.
    #[default]
    Off,
    /// Unique local addresses that follow from the range; connections to the outside are translated.
    Auto,
    /// Addresses of this prefix, which is routed to this host; nothing is translated.
    Prefix(Ipv6Net),
}

impl fmt::Display for Ipv6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Auto => f.write_str("auto"),
            Self::Prefix(prefix) => prefix.fmt(f),
        }
    }
}

impl FromStr for Ipv6 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "auto" => Ok(Self::Auto),
            prefix => prefix.parse().map(Self::Prefix).map_err(|_| {
                format!("\"{}\" is not `off`, `auto` or a prefix such as 2001:db8:1::/48", shown(prefix))
            }),
        }
    }
}

impl Serialize for Ipv6 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ipv6 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Ipv6 {
    fn schema_name() -> Cow<'static, str> {
        "Ipv6".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [{"enum": ["off", "auto"]}, {"type": "string", "pattern": "^[0-9a-f:]+/(48|64)$"}]})
    }
}

impl Serialize for Mtu {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Bytes(bytes) => serializer.serialize_u32(*bytes),
        }
    }
}

impl Serialize for Uplink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Dev(name) => name.as_str(),
        })
    }
}

impl Serialize for IngressGateways {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

struct MtuVisitor;

impl Visitor<'_> for MtuVisitor {
    type Value = Mtu;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto` or a number of bytes")
    }

    fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Mtu, E> {
        u32::try_from(bytes).map(Mtu::Bytes).map_err(|_| E::custom("an MTU is at most 65535"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Mtu, E> {
        if text == "auto" {
            Ok(Mtu::Auto)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
}

impl<'de> Deserialize<'de> for Mtu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MtuVisitor)
    }
}

impl<'de> Deserialize<'de> for Uplink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            name => IfName::parse(name).map(Self::Dev).map_err(D::Error::custom),
        }
    }
}

struct GatewaysVisitor;

impl<'de> Visitor<'de> for GatewaysVisitor {
    type Value = IngressGateways;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto` or a list of IPv4 addresses")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<IngressGateways, E> {
        if text == "auto" {
            Ok(IngressGateways::Auto)
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<IngressGateways, A::Error> {
        let mut list = Vec::new();
        while let Some(address) = seq.next_element()? {
            list.push(address);
        }
        Ok(IngressGateways::List(list))
    }
}

impl<'de> Deserialize<'de> for IngressGateways {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GatewaysVisitor)
    }
}

impl JsonSchema for Mtu {
    fn schema_name() -> Cow<'static, str> {
        "Mtu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [{"const": "auto"}, {"type": "integer", "minimum": 576, "maximum": 65535}]})
    }
}

impl JsonSchema for Uplink {
    fn schema_name() -> Cow<'static, str> {
        "Uplink".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 15})
    }
}

impl JsonSchema for IngressGateways {
    fn schema_name() -> Cow<'static, str> {
        "IngressGateways".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [{"const": "auto"}, {"type": "array", "items": {"type": "string", "format": "ipv4"}}]})
    }
}
