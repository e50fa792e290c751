//! A small model of the kernel: the effect of a plan's operations on links, addresses, routes, settings and tables.
//!
//! It is as strict as the kernel: adding an existing object or deleting a missing one fails. So does a route over a
//! link that is down, to an unreachable next hop, or from an address that this host does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use flatnet::kernel::observe::attachment::ObservedAttachment;
use flatnet::kernel::observe::host::{ObservedHost, ObservedRuleset};
use flatnet::kernel::observe::link::{Link, PortFlags};
use flatnet::kernel::observe::overlay::{ObservedOverlay, ObservedTunnel};
use flatnet::kernel::observe::route::Route;
use flatnet::kernel::observe::rule::Rule;
use flatnet::model::desired::{AttachmentState, HostState, VxlanLink};
use flatnet::model::plan::{Element, LinkAttribute, Op, Place, TableElement};
use flatnet::model::types::{IfName, LinkGroup, Mac, PortMapping, RouteTable, SysctlKey};
use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The kernel's state, as far as Flatnet changes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) host: Namespace,
    pub(crate) container: Namespace,
    pub(crate) unreachable: BTreeSet<IpNet>,
    pub(crate) fdb: BTreeSet<(String, String)>,
    pub(crate) tunnel: Option<TunnelModel>,
    pub(crate) sysctls: BTreeMap<SysctlKey, u32>,
    pub(crate) ruleset: Option<Ruleset>,
    pub(crate) arp_table: bool,
}

/// What only an interface of VXLAN has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TunnelModel {
    pub(crate) link: VxlanLink,
    pub(crate) fdb: BTreeSet<(Mac, Ipv4Addr)>,
    pub(crate) neighbours: BTreeMap<Ipv4Addr, Mac>,
}

/// A network namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Namespace {
    pub(crate) links: BTreeMap<String, Link>,
    pub(crate) routes: BTreeSet<ModelRoute>,
    pub(crate) rules: BTreeSet<Rule>,
}

/// A route; `src` is its preferred source address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ModelRoute {
    to: IpNet,
    via: Option<IpAddr>,
    dev: String,
    src: Option<IpAddr>,
    table: Option<RouteTable>,
}

/// The table `inet` and, if it exists, the table `arp`: a hash of the rules, and the elements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ruleset {
    pub(crate) rules: String,
    pub(crate) elements: BTreeSet<TableElement>,
}

/// The beginning of the model's listing of a ruleset, which can be applied to restore it.
const LISTING: &str = "listed by the model\n";

type Applied = Result<(), String>;

fn or(condition: bool, why: &str) -> Applied {
    condition.then_some(()).ok_or_else(|| why.to_owned())
}

impl Ruleset {
    /// A transaction that restores this ruleset.
    fn listing(&self, arp: bool) -> String {
        format!("{LISTING}{}{}", serde_json::to_string(self).unwrap(), if arp { "\ntable arp" } else { "" })
    }
}

/// Parses an element of a container, as the template writes it: key, container and, in a map, value.
fn element_line(line: &str) -> Option<(&str, &str, Option<&str>)> {
    let (key, rest) = line.strip_prefix("\t\t\t")?.split_once(" comment \"")?;
    let (container, value) = rest.strip_suffix(',')?.split_once('"')?;
    Some((key, container, value.strip_prefix(" : ")))
}

/// A hash of a ruleset's text without elements of containers.
fn rules_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| element_line(line).is_none()).collect();
    let text = lines.join("\n").replace("\t\telements = {\n\t\t}\n", "");
    // Shortened, for the output of failed tests.
    let sum = Sha256::digest(text.as_bytes());
    sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The elements in the text of a ruleset.
fn elements_in(text: &str) -> BTreeSet<TableElement> {
    let (mut table, mut set) = (("", ""), "");
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), element_line(line)) {
            (["table", family, name, "{"], _) => table = (*family, *name),
            (["set" | "map", name, "{"], _) => set = *name,
            (_, Some((key, container, value))) => {
                let element = element(table.0, set, &key.replace('"', ""), value);
                let table = table.1.parse().unwrap();
                found.insert(TableElement { table, element, container_id: container.parse().unwrap() });
            }
            _ => {}
        }
    }
    found
}

