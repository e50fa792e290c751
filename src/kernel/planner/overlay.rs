//! The steps for the way to containers of other hosts.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};

use super::host::{addr_add, addr_del};
use crate::error::{Error, Kind, Result};
use crate::kernel::observe::host::ObservedHost;
use crate::kernel::observe::overlay::ObservedTunnel;
use crate::model::desired::{HostState, OverlayRoute, Tunnel};
use crate::model::plan::{LinkAttribute, Op, Place, Plan, Undo};
use crate::model::types::IfName;

/// The routes to other hosts' containers: by the overlay's interface, and nowhere without it. With a tunnel Flatnet makes the
/// interface; otherwise the overlay's program does.
pub(super) fn up(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) -> Result<()> {
    let Some(overlay) = &desired.overlay else { return Ok(()) };
    let to = IpNet::V4(desired.range);
    if !observed.overlay.unreachable {
        let why = "without the overlay's interface other hosts' containers are unreachable, and their packets leave by no other route";
        plan.push(Op::UnreachableAdd { to }, Op::UnreachableDel { to }, why);
    }
    if let Some(tunnel) = &overlay.tunnel {
        return tunnel_up(plan, overlay, tunnel, observed);
    }
    if observed.overlay.interface && !observed.overlay.route {
        let (place, dev) = (Place::Host, overlay.interface.clone());
        let (src, via, table) = (Some(overlay.source.into()), None, None);
        let add = Op::RouteAdd { place: place.clone(), to, via, dev: dev.clone(), src, table };
        plan.push(add, Op::RouteDel { place, to, via, dev, table }, "other hosts' containers");
    }
    Ok(())
}

/// Takes the routes back, and the interface if Flatnet made it.
pub(super) fn down(plan: &mut Plan, desired: &HostState, observed: &ObservedHost) -> Result<()> {
    let Some(overlay) = &desired.overlay else { return Ok(()) };
    let to = IpNet::V4(desired.range);
    let dev = overlay.interface.clone();
    if let Some(found) = &observed.overlay.tunnel {
        refuse_foreign(overlay, found)?;
        plan.push_final(
            Op::LinkDel { dev },
            "removes the interface to other hosts, with its routes and neighbours",
        );
    } else if observed.overlay.route {
        let del = Op::RouteDel { place: Place::Host, to, via: None, dev, table: None };
        plan.push_final(del, "other hosts' containers are no longer reached from here");
    }
    if observed.overlay.unreachable {
        plan.push_final(Op::UnreachableDel { to }, "other hosts' containers are no longer rejected");
    }
    Ok(())
}

/// The interface, and for each other host its neighbour, where it is, and the route to its containers. Nothing is asked or learnt by packets.
fn tunnel_up(
    plan: &mut Plan,
    overlay: &OverlayRoute,
    tunnel: &Tunnel,
    observed: &ObservedHost,
) -> Result<()> {
    let dev = &overlay.interface;
    let nothing = ObservedTunnel::default();
    let mut found = observed.overlay.tunnel.as_ref();
    if let Some(other) = found {
        refuse_foreign(overlay, other)?;
        if other.link.as_ref() != Some(&tunnel.link) {
            plan.push_final(
                Op::LinkDel { dev: dev.clone() },
                "the interface to other hosts is made anew: it was made otherwise",
            );
            found = None;
        }
    }
    let made = found.is_none().then(|| {
        let add = Op::VxlanAdd { dev: dev.clone(), link: tunnel.link.clone() };
        plan.push(
            add,
            Op::LinkDel { dev: dev.clone() },
            "the interface to other hosts; what it carries is not encrypted",
        )
    });
    let found = found.unwrap_or(&nothing);
    let mut steps = Steps { plan, dev, made };
    steps.link(overlay, tunnel, found, observed);
    steps.peers(tunnel, found, overlay);
    Ok(())
}

/// Adds steps that are undone with the interface if this plan makes it.
struct Steps<'a> {
    plan: &'a mut Plan,
    dev: &'a IfName,
    made: Option<usize>,
}

