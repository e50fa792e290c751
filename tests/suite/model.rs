//! A small model of the kernel: what each operation of a plan does to links, addresses, routes, settings and tables.
//!
//! It is strict as the kernel is: to add what is there, or to delete what is not, fails.

use std::collections::{BTreeMap, BTreeSet};

use flatnet::desired::{AttachmentState, HostState};
use flatnet::observe::attachment::ObservedAttachment;
use flatnet::observe::host::{ObservedHost, ObservedRuleset};
use flatnet::observe::link::{Link, PortFlags};
use flatnet::observe::route::Route;
use flatnet::plan::{Element, LinkAttribute, Op, Place, TableElement};
use flatnet::types::{IfName, LinkGroup, SysctlKey};

/// The kernel's state, as far as Flatnet changes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) host: BTreeMap<String, Link>,
    pub(crate) container: BTreeMap<String, Link>,
    /// The container's, sorted.
    pub(crate) routes: Vec<Route>,
    /// This host's over links of containers, sorted.
    pub(crate) host_routes: Vec<Route>,
    /// The container's addresses whose subnet is not at the link.
    pub(crate) noprefixroute: BTreeSet<String>,
    /// The links that the kernel gives an IPv6 address by itself.
    pub(crate) ipv6_addresses: BTreeSet<String>,
    pub(crate) unreachable: bool,
    pub(crate) arp_table: bool,
    pub(crate) fdb: BTreeSet<(String, String)>,
    pub(crate) sysctls: BTreeMap<SysctlKey, u32>,
    pub(crate) ruleset: Option<String>,
    pub(crate) elements: BTreeSet<TableElement>,
}

type Applied = Result<(), String>;

impl Model {
    /// A host just booted: nothing but settings at the kernel's defaults.
    pub(crate) fn booted() -> Self {
        Self { sysctls: [(SysctlKey::ip_forward(), 0)].into(), ..Self::default() }
    }

    fn links(&mut self, place: &Place) -> &mut BTreeMap<String, Link> {
        match place {
            Place::Host => &mut self.host,
            Place::Netns(_) => &mut self.container,
        }
    }

    fn link(&mut self, place: &Place, dev: &IfName) -> Result<&mut Link, String> {
        self.links(place).get_mut(dev.as_str()).ok_or_else(|| format!("Cannot find device {dev}"))
    }

    fn add_link(&mut self, place: &Place, link: Link) -> Applied {
        let name = link.name.clone();
        match self.links(place).insert(name.clone(), link) {
            None => Ok(()),
            Some(_) => Err(format!("{name}: File exists")),
        }
    }

    /// A link that leaves a bridge forgets what it was as its port.
    pub(crate) fn leave_bridge(&mut self, dev: &IfName) {
        if let Some(link) = self.host.get_mut(dev.as_str()) {
            link.master.clear();
            link.port = new_port();
            self.fdb.retain(|(port, _)| port != dev.as_str());
        }
    }

    fn routes(&mut self, place: &Place) -> &mut Vec<Route> {
        match place {
            Place::Host => &mut self.host_routes,
            Place::Netns(_) => &mut self.routes,
        }
    }

    fn add_route(&mut self, place: &Place, route: Route) -> Applied {
        let routes = self.routes(place);
        let new = !routes.contains(&route);
        routes.push(route);
        routes.sort_by_key(|route| (route.to, route.via, route.dev.clone()));
        new.then_some(()).ok_or_else(|| "File exists".to_owned())
    }

    fn del_route(&mut self, place: &Place, gone: &Route) -> Applied {
        let routes = self.routes(place);
        let before = routes.len();
        routes.retain(|route| route != gone);
        (routes.len() < before).then_some(()).ok_or_else(|| "No such process".to_owned())
    }

    fn has_table(&self) -> Applied {
        self.ruleset.as_ref().map(drop).ok_or_else(|| "No such file or directory".to_owned())
    }