fn element(family: &str, set: &str, key: &str, value: Option<&str>) -> Element {
    let key: Vec<&str> = key.split(" . ").collect();
    let value: Vec<&str> = value.unwrap_or_default().split(" . ").collect();
    let published = |protocol: &str, host_ip: Option<&str>, host_port: &str| Element::Published {
        port: PortMapping {
            protocol: protocol.parse().unwrap(),
            host_ip: host_ip.map(|address| address.parse().unwrap()),
            host_port: host_port.parse().unwrap(),
            container_port: value[1].parse().unwrap(),
        },
        address: value[0].parse().unwrap(),
    };
    match (family, set, key.as_slice()) {
        ("inet", "bindings" | "bindings6", [dev, address]) => {
            Element::Binding { dev: dev.parse().unwrap(), address: address.parse().unwrap() }
        }
        ("inet", "frame_bindings", [mac, address]) => {
            Element::FrameBinding { mac: mac.parse().unwrap(), address: address.parse().unwrap() }
        }
        ("arp", "bindings", [mac, address]) => {
            Element::ArpBinding { mac: mac.parse().unwrap(), address: address.parse().unwrap() }
        }
        ("inet", "published_anywhere" | "published6_anywhere", [protocol, port]) => {
            published(protocol, None, port)
        }
        ("inet", "published_at_address" | "published6_at_address", [protocol, host, port]) => {
            published(protocol, Some(host), port)
        }
        other => unreachable!("{other:?}"),
    }
}

impl Namespace {
    fn link(&mut self, dev: &str) -> Result<&mut Link, String> {
        self.links.get_mut(dev).ok_or_else(|| format!("Cannot find device {dev}"))
    }

    fn add_link(&mut self, link: Link) -> Applied {
        let name = link.name.clone();
        or(self.links.insert(name.clone(), link).is_none(), &format!("{name}: File exists"))
    }

    fn add_route(&mut self, route: ModelRoute) -> Applied {
        or(self.link(&route.dev)?.up, "Network is down")?;
        let reaches = |via: IpAddr, route: &ModelRoute| route.via.is_none() && route.to.contains(&via);
        let via = route.via.is_none_or(|via| self.routes.iter().any(|known| reaches(via, known)));
        or(via, "Nexthop has invalid gateway")?;
        let has = |address: &IpAddr| self.addresses().any(|found| found == *address);
        or(route.src.as_ref().is_none_or(has), "Invalid prefsrc address")?;
        or(self.routes.insert(route), "File exists")
    }

    /// Removes all routes over a link.
    pub(crate) fn forget_routes_of(&mut self, dev: &IfName) {
        self.routes.retain(|route| route.dev != dev.as_str());
    }

    /// Removes all routes to a destination.
    pub(crate) fn forget_routes_to(&mut self, to: IpNet) {
        self.routes.retain(|route| route.to != to);
    }

    fn del_route(&mut self, to: IpNet, via: Option<IpAddr>, dev: &str, table: Option<RouteTable>) -> Applied {
        let before = self.routes.len();
        let is = |route: &ModelRoute| {
            (route.to, route.via, route.dev.as_str(), route.table) == (to, via, dev, table)
        };
        self.routes.retain(|route| !is(route));
        or(self.routes.len() < before, "No such process")
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.links.values().flat_map(|link| &link.addresses).map(IpNet::addr)
    }

    fn add_address(&mut self, dev: &str, address: IpNet, noprefixroute: bool) -> Applied {
        let link = self.link(dev)?;
        or(!link.addresses.contains(&address), &format!("{address}: File exists"))?;
        link.addresses.push(address);
        link.addresses.sort();
        if noprefixroute {
            link.noprefixroute.push(address);
        }
        self.make_prefix_routes(dev, |added| *added == address)
    }

    fn del_address(&mut self, dev: &str, address: IpNet) -> Applied {
        let link = self.link(dev)?;
        or(link.addresses.contains(&address), &format!("{address}: Cannot assign requested address"))?;
        link.addresses.retain(|found| *found != address);
        link.noprefixroute.retain(|found| *found != address);
        let of_prefix = prefix_route(dev, address);
        self.routes.retain(|route| *route != of_prefix);
        self.forget_sources();
        Ok(())
    }

    /// Adds the kernel's routes to the subnets of a link's addresses for which `is_new` holds, if the link is up.
    fn make_prefix_routes(&mut self, dev: &str, is_new: impl Fn(&IpNet) -> bool) -> Applied {
        let link = self.link(dev)?.clone();
        let with_route = |address: &&IpNet| {
            is_new(address)
                && !link.noprefixroute.contains(address)
                && address.prefix_len() < address.max_prefix_len()
        };
        if link.up {
            self.routes
                .extend(link.addresses.iter().filter(with_route).map(|&address| prefix_route(dev, address)));
        }
        Ok(())
    }

