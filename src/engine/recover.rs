//! Rebuilds lost receipts and leases from what bears Flatnet's mark in the kernel.
//!
//! A link's alias names its attachment. The sets hold, by container ID, its MAC, address and ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::leftover::{Concern, Leftover};
use super::{Engine, NetworkGuard};
use crate::error::Result;
use crate::kernel::observe;
use crate::kernel::observe::attachment::{self, ObservedAttachment};
use crate::kernel::observe::link::Link;
use crate::kernel::observe::marked_links::{self, MarkedLinks};
use crate::kernel::observe::netns;
use crate::kernel::planner;
use crate::model::command::Command;
use crate::model::desired::{AttachmentState, Routes};
use crate::model::plan::Element;
use crate::model::types::{Addresses, AttachmentId, Caller, IfName, Mac, NetnsPath, PortMapping, PortMode};
use crate::state::lease::Leases;
use crate::state::receipt::{self, Event, Receipt};

/// Attachments in the kernel without a receipt.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    /// Working attachments, as their receipts must have been.
    pub(super) receipts: Vec<Receipt>,
    /// Host ends of attachments that do not work: the ruleset lacks them, or the container never got its address.
    pub(super) orphans: Vec<IfName>,
    /// Ambiguous things, with advice.
    pub(super) left: Vec<Leftover>,
}

impl Engine {
    /// Finds the marked links of attachments that are not `recorded`.
    pub(super) fn unrecorded(
        &mut self,
        links: &MarkedLinks,
        recorded: &BTreeSet<AttachmentId>,
    ) -> Result<Unrecorded> {
        let mut found = Unrecorded::default();
        let unknown: Vec<_> = links.ports.iter().filter(|(id, _)| !recorded.contains(id)).collect();
        if unknown.is_empty() {
            return Ok(found);
        }
        let elements = attachment::elements(&self.config.network.table(), &mut self.host)?;
        let names = marked_links::netns_names(&mut self.host)?;
        for (id, link) in unknown {
            let Some(name) = self.own_name(id, link, &mut found.left) else { continue };
            let Some(bound) = binding(id, link, &elements) else {
                found.orphans.push(name);
                continue;
            };
            let Some(netns) = link.peer_netns.and_then(|number| names.get(&number)) else {
                found.left.push(Leftover {
                    subject: format!(
                        "container {id} uses {}, but its receipt is lost and no name in /run/netns leads to its namespace",
                        bound.address
                    ),
                    commands: vec![id.container_id.by_podman("restart")],
                    help: "Restart the container to get a new receipt".to_owned(),
                    concern: Concern::Unowned,
                });
                continue;
            };
            match self.remember(id, netns, &bound, &elements)? {
                Some(receipt) => found.receipts.push(receipt),
                None => found.orphans.push(name),
            }
        }
        Ok(found)
    }

    /// The link's name, if it is the attachment's own.
    fn own_name(&self, id: &AttachmentId, link: &Link, left: &mut Vec<Leftover>) -> Option<IfName> {
        let name = id.host_link(&self.config.network);
        if link.name == name.as_str() {
            return Some(name);
        }
        let set = |dev: &str, words: &[&str]| {
            Command::new([&["ip", "link", "set", "dev", dev], words].concat()).line()
        };
        left.push(Leftover {
            subject: format!(
                "the link {} has the alias of container {id}, whose link should be named {name}",
                link.name
            ),
            commands: vec![
                set(&link.name, &["down"]),
                set(&link.name, &["name", name.as_str()]),
                set(name.as_str(), &["up"]),
            ],
            help: "If it was renamed, rename it back, then run `flatnet repair`, which restores its routes"
                .to_owned(),
            concern: Concern::Unowned,
        });
        None
    }

    /// The receipt that a working attachment must have had; `None` if the container does not have the address.
    fn remember(
        &mut self,
        id: &AttachmentId,
        path: &NetnsPath,
        bound: &Bound,
        elements: &BTreeMap<Element, String>,
    ) -> Result<Option<Receipt>> {
        let facts = self.facts()?;
        let Bound { mode, mac, address } = *bound;
        let mapping = facts.ipv6_mapping(&self.config).map(|mapping| mapping.address_of(address));
        let ipv6 = mapping.filter(|ipv6| elements.keys().any(|one| is_binding(one, *ipv6)));
        let addresses = facts.addresses(&self.config, address, ipv6.is_some());
        let ports = published(address, ipv6, elements);
        let state = |routes| AttachmentState {
            mode,
            ..AttachmentState::new(&self.config, &facts, id, path, &addresses, Some(mac), &ports, routes)
        };
        let known = elements.keys().cloned().collect();
        let observed = attachment::observe(&state(Routes::RangeOnly), known, &mut self.host)?;
        let Some(netns_id) = netns::id_at(path)?.filter(|_| has_addresses(&observed, &addresses)) else {
            return Ok(None);
        };
        let leads_here = observed.routes.iter().any(|route| {
            route.to == IpNet::V4(Ipv4Net::default())
                && route.via == Some(self.config.bridge_address().into())
                && route.dev == id.if_name.as_str()
        });
        let desired = state(if leads_here { Routes::Default } else { Routes::RangeOnly });
        let plan = planner::attach(&desired, &ObservedAttachment::default());
        let name = self.store.leases()?.get(address).map(|lease| lease.name.clone()).unwrap_or_default();
        let caller = Caller::of(&id.container_id);
        Ok(Some(self.receipt(&desired, &plan, netns_id, (&name, &[], caller))))
    }