    /// Carries out one operation.
    #[expect(clippy::too_many_lines, reason = "one arm to each operation")]
    pub(crate) fn apply(&mut self, op: &Op) -> Applied {
        match op {
            Op::BridgeAdd { dev, mac } => {
                for setting in HostSettings::of(dev) {
                    self.sysctls.insert(setting.0, setting.1);
                }
                self.add_link(&Place::Host, new_link(dev, "bridge", &mac.to_string(), 1500))
            }
            Op::VethAdd { dev, mac, mtu, master, group, peer, peer_mac, netns, peer_arp } => {
                let mut host_end = new_link(dev, "veth", &mac.to_string(), *mtu);
                host_end.arp = false;
                host_end.group = *group;
                if let Some(bridge) = master {
                    self.link(&Place::Host, bridge)?;
                    host_end.master = bridge.to_string();
                    host_end.port = new_port();
                }
                self.sysctls.insert(SysctlKey::ipv4_conf(dev, "route_localnet"), 0);
                self.ipv6_addresses.insert(dev.to_string());
                self.add_link(&Place::Host, host_end)?;
                let peer = new_link(peer, "veth", &peer_mac.to_string(), *mtu);
                self.add_link(&Place::Netns(netns.clone()), Link { arp: *peer_arp, ..peer })
            }
            Op::LinkSet { place, dev, attribute: LinkAttribute::Name(name) } => {
                let link = self.links(place).remove(dev.as_str()).ok_or("Cannot find device")?;
                let down = (!link.up).then_some(()).ok_or_else(|| "Device or resource busy".to_owned());
                self.add_link(place, Link { name: name.to_string(), ..link })?;
                down
            }
            Op::LinkSet { place: Place::Host, dev, attribute: LinkAttribute::NoMaster } => {
                self.link(&Place::Host, dev)?;
                self.leave_bridge(dev);
                Ok(())
            }
            // With the link comes and goes what the kernel makes of its addresses.
            Op::LinkSet {
                place: Place::Netns(_),
                dev,
                attribute: LinkAttribute::Up | LinkAttribute::Down,
            } => {
                let up = matches!(op, Op::LinkSet { attribute: LinkAttribute::Up, .. });
                let link = self.container.get_mut(dev.as_str()).ok_or("Cannot find device")?;
                link.up = up;
                let name = dev.to_string();
                let addresses: Vec<_> =
                    link.addresses.iter().map(|one| (one.to_string(), one.trunc())).collect();
                for (address, to) in addresses {
                    self.routes.retain(|route| route.to != to || route.via.is_some() || route.dev != name);
                    if up && !self.noprefixroute.contains(&address) {
                        self.routes.push(Route { to, via: None, dev: name.clone() });
                    }
                }
                self.routes.sort_by_key(|route| (route.to, route.via, route.dev.clone()));
                Ok(())
            }
            Op::LinkSet { place: Place::Host, dev, attribute: LinkAttribute::Ipv6Address(on) } => {
                self.link(&Place::Host, dev)?;
                if *on {
                    self.ipv6_addresses.insert(dev.to_string());
                } else {
                    self.ipv6_addresses.remove(dev.as_str());
                }
                Ok(())
            }
            Op::LinkSet { place, dev, attribute } => {
                set(self.link(place, dev)?, attribute);
                Ok(())
            }
            Op::LinkDel { dev } => self.delete_link(dev),
            Op::AddrAdd { place, dev, address, noprefixroute } => {
                let up = self.link(place, dev)?.up;
                if *noprefixroute {
                    self.noprefixroute.insert(address.to_string());
                } else if up && *place != Place::Host {
                    let route = Route { to: address.trunc(), via: None, dev: dev.to_string() };
                    self.add_route(place, route)?;
                }
                let addresses = &mut self.link(place, dev)?.addresses;
                let new = !addresses.contains(address);
                addresses.push(*address);
                new.then_some(()).ok_or_else(|| format!("{address}: File exists"))
            }
            Op::AddrDel { place, dev, address } => {
                self.noprefixroute.remove(&address.to_string());
                let (to, dev_name) = (address.trunc(), dev.to_string());
                self.routes(place).retain(|route| route.to != to || route.dev != dev_name);
                let addresses = &mut self.link(place, dev)?.addresses;
                let before = addresses.len();
                addresses.retain(|found| found != address);
                (addresses.len() < before).then_some(()).ok_or_else(|| format!("{address}: Cannot assign"))
            }
            Op::RouteAdd { place, to, via, dev, src: _ } => {
                let up = self.link(place, dev)?.up;
                let at_link =
                    |route: &Route| route.via.is_none() && via.is_some_and(|via| route.to.contains(&via));
                let leads = via.is_none() || self.routes(place).iter().any(at_link);
                self.add_route(place, Route { to: *to, via: *via, dev: dev.to_string() })?;
                (up && leads).then_some(()).ok_or_else(|| "Nexthop has invalid gateway".to_owned())
            }
            Op::RouteDel { place, to, via, dev } => {
                self.del_route(place, &Route { to: *to, via: *via, dev: dev.to_string() })
            }
            Op::PrefixRouteAdd { place, to, dev, src: _ } => {
                self.add_route(place, Route { to: *to, via: None, dev: dev.to_string() })
            }
            Op::PrefixRouteDel { place, to, dev } => {
                self.del_route(place, &Route { to: *to, via: None, dev: dev.to_string() })
            }
            Op::UnreachableAdd { .. } => (!std::mem::replace(&mut self.unreachable, true))
                .then_some(())
                .ok_or("File exists".to_owned()),
            Op::UnreachableDel { .. } => {
                std::mem::take(&mut self.unreachable).then_some(()).ok_or("No such process".to_owned())
            }
            Op::FlowsDel(_) => Ok(()),
            Op::FdbAdd { dev, mac } => {
                self.link(&Place::Host, dev)?;
                let new = self.fdb.insert((dev.to_string(), mac.to_string()));
                new.then_some(()).ok_or_else(|| "File exists".to_owned())
            }
            Op::FdbDel { dev, mac } => {
                let was = self.fdb.remove(&(dev.to_string(), mac.to_string()));
                was.then_some(()).ok_or_else(|| "No such file".to_owned())
            }
            Op::Sysctl { key, value } => self
                .sysctls
                .insert(key.clone(), *value)
                .map(drop)
                .ok_or_else(|| format!("{key}: no such key")),
            Op::RulesetReplace { text, .. } => {
                self.ruleset = Some(text.clone());
                self.arp_table |= text.contains("\ntable arp ");
                Ok(())
            }
            Op::RulesetDel { arp, .. } => {
                self.ruleset = None;
                self.arp_table &= !arp;
                self.elements.clear();
                Ok(())
            }
            Op::ArpTableDel { .. } => {
                self.arp_table = false;
                self.elements.retain(|one| !matches!(one.element, Element::ArpBinding { .. }));
                Ok(())
            }
            Op::ElementAdd(element) => {
                self.has_table()?;
                self.elements.insert(element.clone());
                Ok(())
            }
            Op::ElementDel(element) => {
                self.has_table()?;
                self.elements.remove(element);
                Ok(())
            }
        }
    }