    /// Removes routes whose source address no longer exists.
    fn forget_sources(&mut self) {
        let addresses: BTreeSet<IpAddr> = self.addresses().collect();
        self.routes.retain(|route| route.src.is_none_or(|src| addresses.contains(&src)));
    }

    fn set(&mut self, dev: &str, attribute: &LinkAttribute) -> Applied {
        let link = self.link(dev)?;
        match attribute {
            LinkAttribute::Up => {
                link.up = true;
                return self.make_prefix_routes(dev, |_| true);
            }
            LinkAttribute::Down => {
                link.up = false;
                self.routes.retain(|route| route.dev != dev);
            }
            LinkAttribute::Arp(on) => link.arp = *on,
            LinkAttribute::Group(group) => link.group = *group,
            LinkAttribute::Alias(alias) => link.alias = alias.to_string(),
            LinkAttribute::Mtu(bytes) => link.mtu = *bytes,
            LinkAttribute::Address(mac) => link.mac = mac.to_string(),
            LinkAttribute::Master(bridge) => (link.master, link.port) = (bridge.to_string(), new_port()),
            LinkAttribute::NoMaster => (link.master, link.port) = (String::new(), PortFlags::default()),
            LinkAttribute::Isolated(on) => port(link)?.isolated = *on,
            LinkAttribute::Learning(on) => port(link)?.learning = *on,
            LinkAttribute::Locked(on) => port(link)?.locked = Some(*on),
            LinkAttribute::Hairpin(on) => port(link)?.hairpin = *on,
            LinkAttribute::Name(_) | LinkAttribute::Ipv6Address(_) => unreachable!("the model's own"),
        }
        Ok(())
    }

    fn rename(&mut self, dev: &str, name: &IfName) -> Applied {
        let link = self.links.remove(dev).ok_or("Cannot find device")?;
        let down = or(!link.up, "Device or resource busy");
        self.add_link(Link { name: name.to_string(), ..link })?;
        down
    }
}

fn port(link: &mut Link) -> Result<&mut PortFlags, String> {
    or(!link.master.is_empty(), "Operation not supported").map(|()| &mut link.port)
}

fn prefix_route(dev: &str, address: IpNet) -> ModelRoute {
    ModelRoute { to: address.trunc(), via: None, dev: dev.to_owned(), src: Some(address.addr()), table: None }
}

impl Model {
    /// A host after boot: only settings at the kernel's defaults.
    pub(crate) fn booted() -> Self {
        Self {
            sysctls: [(SysctlKey::ip_forward(), 0), (SysctlKey::default_forwarding(), 1)].into(),
            ..Self::default()
        }
    }

    fn at(&mut self, place: &Place) -> &mut Namespace {
        match place {
            Place::Host => &mut self.host,
            Place::Netns(_) => &mut self.container,
        }
    }

    fn elements(&mut self) -> Result<&mut BTreeSet<TableElement>, String> {
        let ruleset = self.ruleset.as_mut().ok_or_else(|| "No such file or directory".to_owned())?;
        Ok(&mut ruleset.elements)
    }

