//! What exists of the way to containers of other hosts.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;

use super::attachment::{bad_json, ip_show, link, routes};
use super::link_is_gone;
use crate::error::Result;
use crate::kernel::execute::Executor as _;
use crate::kernel::host::Host;
use crate::model::command::Command;
use crate::model::config::VXLAN_PORT;
use crate::model::desired::{HostState, VxlanLink};
use crate::model::plan::Place;
use crate::model::types::Mac;

/// What exists of the way to containers of other hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ObservedOverlay {
    /// Whether the interface exists.
    pub interface: bool,
    /// Whether the range is routed to it.
    pub route: bool,
    /// Whether packets to the range are rejected without it.
    pub unreachable: bool,
    /// The interface and what belongs to it, if Flatnet makes it.
    pub tunnel: Option<ObservedTunnel>,
}

/// An interface with the name of that of VXLAN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ObservedTunnel {
    /// `vxlan`, or that of a foreign link.
    pub kind: String,
    /// What it is made of; `None` if Flatnet makes none like it.
    pub link: Option<VxlanLink>,
    /// Whether it was set up.
    pub up: bool,
    /// Its addresses.
    pub addresses: BTreeSet<IpNet>,
    /// To which host of the LAN frames for a MAC are sent.
    pub fdb: BTreeSet<(Mac, Ipv4Addr)>,
    /// The permanent neighbours.
    pub neighbours: BTreeSet<(Ipv4Addr, Mac)>,
    /// The routes by it.
    pub routes: BTreeSet<(Ipv4Net, Ipv4Addr)>,
}

/// Observes what `desired` names; `refused` are the destinations of unreachable routes.
pub(super) fn observe(desired: &HostState, refused: &[IpNet], host: &mut Host) -> Result<ObservedOverlay> {
    let Some(overlay) = &desired.overlay else { return Ok(ObservedOverlay::default()) };
    let interface = overlay.interface.as_str();
    let range = IpNet::V4(desired.range);
    let unreachable = refused.contains(&range);
    if link_is_gone(interface) {
        return Ok(ObservedOverlay { unreachable, ..ObservedOverlay::default() });
    }
    let show = ["route", "show", "dev", interface, "proto", "87"];
    let routes = routes(&Place::Host, &show, host)?;
    let by_hop = routes.iter().filter_map(|route| match (route.to, route.via) {
        (IpNet::V4(to), Some(std::net::IpAddr::V4(via))) => Some((to, via)),
        _ => None,
    });
    let by_hop = by_hop.collect();
    Ok(ObservedOverlay {
        interface: true,
        route: routes.iter().any(|route| route.to == range),
        unreachable,
        tunnel: match overlay.tunnel {
            Some(_) => tunnel(interface, host)?.map(|tunnel| ObservedTunnel { routes: by_hop, ..tunnel }),
            None => None,
        },
    })
}

/// The interface without its routes; `None` if it is gone by now.
fn tunnel(dev: &str, host: &mut Host) -> Result<Option<ObservedTunnel>> {
    let Some(found) = link(&Place::Host, dev, host)? else { return Ok(None) };
    let mut tunnel = ObservedTunnel {
        kind: found.kind,
        up: found.up,
        addresses: found.addresses.into_iter().collect(),
        ..ObservedTunnel::default()
    };
    if tunnel.kind != "vxlan" {
        return Ok(Some(tunnel));
    }
    let made = ip_show(&Place::Host, &["-d", "link", "show", "dev", dev], host)?.unwrap_or_default();
    tunnel.link = parse_link(&made).map_err(|cause| bad_json("ip link", &cause))?.filter(|_| !found.arp);
    let command = Command::new([host.tools.bridge.as_str(), "-j", "fdb", "show", "dev", dev]);
    let output = host.run(&command, &[])?.checked(&command)?;
    tunnel.fdb = parse_fdb(&output.stdout).map_err(|cause| bad_json("bridge fdb", &cause))?;
    let show = ["neigh", "show", "dev", dev, "nud", "permanent"];
    let neighbours = ip_show(&Place::Host, &show, host)?.unwrap_or_default();
    tunnel.neighbours = parse_neighbours(&neighbours).map_err(|cause| bad_json("ip neigh", &cause))?;
    Ok(Some(tunnel))
}