    fn delete_link(&mut self, dev: &IfName) -> Applied {
        let gone = self.host.remove(dev.as_str()).ok_or_else(|| format!("Cannot find device {dev}"))?;
        if gone.kind == "bridge" {
            for (key, _) in HostSettings::of(dev) {
                self.sysctls.remove(&key);
            }
        } else {
            self.container.clear();
            self.noprefixroute.clear();
            self.routes.clear();
            self.host_routes.retain(|route| route.dev != dev.as_str());
            self.sysctls.remove(&SysctlKey::ipv4_conf(dev, "route_localnet"));
            self.ipv6_addresses.remove(dev.as_str());
            self.fdb.retain(|(port, _)| port != dev.as_str());
        }
        Ok(())
    }

    /// What an observer of the host sees.
    pub(crate) fn observe_host(&self, wanted: &HostState) -> ObservedHost {
        let elements: BTreeMap<Element, String> = self
            .elements
            .iter()
            .map(|one| (one.element.clone(), one.container_id.comment().to_owned()))
            .collect();
        ObservedHost {
            bridge: self.host.get(wanted.bridge.as_str()).cloned(),
            sysctls: self.sysctls.clone(),
            ports: self
                .host
                .values()
                .filter(|link| wanted.ports.iter().any(|port| link.name == port.as_str()))
                .cloned()
                .collect(),
            has_ipv6: true,
            unreachable: self.unreachable,
            arp_table: self.arp_table,
            ruleset: match &self.ruleset {
                None => ObservedRuleset::Absent,
                Some(text) if *text == wanted.ruleset => ObservedRuleset::Same { elements },
                Some(text) => {
                    ObservedRuleset::Differs { text: text.clone(), owner: None, closed: Vec::new() }
                }
            },
        }
    }