    /// Applies one operation.
    pub(crate) fn apply(&mut self, op: &Op) -> Applied {
        match op {
            Op::BridgeAdd { dev, mac } => {
                self.sysctls.extend(bridge_settings(dev));
                self.host.add_link(new_link(dev, "bridge", &mac.to_string(), 1500))
            }
            Op::VethAdd { dev, mac, mtu, master, group, peer, peer_mac, netns, peer_arp } => {
                let host_end = new_link(dev, "veth", &mac.to_string(), *mtu);
                self.host.add_link(Link { arp: false, group: *group, ..host_end })?;
                if let Some(bridge) = master {
                    self.host.link(bridge.as_str())?;
                    self.host.set(dev.as_str(), &LinkAttribute::Master(bridge.clone()))?;
                }
                self.sysctls.extend(port_settings(dev));
                let peer = new_link(peer, "veth", &peer_mac.to_string(), *mtu);
                self.at(&Place::Netns(netns.clone())).add_link(Link { arp: *peer_arp, ..peer })
            }
            Op::LinkSet { place, dev, attribute } => self.set(place, dev, attribute),
            Op::LinkDel { dev } => self.delete_link(dev),
            Op::AddrAdd { place, dev, address, noprefixroute } => {
                self.at(place).add_address(dev.as_str(), *address, *noprefixroute)
            }
            Op::AddrDel { place, dev, address } => self.at(place).del_address(dev.as_str(), *address),
            Op::RouteAdd { place, to, via, dev, src, table } => {
                let route = ModelRoute { to: *to, via: *via, dev: dev.to_string(), src: *src, table: *table };
                self.at(place).add_route(route)
            }
            Op::RouteDel { place, to, via, dev, table } => {
                self.at(place).del_route(*to, *via, dev.as_str(), *table)
            }
            Op::RuleAdd { place, from, table } => {
                or(self.at(place).rules.insert(Rule { from: *from, table: *table }), "File exists")
            }
            Op::RuleDel { place, from, table } => {
                let rule = Rule { from: *from, table: *table };
                or(self.at(place).rules.remove(&rule), "No such file or directory")
            }
            Op::RulesFlush { place, table, ipv6 } => {
                let is_flushed = |rule: &Rule| rule.table == *table && rule.from.is_ipv6() == *ipv6;
                self.at(place).rules.retain(|rule| !is_flushed(rule));
                Ok(())
            }
            Op::UnreachableAdd { to } => or(self.unreachable.insert(*to), "File exists"),
            Op::UnreachableDel { to } => or(self.unreachable.remove(to), "No such process"),
            Op::PrefixRouteAdd { place, to, dev, src } => {
                let route =
                    ModelRoute { to: *to, via: None, dev: dev.to_string(), src: Some(*src), table: None };
                self.at(place).add_route(route)
            }
            Op::PrefixRouteDel { place, to, dev } => self.at(place).del_route(*to, None, dev.as_str(), None),
            Op::VxlanAdd { .. }
            | Op::TunnelAdd { .. }
            | Op::TunnelDel { .. }
            | Op::NeighbourAdd { .. }
            | Op::NeighbourDel { .. } => self.apply_to_tunnel(op),
            Op::FdbAdd { dev, mac } => {
                port(self.host.link(dev.as_str())?)?;
                or(self.fdb.insert((dev.to_string(), mac.to_string())), "File exists")
            }
            Op::FdbDel { dev, mac } => {
                or(self.fdb.remove(&(dev.to_string(), mac.to_string())), "No such file or directory")
            }
            Op::Sysctl { key, value } => self
                .sysctls
                .insert(key.clone(), *value)
                .map(drop)
                .ok_or_else(|| format!("{key}: no such key")),
            Op::RulesetReplace { text, .. } => self.replace(text),
            Op::RulesetDel { table: _, arp } => {
                self.ruleset = None;
                self.arp_table &= !arp;
                Ok(())
            }
            Op::ArpTableDel { table: _ } => {
                self.arp_table = false;
                let in_it = |one: &TableElement| matches!(one.element, Element::ArpBinding { .. });
                self.ruleset.iter_mut().for_each(|ruleset| ruleset.elements.retain(|one| !in_it(one)));
                Ok(())
            }
            Op::ElementAdd(element) => {
                self.has_table_of(element)?;
                self.elements()?.insert(element.clone());
                Ok(())
            }
            Op::ElementDel(element) => {
                self.has_table_of(element)?;
                self.elements()?.remove(element);
                Ok(())
            }
            // The model has neither flows nor processes.
            Op::FlowsDel(_)
            | Op::ResolverStart(_)
            | Op::ResolverStop { .. }
            | Op::ServiceStart { .. }
            | Op::ServiceStop { .. } => Ok(()),
        }
    }