/// The link in the output of `ip -j -d link show`, if it is one that Flatnet makes, apart from its name.
fn parse_link(json: &str) -> Result<Option<VxlanLink>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Raw {
        address: Mac,
        mtu: u32,
        linkinfo: Info,
    }
    #[derive(Deserialize)]
    struct Info {
        info_data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        id: Option<u32>,
        local: Option<Ipv4Addr>,
        port: Option<u16>,
        #[serde(default)]
        learning: bool,
        remote: Option<String>,
        group: Option<String>,
    }
    let found: Vec<Raw> = serde_json::from_str(json)?;
    Ok(found.into_iter().next().and_then(|Raw { address: mac, mtu, linkinfo: Info { info_data: data } }| {
        let is_plain =
            data.port == Some(VXLAN_PORT) && !data.learning && data.remote.is_none() && data.group.is_none();
        is_plain.then_some(VxlanLink { mac, mtu, vni: data.id?, local: data.local? })
    }))
}

/// The entries in the output of `bridge -j fdb show`.
fn parse_fdb(json: &str) -> Result<BTreeSet<(Mac, Ipv4Addr)>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        mac: String,
        dst: Option<Ipv4Addr>,
    }
    let entries: Vec<Entry> = serde_json::from_str(json)?;
    // An entry for other than unicast frames is no host's.
    Ok(entries.into_iter().filter_map(|entry| Some((entry.mac.parse().ok()?, entry.dst?))).collect())
}

/// The neighbours in the output of `ip -j neigh show`.
fn parse_neighbours(json: &str) -> Result<BTreeSet<(Ipv4Addr, Mac)>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        dst: std::net::IpAddr,
        lladdr: Option<Mac>,
    }
    let entries: Vec<Entry> = serde_json::from_str(json)?;
    let of_ipv4 = |entry: Entry| match entry.dst {
        std::net::IpAddr::V4(address) => Some((address, entry.lladdr?)),
        std::net::IpAddr::V6(_) => None,
    };
    Ok(entries.into_iter().filter_map(of_ipv4).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of iproute2 6.1, shortened.
    const LINK: &str = r#"[{"ifname":"flatnet-ov0","flags":["BROADCAST","MULTICAST","NOARP","UP","LOWER_UP"],"mtu":1300,
        "address":"02:f1:0a:56:00:02","linkinfo":{"info_kind":"vxlan","info_data":{"id":677376,"local":"192.168.77.12",
        "port_range":{"low":0,"high":0},"port":4789,"learning":false,"ttl":0,"df":"unset","ageing":300,"udp_csum":true}}}]"#;

    #[test]
    fn link_is_known_by_what_it_is_made_of() {
        let mac: Mac = "02:f1:0a:56:00:02".parse().unwrap();
        let local = Ipv4Addr::new(192, 168, 77, 12);
        assert_eq!(parse_link(LINK).unwrap(), Some(VxlanLink { mac, mtu: 1300, vni: 677_376, local }));
        for (from, to) in [
            ("\"learning\":false", "\"learning\":true"),
            ("4789", "8472"),
            ("\"ttl\":0", "\"remote\":\"192.0.2.1\""),
            ("\"ttl\":0", "\"group\":\"239.1.1.1\""),
            ("\"local\":\"192.168.77.12\",", ""),
        ] {
            assert_eq!(parse_link(&LINK.replace(from, to)).unwrap(), None, "{to}");
        }
    }

    #[test]
    fn entries_and_neighbours_are_read() {
        let (mac, at) = ("02:f1:0a:56:00:03".parse().unwrap(), Ipv4Addr::new(192, 168, 77, 13));
        let fdb = r#"[{"mac":"02:f1:0a:56:00:03","dst":"192.168.77.13","flags":["self"],"state":"permanent"},
            {"mac":"33:33:00:00:00:01","flags":["self"],"state":"permanent"}]"#;
        assert_eq!(parse_fdb(fdb).unwrap(), BTreeSet::from([(mac, at)]));
        let neighbours = r#"[{"dst":"10.86.0.3","lladdr":"02:f1:0a:56:00:03","state":["PERMANENT"]},
            {"dst":"fe80::1","lladdr":"02:f1:0a:56:00:03","state":["PERMANENT"]},{"dst":"10.86.0.4","state":["NOARP"]}]"#;
        assert_eq!(
            parse_neighbours(neighbours).unwrap(),
            BTreeSet::from([(Ipv4Addr::new(10, 86, 0, 3), mac)])
        );
    }
}