    /// Writes the receipts that [`Engine::unrecorded`] found.
    pub(super) fn adopt(&mut self, found: &[Receipt], network: &NetworkGuard) -> Result<()> {
        for receipt in found {
            self.store.write_receipt(receipt, network)?;
            let event = Event::of_attachment(receipt::ATTACHED);
            self.store.append_events(&receipt.id, &[event]);
            self.log.warn(&format!(
                "the receipt of container {}, {}, was lost and is restored from the kernel",
                receipt.id,
                receipt.address()
            ));
        }
        Ok(())
    }

    /// Complete leases: if their file is lost, rebuilt from the receipts and the kernel; if it lacks a
    /// receipt's address (an older file was restored), with that added.
    pub(super) fn complete_leases(&mut self, network: &NetworkGuard) -> Result<Leases> {
        let mut leases = self.store.leases()?;
        if !self.store.has_leases() {
            let links = self.marked_links()?;
            let recorded = self.store.receipts()?.into_iter().map(|receipt| receipt.id).collect();
            let found = self.unrecorded(&links, &recorded)?;
            self.adopt(&found.receipts, network)?;
            leases = self.store.leases()?;
        }
        for receipt in self.store.receipts_not_in(&leases)? {
            // An address without a link is from a DEL that was killed between its last two writes.
            if !observe::link_is_gone(receipt.host_link.as_str()) {
                leases.hold_again([receipt.address().into()], &receipt.claim());
            }
        }
        Ok(leases)
    }
}

/// Whether the container has all of `addresses`.
pub(super) fn has_addresses(observed: &ObservedAttachment, addresses: &Addresses) -> bool {
    let has =
        |link: &Link, address| link.addresses.iter().chain(&link.ipv6).any(|found| found.addr() == address);
    observed.container_link.as_ref().is_some_and(|link| addresses.iter().all(|address| has(link, address)))
}

/// The identity by which the ruleset knows what arrives by a link.
struct Bound {
    mode: PortMode,
    mac: Mac,
    address: Ipv4Addr,
}

/// The identity by which the ruleset knows this link: its name or, for a port of the bridge, the container's
/// MAC and address from which the link's own MAC is derived.
fn binding(id: &AttachmentId, link: &Link, elements: &BTreeMap<Element, String>) -> Option<Bound> {
    let isolated = link.port.isolated;
    let own = elements.iter().filter(|(_, comment)| *comment == id.container_id.comment());
    own.map(|(element, _)| element).find_map(|element| match element {
        Element::Binding { dev, address: IpAddr::V4(address) } if link.name == dev.as_str() => {
            Some(Bound { mode: PortMode::Routed, mac: link.mac.parse().ok()?, address: *address })
        }
        Element::FrameBinding { mac, address: IpAddr::V4(address) }
            if link.mac == Mac::of_host_link(*address).to_string() =>
        {
            let mode = if isolated { PortMode::Isolated } else { PortMode::Plain };
            Some(Bound { mode, mac: *mac, address: *address })
        }
        _ => None,
    })
}

fn is_binding(element: &Element, ipv6: Ipv6Addr) -> bool {
    matches!(element, Element::Binding { address, .. } if *address == ipv6)
}

/// The ports that lead to `ipv4` or `ipv6`. One that does not lead to both was published at the addresses of one family.
fn published(
    ipv4: Ipv4Addr,
    ipv6: Option<Ipv6Addr>,
    elements: &BTreeMap<Element, String>,
) -> Vec<PortMapping> {
    let all = |at: IpAddr| {
        let port = move |element: &Element| match element {
            Element::Published { port, address } if *address == at => Some(*port),
            _ => None,
        };
        elements.keys().filter_map(port).collect::<Vec<_>>()
    };
    let at_every =
        |port: PortMapping, every: IpAddr| PortMapping { host_ip: port.host_ip.or(Some(every)), ..port };
    let of_ipv4 = all(ipv4.into());
    let Some(ipv6) = ipv6 else { return of_ipv4 };
    let of_ipv6 = all(ipv6.into());
    let (both, only4): (Vec<_>, Vec<_>) = of_ipv4.into_iter().partition(|port| of_ipv6.contains(port));
    let only6 = of_ipv6.into_iter().filter(|port| !both.contains(port));
    let only6 = only6.map(|port| at_every(port, Ipv6Addr::UNSPECIFIED.into())).collect::<Vec<_>>();
    let only4 = only4.into_iter().map(|port| at_every(port, Ipv4Addr::UNSPECIFIED.into()));
    let only4 = only4.collect::<Vec<_>>();
    both.into_iter().chain(only4).chain(only6).collect()
}
