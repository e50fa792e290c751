//! Parses `ip -j -d addr show`: links and their addresses.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::model::types::LinkGroup;

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`; empty for hardware.
    pub kind: String,
    /// Its MAC, in lower case.
    pub mac: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it was set up (`IFF_UP`).
    pub up: bool,
    /// Whether it uses ARP (no `IFF_NOARP`).
    pub arp: bool,
    /// Its group; 0 by default.
    pub group: LinkGroup,
    /// Its alias; empty if unset.
    pub alias: String,
    /// The bridge whose port it is; empty if none.
    pub master: String,
    /// Its flags as a bridge port.
    pub port: PortFlags,
    /// Its IPv4 addresses.
    pub addresses: Vec<IpNet>,
    /// Its IPv6 addresses, without link-local ones.
    pub ipv6: Vec<IpNet>,
    /// Addresses without an on-link route (`noprefixroute`).
    pub noprefixroute: Vec<IpNet>,
    /// The ID of the namespace of a veth's peer (`ip netns list-id`).
    pub peer_netns: Option<u32>,
}

/// The flags of a bridge port; see bridge(8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PortFlags {
    /// It exchanges no frames with other isolated ports.
    pub isolated: bool,
    /// The bridge learns source MACs at it.
    pub learning: bool,
    /// Only frames with a source MAC known at this port pass; kernels before 5.18 lack this.
    pub locked: Option<bool>,
    /// A frame may leave by the port it arrived at.
    pub hairpin: bool,
}

impl Link {
    /// Whether it has this address, of either family.
    #[must_use]
    pub fn has(&self, address: &IpNet) -> bool {
        self.addresses.contains(address) || self.ipv6.contains(address)
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Raw {
    ifname: String,
    flags: Vec<String>,
    mtu: u32,
    /// A number as text, or a name of /etc/iproute2/group.
    group: String,
    master: String,
    address: String,
    ifalias: String,
    /// -1 while the peer's namespace is being deleted.
    link_netnsid: Option<i64>,
    linkinfo: RawInfo,
    addr_info: Vec<RawAddress>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawInfo {
    info_kind: String,
    info_slave_data: PortFlags,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawAddress {
    family: String,
    local: String,
    scope: String,
    prefixlen: u8,
    noprefixroute: bool,
}

/// Parses the output of `ip -j -d addr show`. Skips empty objects, which iproute2 prints for filtered links.
pub fn parse(json: &str) -> Result<Vec<Link>, serde_json::Error> {
    let raw: Vec<Raw> = serde_json::from_str(json)?;
    Ok(raw.into_iter().filter(|raw| !raw.ifname.is_empty()).map(link).collect())
}

fn link(raw: Raw) -> Link {
    let address = |raw: &RawAddress| {
        let address = (raw.family == "inet").then(|| raw.local.parse().ok()).flatten();
        Some(IpNet::from(Ipv4Net::new(address?, raw.prefixlen).ok()?))
    };
    let ipv6 = |raw: &RawAddress| {
        let address =
            (raw.family == "inet6" && raw.scope != "link").then(|| raw.local.parse().ok()).flatten();
        Some(IpNet::from(Ipv6Net::new(address?, raw.prefixlen).ok()?))
    };
    Link {
        ipv6: raw.addr_info.iter().filter_map(ipv6).collect(),
        up: raw.flags.iter().any(|flag| flag == "UP"),
        arp: !raw.flags.iter().any(|flag| flag == "NOARP"),
        group: LinkGroup(raw.group.parse().unwrap_or_default()),
        addresses: raw.addr_info.iter().filter_map(address).collect(),
        noprefixroute: raw.addr_info.iter().filter(|raw| raw.noprefixroute).filter_map(address).collect(),
        name: raw.ifname,
        kind: raw.linkinfo.info_kind,
        mac: raw.address,
        mtu: raw.mtu,
        alias: raw.ifalias,
        master: raw.master,
        port: raw.linkinfo.info_slave_data,
        peer_netns: raw.link_netnsid.and_then(|number| number.try_into().ok()),
    }
}

/// Whether each link of `ip -j link show` has a carrier.
#[must_use]
pub fn carriers(json: &str) -> BTreeMap<String, bool> {
    let links: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let is_flagged = |link: &serde_json::Value, flag: &str| {
        link["flags"].as_array().is_some_and(|flags| flags.iter().any(|one| one == flag))
    };
    links
        .iter()
        .filter_map(|link| Some((link["ifname"].as_str()?.to_owned(), is_flagged(link, "LOWER_UP"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_bridge_and_a_port_of_iproute2_6_1() {
        let json = include_str!("../../../tests/captured/iproute2-6.1/addr.json");
        let links = parse(json).unwrap();
        let bridge = links.iter().find(|link| link.name == "flatnet-br0").unwrap();
        assert_eq!(bridge.kind, "bridge");
        assert!(bridge.up);
        assert_eq!(bridge.addresses, ["10.87.1.1/24".parse().unwrap()]);
        let port = links.iter().find(|link| link.name == "fn76dac0ffaa3e").unwrap();
        assert_eq!(port.master, "flatnet-br0");
        assert!(port.port.isolated && port.port.learning && port.port.locked == Some(false));
        assert!(port.alias.starts_with("flatnet/flatnet/"), "{}", port.alias);
        assert!(port.arp && port.group == LinkGroup(0), "as Flatnet 0.1.0 made it");
    }

    #[test]
    fn parses_a_routed_link_of_iproute2_6_1() {
        let links = parse(include_str!("../../../tests/captured/iproute2-6.1/addr.json")).unwrap();
        let port = links.iter().find(|link| link.name == "fn3c0ffee00001").unwrap();
        assert!(port.master.is_empty() && port.up && !port.arp);
        assert_eq!(port.group, LinkGroup::of_network(&"flatnet".parse().unwrap()));
        assert_eq!(port.mac, "02:f1:0a:57:01:03");
    }

    /// /etc/iproute2/group names some, of which 0 is `default`.
    #[test]
    fn named_link_group_is_read_as_zero() {
        let group =
            |text: &str| parse(&format!(r#"[{{"ifname": "a", "group": "{text}"}}]"#)).unwrap()[0].group;
        assert_eq!(group("1683116946"), LinkGroup(1_683_116_946));
        assert_eq!([group("default"), group("lan")], [LinkGroup(0); 2]);
        assert_eq!(parse(r#"[{"ifname": "a"}]"#).unwrap()[0].group, LinkGroup(0));
    }

    /// Output of iproute2 6.1 for a routed container's end.
    #[test]
    fn noprefixroute_address_is_parsed() {
        let address = r#"{"family":"inet","local":"10.87.1.2","prefixlen":24,"scope":"global","noprefixroute":true,"label":"eth0"}"#;
        let links = |json: &str| parse(&format!(r#"[{{"ifname":"eth0","addr_info":[{json}]}}]"#)).unwrap();
        let with = &links(address)[0];
        assert_eq!(with.addresses, ["10.87.1.2/24".parse().unwrap()]);
        assert_eq!(with.noprefixroute, with.addresses);
        assert!(links(&address.replace(r#""noprefixroute":true,"#, ""))[0].noprefixroute.is_empty());
    }

    #[test]
    fn empty_links_are_skipped_and_garbage_is_an_error() {
        assert_eq!(parse("[{},{}]").unwrap(), []);
        assert!(parse("").is_err() && parse("garbage").is_err(), "iproute2 says it with brackets");
    }

    #[test]
    fn negative_peer_netns_id_is_none() {
        let links = parse(r#"[{"ifname": "a", "link_netnsid": -1}, {"ifname": "b", "link_netnsid": 7}]"#);
        let numbers: Vec<_> = links.unwrap().into_iter().map(|link| link.peer_netns).collect();
        assert_eq!(numbers, [None, Some(7)]);
    }

    /// Output of iproute2 6.1.
    #[test]
    fn carrier_is_read_from_link_flags() {
        let json = r#"[{"ifname":"fn1","flags":["BROADCAST","UP","LOWER_UP"]},{"ifname":"fn2","flags":["NO-CARRIER","UP"]}]"#;
        let expected = [("fn1".to_owned(), true), ("fn2".to_owned(), false)];
        assert_eq!(carriers(json), BTreeMap::from(expected));
    }
}