    /// What an observer of one attachment sees.
    pub(crate) fn observe_attachment(&self, wanted: &AttachmentState) -> ObservedAttachment {
        let fdb = self.fdb.iter().filter(|(port, _)| port == wanted.host_link.as_str());
        ObservedAttachment {
            host_link: self.host.get(wanted.host_link.as_str()).cloned(),
            fdb: fdb.map(|(_, mac)| mac.clone()).collect(),
            container_link: self.container.get(wanted.id.if_name.as_str()).cloned(),
            ipv6_address: self.ipv6_addresses.contains(wanted.host_link.as_str()),
            routes: self.routes.clone(),
            host_routes: self
                .host_routes
                .iter()
                .filter(|route| route.dev == wanted.host_link.as_str())
                .cloned()
                .collect(),
            route_localnet: wanted.route_localnet().and_then(|key| self.sysctls.get(&key).copied()),
            elements: self.elements.iter().map(|one| one.element.clone()).collect(),
        }
    }
}

/// The settings that come and go with a bridge, at the kernel's defaults.
struct HostSettings;

impl HostSettings {
    fn of(dev: &IfName) -> [(SysctlKey, u32); 7] {
        [
            (SysctlKey::ipv4_conf(dev, "proxy_arp_pvlan"), 0),
            (SysctlKey::ipv4_conf(dev, "proxy_arp"), 0),
            (SysctlKey::ipv4_neigh(dev, "proxy_delay"), 80),
            (SysctlKey::ipv4_conf(dev, "send_redirects"), 1),
            (SysctlKey::ipv4_conf(dev, "accept_redirects"), 1),
            (SysctlKey::ipv4_conf(dev, "route_localnet"), 0),
            (SysctlKey::ipv6_conf(dev, "disable_ipv6"), 0),
        ]
    }
}

fn new_port() -> PortFlags {
    PortFlags { learning: true, locked: Some(false), ..PortFlags::default() }
}

fn new_link(name: &IfName, kind: &str, mac: &str, mtu: u32) -> Link {
    Link {
        name: name.to_string(),
        kind: kind.to_owned(),
        mac: mac.to_owned(),
        mtu,
        up: false,
        arp: true,
        group: LinkGroup::default(),
        alias: String::new(),
        master: String::new(),
        port: PortFlags::default(),
        addresses: Vec::new(),
        peer_netns: None,
    }
}

fn set(link: &mut Link, attribute: &LinkAttribute) {
    match attribute {
        LinkAttribute::Up => link.up = true,
        LinkAttribute::Down => link.up = false,
        LinkAttribute::Arp(on) => link.arp = *on,
        LinkAttribute::Group(group) => link.group = *group,
        // Not a part of the link, but of the kernel's settings: see `apply`.
        LinkAttribute::Ipv6Address(_) => {}
        LinkAttribute::Alias(alias) => link.alias = alias.to_string(),
        LinkAttribute::Name(name) => link.name = name.to_string(),
        LinkAttribute::Mtu(bytes) => link.mtu = *bytes,
        LinkAttribute::Address(mac) => link.mac = mac.to_string(),
        LinkAttribute::Master(bridge) => link.master = bridge.to_string(),
        LinkAttribute::NoMaster => link.master.clear(),
        LinkAttribute::Isolated(on) => link.port.isolated = *on,
        LinkAttribute::Learning(on) => link.port.learning = *on,
        LinkAttribute::Locked(on) => link.port.locked = Some(*on),
        LinkAttribute::Hairpin(on) => link.port.hairpin = *on,
    }
}