    fn apply_to_tunnel(&mut self, op: &Op) -> Applied {
        match op {
            Op::VxlanAdd { dev, link } => {
                let made = new_link(dev, "vxlan", &link.mac.to_string(), link.mtu);
                self.host.add_link(Link { arp: false, ..made })?;
                self.sysctls.insert(SysctlKey::ipv6_conf(dev, "disable_ipv6"), 0);
                let (link, fdb, neighbours) = (link.clone(), BTreeSet::new(), BTreeMap::new());
                self.tunnel = Some(TunnelModel { link, fdb, neighbours });
                Ok(())
            }
            Op::TunnelAdd { dev: _, mac, at } => {
                let fdb = &mut self.tunnel()?.fdb;
                or(fdb.iter().all(|(known, _)| known != mac), "File exists")?;
                fdb.insert((*mac, *at));
                Ok(())
            }
            Op::TunnelDel { dev: _, mac, at } => {
                or(self.tunnel()?.fdb.remove(&(*mac, *at)), "No such file or directory")
            }
            Op::NeighbourAdd { dev: _, address, mac } => {
                self.tunnel()?.neighbours.insert(*address, *mac);
                Ok(())
            }
            Op::NeighbourDel { dev: _, address } => {
                or(self.tunnel()?.neighbours.remove(address).is_some(), "No such file or directory")
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn tunnel(&mut self) -> Result<&mut TunnelModel, String> {
        self.tunnel.as_mut().ok_or_else(|| "Cannot find device".to_owned())
    }

    fn set(&mut self, place: &Place, dev: &IfName, attribute: &LinkAttribute) -> Applied {
        match attribute {
            LinkAttribute::Name(name) => self.at(place).rename(dev.as_str(), name),
            LinkAttribute::Ipv6Address(_) if matches!(place, Place::Netns(_)) => Ok(()),
            LinkAttribute::Ipv6Address(on) => {
                let key = addr_gen_mode(dev);
                self.sysctls
                    .insert(key, u32::from(!on))
                    .map(drop)
                    .ok_or_else(|| format!("Cannot find device {dev}"))
            }
            attribute => {
                self.at(place).set(dev.as_str(), attribute)?;
                if *attribute == LinkAttribute::NoMaster {
                    self.fdb.retain(|(port, _)| port != dev.as_str());
                }
                Ok(())
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "every operation says whether the kernel takes it")]
    fn replace(&mut self, text: &str) -> Applied {
        self.arp_table |= text.contains("\ntable arp");
        self.ruleset = Some(match text.strip_prefix(LISTING) {
            Some(listed) => serde_json::from_str(listed.lines().next().unwrap_or_default()).unwrap(),
            None => Ruleset { rules: rules_of(text), elements: elements_in(text) },
        });
        Ok(())
    }

    fn has_table_of(&self, element: &TableElement) -> Applied {
        let in_bridge = matches!(element.element, Element::ArpBinding { .. } | Element::FrameBinding { .. });
        or(!in_bridge || self.arp_table, "No such file or directory")
    }

    fn delete_link(&mut self, dev: &IfName) -> Applied {
        let gone = self.host.links.remove(dev.as_str()).ok_or_else(|| format!("Cannot find device {dev}"))?;
        self.host.routes.retain(|route| route.dev != dev.as_str());
        self.host.forget_sources();
        if gone.kind == "bridge" {
            for (key, _) in bridge_settings(dev) {
                self.sysctls.remove(&key);
            }
        } else if gone.kind == "vxlan" {
            self.tunnel = None;
            self.sysctls.remove(&SysctlKey::ipv6_conf(dev, "disable_ipv6"));
        } else {
            self.container = Namespace::default();
            self.fdb.retain(|(port, _)| port != dev.as_str());
            for (key, _) in port_settings(dev) {
                self.sysctls.remove(&key);
            }
        }
        Ok(())
    }

    /// The observed state of the host.
    pub(crate) fn observe_host(&self, wanted: &HostState) -> ObservedHost {
        let ports = wanted.ports.iter().filter_map(|port| self.host.links.get(port.as_str()));
        ObservedHost {
            bridge: self.host.links.get(wanted.bridge.as_str()).map(by_family),
            ports: ports.cloned().collect(),
            sysctls: self.sysctls.clone(),
            has_ipv6: true,
            unreachable: self.unreachable.contains(&IpNet::V4(wanted.subnet)),
            unreachable6: self.unreachable6(),
            overlay: self.observe_overlay(wanted),
            ruleset: match &self.ruleset {
                None => ObservedRuleset::Absent,
                Some(found)
                    if found.rules == rules_of(&wanted.ruleset) && self.arp_table >= wanted.bridged =>
                {
                    let entry =
                        |one: &TableElement| (one.element.clone(), one.container_id.comment().to_owned());
                    ObservedRuleset::Same { elements: found.elements.iter().map(entry).collect() }
                }
                Some(found) => ObservedRuleset::Differs {
                    text: found.listing(self.arp_table),
                    owner: None,
                    closed: Vec::new(),
                },
            },
            arp_table: self.arp_table,
            resolver: None,
            service: None,
        }
    }

    fn unreachable6(&self) -> Vec<Ipv6Net> {
        let ipv6 = |to: &IpNet| if let IpNet::V6(to) = to { Some(*to) } else { None };
        self.unreachable.iter().filter_map(ipv6).collect()
    }

    fn observe_overlay(&self, wanted: &HostState) -> ObservedOverlay {
        let range = IpNet::V4(wanted.range);
        let dev = wanted.overlay.as_ref().map_or("", |overlay| overlay.interface.as_str());
        let of_dev = self.host.routes.iter().filter(|route| route.dev == dev);
        let by_hop = of_dev.filter_map(|route| match (route.to, route.via) {
            (IpNet::V4(to), Some(IpAddr::V4(via))) => Some((to, via)),
            _ => None,
        });
        let tunnel = self.host.links.get(dev).zip(self.tunnel.as_ref());
        ObservedOverlay {
            tunnel: tunnel.map(|(link, tunnel)| ObservedTunnel {
                kind: link.kind.clone(),
                link: Some(VxlanLink { mtu: link.mtu, ..tunnel.link.clone() }),
                up: link.up,
                addresses: link.addresses.iter().copied().collect(),
                fdb: tunnel.fdb.clone(),
                neighbours: tunnel.neighbours.iter().map(|(&address, &mac)| (address, mac)).collect(),
                routes: by_hop.collect(),
            }),
            interface: self.host.links.contains_key(dev),
            route: self.host.routes.iter().any(|route| route.to == range && route.dev == dev),
            unreachable: wanted.range != wanted.subnet && self.unreachable.contains(&range),
        }
    }

    /// The observed state of one attachment.
    pub(crate) fn observe_attachment(&self, wanted: &AttachmentState) -> ObservedAttachment {
        let dev = wanted.host_link.as_str();
        let fdb = self.fdb.iter().filter(|(port, _)| port == dev);
        let seen = |route: &ModelRoute| {
            let ModelRoute { to, via, dev, table, src: _ } = route.clone();
            Route { to, via, dev, table }
        };
        // `ip route show dev` omits the link.
        let of_port = |route: &ModelRoute| Route { dev: String::new(), ..seen(route) };
        let elements = self.ruleset.iter().flat_map(|ruleset| &ruleset.elements);
        ObservedAttachment {
            forwarding: None,
            host_link: self.host.links.get(dev).cloned(),
            fdb: fdb.map(|(_, mac)| mac.clone()).collect(),
            ipv6_address: self.sysctls.get(&addr_gen_mode(&wanted.host_link)) == Some(&0),
            host_routes: self.host.routes.iter().filter(|route| route.dev == dev).map(of_port).collect(),
            route_localnet: wanted.route_localnet().and_then(|key| self.sysctls.get(&key).copied()),
            container_link: self.container.links.get(wanted.id.if_name.as_str()).cloned(),
            routes: self.container.routes.iter().map(seen).collect(),
            rules: self.container.rules.iter().copied().collect(),
            elements: elements.map(|one| one.element.clone()).collect(),
        }
    }
}

/// Settings that exist only while the bridge exists, at the kernel's defaults.
fn bridge_settings(dev: &IfName) -> [(SysctlKey, u32); 8] {
    [
        (SysctlKey::ipv4_conf(dev, "proxy_arp_pvlan"), 0),
        (SysctlKey::ipv4_conf(dev, "proxy_arp"), 0),
        (SysctlKey::ipv4_neigh(dev, "proxy_delay"), 80),
        (SysctlKey::ipv4_conf(dev, "send_redirects"), 1),
        (SysctlKey::ipv4_conf(dev, "accept_redirects"), 1),
        (SysctlKey::ipv4_conf(dev, "route_localnet"), 0),
        (SysctlKey::ipv4_conf(dev, "forwarding"), 0),
        (SysctlKey::ipv6_conf(dev, "disable_ipv6"), 0),
    ]
}

/// Settings that exist only while the host link exists, at the kernel's defaults.
fn port_settings(dev: &IfName) -> [(SysctlKey, u32); 2] {
    [(SysctlKey::ipv4_conf(dev, "route_localnet"), 0), (addr_gen_mode(dev), 0)]
}

fn addr_gen_mode(dev: &IfName) -> SysctlKey {
    SysctlKey::ipv6_conf(dev, "addr_gen_mode")
}

/// A link as it is observed. The model keeps the addresses of both families together.
fn by_family(link: &Link) -> Link {
    let (addresses, ipv6) = link.addresses.iter().partition(|address| address.addr().is_ipv4());
    Link { addresses, ipv6, ..link.clone() }
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
        ipv6: Vec::new(),
        noprefixroute: Vec::new(),
        peer_netns: None,
    }
}
