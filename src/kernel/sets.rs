//! The nft sets and maps with elements of containers: their names, and how an [`Element`] is written and read.
//!
//! To add one: CONTRIBUTING.md, A set of the ruleset.

use std::net::IpAddr;

use crate::model::plan::Element;
use crate::model::types::{ContainerId, PortMapping, Protocol};

/// A set or map of one of Flatnet's tables.
#[derive(Debug)]
pub struct Set {
    /// The family of its table: `inet` or `arp`.
    pub family: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Reads the element with this key and, in a map, this value; `None` if they do not fit this set.
    read: fn(&[&str], &[&str]) -> Option<Element>,
}

static BINDINGS: Set = Set {
    family: "inet",
    name: "bindings",
    read: |key, _| {
        let [dev, address] = key else { return None };
        let address = address.parse().ok()?;
        match dev.parse() {
            // In 0.1.0 the set of this name held MACs instead of links.
            Ok(mac) => Some(Element::FrameBinding { mac, address }),
            Err(_) => Some(Element::Binding { dev: dev.parse().ok()?, address }),
        }
    },
};

static BINDINGS6: Set = Set {
    family: "inet",
    name: "bindings6",
    read: |key, _| {
        let [dev, address] = key else { return None };
        Some(Element::Binding { dev: dev.parse().ok()?, address: address.parse().ok()? })
    },
};

static FRAME_BINDINGS: Set = Set {
    family: "inet",
    name: "frame_bindings",
    read: |key, _| {
        let [mac, address] = key else { return None };
        Some(Element::FrameBinding { mac: mac.parse().ok()?, address: address.parse().ok()? })
    },
};

static ARP_BINDINGS: Set = Set {
    family: "arp",
    name: "bindings",
    read: |key, _| {
        let [mac, address] = key else { return None };
        Some(Element::ArpBinding { mac: mac.parse().ok()?, address: address.parse().ok()? })
    },
};

static PUBLISHED_ANYWHERE: Set = Set {
    family: "inet",
    name: "published_anywhere",
    read: |key, value| {
        let [protocol, port] = key else { return None };
        published(protocol, None, port, value)
    },
};

static PUBLISHED_AT_ADDRESS: Set = Set {
    family: "inet",
    name: "published_at_address",
    read: |key, value| {
        let [protocol, host_ip, port] = key else { return None };
        published(protocol, Some(host_ip.parse().ok()?), port, value)
    },
};

static PUBLISHED6_ANYWHERE: Set =
    Set { family: "inet", name: "published6_anywhere", read: PUBLISHED_ANYWHERE.read };

static PUBLISHED6_AT_ADDRESS: Set =
    Set { family: "inet", name: "published6_at_address", read: PUBLISHED_AT_ADDRESS.read };

/// All of them.
pub static SETS: [&Set; 8] = [
    &BINDINGS,
    &BINDINGS6,
    &FRAME_BINDINGS,
    &ARP_BINDINGS,
    &PUBLISHED_ANYWHERE,
    &PUBLISHED_AT_ADDRESS,
    &PUBLISHED6_ANYWHERE,
    &PUBLISHED6_AT_ADDRESS,
];

/// An element as nft writes it.
#[derive(Debug)]
pub struct Entry {
    /// The set or map.
    pub set: &'static Set,
    /// `PART . PART`.
    pub key: String,
    /// The value, for a map, likewise.
    pub value: Option<String>,
}