impl Steps<'_> {
    fn push(&mut self, op: Op, undo: Op, why: &str) {
        self.plan.push_with(op, self.made, Undo::Op(Box::new(undo)), why);
    }

    fn link(
        &mut self,
        overlay: &OverlayRoute,
        tunnel: &Tunnel,
        found: &ObservedTunnel,
        observed: &ObservedHost,
    ) {
        let key = overlay.no_ipv6();
        let is_off = self.made.is_none() && observed.sysctls.get(&key).is_none_or(|&value| value == 1);
        if observed.has_ipv6 && !is_off {
            let set = |value| Op::Sysctl { key: key.clone(), value };
            self.push(set(1), set(0), "no IPv6 between hosts");
        }
        let address = IpNet::V4(tunnel.address);
        if !found.addresses.contains(&address) {
            self.push(
                addr_add(self.dev, address),
                addr_del(self.dev, address),
                "this host's own address in the overlay",
            );
        }
        if !found.up {
            let up = (LinkAttribute::Up, Some(LinkAttribute::Down));
            self.plan.push_link_set((&Place::Host, self.dev), up, self.made, "brings the interface up");
        }
    }

    /// What no host needs any more goes first: a host may have a new address in the LAN.
    fn peers(&mut self, tunnel: &Tunnel, found: &ObservedTunnel, overlay: &OverlayRoute) {
        let dev = self.dev;
        let gone = "no host of the overlay has it any more";
        let fdb: BTreeSet<_> = tunnel.peers.iter().map(|peer| (peer.mac, peer.at)).collect();
        let neighbours: BTreeSet<_> = tunnel.peers.iter().map(|peer| (peer.address, peer.mac)).collect();
        let routes: BTreeSet<_> = tunnel.peers.iter().map(|peer| (peer.subnet, peer.address)).collect();
        let route_add = |(to, via): (Ipv4Net, std::net::Ipv4Addr)| Op::RouteAdd {
            place: Place::Host,
            to: to.into(),
            via: Some(via.into()),
            dev: dev.clone(),
            src: Some(overlay.source.into()),
            table: None,
        };
        let route_del = |(to, via): (Ipv4Net, std::net::Ipv4Addr)| Op::RouteDel {
            place: Place::Host,
            to: to.into(),
            via: Some(via.into()),
            dev: dev.clone(),
            table: None,
        };
        let tunnel_add = |(mac, at)| Op::TunnelAdd { dev: dev.clone(), mac, at };
        let tunnel_del = |(mac, at)| Op::TunnelDel { dev: dev.clone(), mac, at };
        let neighbour_add = |(address, mac)| Op::NeighbourAdd { dev: dev.clone(), address, mac };
        let neighbour_del = |(address, _)| Op::NeighbourDel { dev: dev.clone(), address };
        for &route in found.routes.difference(&routes) {
            self.push(route_del(route), route_add(route), gone);
        }
        for &neighbour in found.neighbours.difference(&neighbours) {
            self.push(neighbour_del(neighbour), neighbour_add(neighbour), gone);
        }
        for &entry in found.fdb.difference(&fdb) {
            self.push(tunnel_del(entry), tunnel_add(entry), gone);
        }
        for &entry in fdb.difference(&found.fdb) {
            self.push(tunnel_add(entry), tunnel_del(entry), "where in the LAN the other host is");
        }
        for &neighbour in neighbours.difference(&found.neighbours) {
            self.push(
                neighbour_add(neighbour),
                neighbour_del(neighbour),
                "the other host, which nobody asks by ARP",
            );
        }
        for &route in routes.difference(&found.routes) {
            self.push(route_add(route), route_del(route), "the other host's containers");
        }
    }
}

fn refuse_foreign(overlay: &OverlayRoute, found: &ObservedTunnel) -> Result<()> {
    if found.kind == "vxlan" {
        return Ok(());
    }
    let (dev, kind) = (&overlay.interface, if found.kind.is_empty() { "hardware" } else { &found.kind });
    let what = format!("the link {dev} does not belong to Flatnet ({kind}; expected vxlan)");
    Err(Error::new(Kind::ForeignBridge, what).remedy(format!(
        "End the program that made it, delete it with `ip link del {dev}`, or set another `overlay.interface` in the configuration"
    )))
}