impl Entry {
    /// The set and the words of `element`.
    #[must_use]
    pub fn of(element: &Element) -> Self {
        match element {
            Element::Binding { dev, address } => {
                let set = if address.is_ipv6() { &BINDINGS6 } else { &BINDINGS };
                Self::key(set, format!("\"{dev}\" . {address}"))
            }
            Element::FrameBinding { mac, address } => {
                Self::key(&FRAME_BINDINGS, format!("{mac} . {address}"))
            }
            Element::ArpBinding { mac, address } => Self::key(&ARP_BINDINGS, format!("{mac} . {address}")),
            Element::Published { port, address } => {
                let PortMapping { protocol, host_ip, host_port, container_port } = port;
                let (anywhere, at_address) = match address {
                    IpAddr::V4(_) => (&PUBLISHED_ANYWHERE, &PUBLISHED_AT_ADDRESS),
                    IpAddr::V6(_) => (&PUBLISHED6_ANYWHERE, &PUBLISHED6_AT_ADDRESS),
                };
                let entry = match host_ip {
                    None => Self::key(anywhere, format!("{protocol} . {host_port}")),
                    Some(host_ip) => Self::key(at_address, format!("{protocol} . {host_ip} . {host_port}")),
                };
                Self { value: Some(format!("{address} . {container_port}")), ..entry }
            }
        }
    }

    fn key(set: &'static Set, key: String) -> Self {
        Self { set, key, value: None }
    }

    /// The element with its container ID as comment.
    #[must_use]
    pub fn with_comment(&self, container_id: &ContainerId) -> String {
        let Self { set: _, key, value } = self;
        let value = value.as_ref().map_or(String::new(), |value| format!(" : {value}"));
        format!("{key} comment \"{}\"{value}", container_id.comment())
    }
}

/// The set `name` of the table of this `family`.
#[must_use]
pub fn find(family: &str, name: &str) -> Option<&'static Set> {
    SETS.into_iter().find(|set| set.family == family && set.name == name)
}

impl Set {
    /// The element with this key and, in a map, this value, split into parts; `None` if they do not fit this set.
    #[must_use]
    pub fn element(&self, key: &[&str], value: &[&str]) -> Option<Element> {
        (self.read)(key, value)
    }
}

fn published(protocol: &str, host_ip: Option<IpAddr>, host_port: &str, value: &[&str]) -> Option<Element> {
    let [address, container_port] = value else { return None };
    let port = PortMapping {
        protocol: protocol_of(protocol)?,
        host_ip,
        host_port: host_port.parse().ok()?,
        container_port: container_port.parse().ok()?,
    };
    Some(Element::Published { port, address: address.parse().ok()? })
}

/// A protocol by its name or, without /etc/protocols (Debian package netbase), its number.
fn protocol_of(text: &str) -> Option<Protocol> {
    match text {
        "6" => Some(Protocol::Tcp),
        "17" => Some(Protocol::Udp),
        "132" => Some(Protocol::Sctp),
        name => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn set_elements_round_trip() {
        let ipv4 = Ipv4Addr::new(10, 87, 1, 2);
        let address = ipv4.into();
        let mac = "02:f1:0a:57:01:02".parse().unwrap();
        let ipv6: IpAddr = "fd00::2".parse().unwrap();
        let published_to = |host_ip, address| {
            let port = PortMapping { protocol: Protocol::Udp, host_ip, host_port: 5353, container_port: 53 };
            Element::Published { port, address }
        };
        let published = |host_ip| published_to(host_ip, address);
        let published6 = |host_ip| published_to(host_ip, ipv6);
        for element in [
            Element::Binding { dev: "fn0123456789ab".parse().unwrap(), address },
            Element::FrameBinding { mac, address },
            Element::ArpBinding { mac, address: ipv4 },
            published(None),
            published(Some(Ipv4Addr::LOCALHOST.into())),
            Element::Binding { dev: "fn0123456789ab".parse().unwrap(), address: ipv6 },
            published6(None),
            published6("2001:db8::1".parse().ok()),
        ] {
            let Entry { set, key, value } = Entry::of(&element);
            let value = value.unwrap_or_default();
            let parts =
                |text: &str| text.replace('"', "").split(" . ").map(str::to_owned).collect::<Vec<_>>();
            let (key, value) = (parts(&key), parts(&value));
            let key: Vec<&str> = key.iter().map(String::as_str).collect();
            let value: Vec<&str> = value.iter().map(String::as_str).collect();
            assert_eq!(set.element(&key, &value).as_ref(), Some(&element));
            assert!(std::ptr::eq(find(set.family, set.name).unwrap(), set));
        }
    }
}
