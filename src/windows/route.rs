//! Windows' route to the subnet.

use std::net::Ipv4Addr;

use super::action::{Action, Planned, Store};
use super::observed::Route;
use super::view::{NetworkingMode, View};
use crate::doctor::Finding;

/// Adds the route in nat mode, and removes it in any other. A route through another adapter stays if containers answer through
/// it. No route is added if another program's route has the same addresses.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let desired = desired(view);
    let mut planned: Vec<Planned> = own(view)
        .filter(|route| {
            let is_desired = Some((route.interface, route.next_hop)) == desired;
            let is_unknown = view.mode == NetworkingMode::Nat && desired.is_none() && !is_gone(view, route);
            route.store == Store::PersistentStore || !(is_desired || works(view, route) || is_unknown)
        })
        .map(|route| remove(route, why_remove(view, route, desired)))
        .collect();
    let is_taken = foreign(view).next().is_some();
    if let Some((interface, next_hop)) =
        desired.filter(|desired| !is_active(view, *desired) && !is_taken && !is_open(view))
    {
        let action = Action::AddRoute { interface, next_hop };
        planned.push(Planned::new(action, "Windows has no other route to the containers"));
    }
    planned
}

/// Whether containers answer through this route although its adapter is not the one recognised as WSL2's.
fn works(view: &View, route: &Route) -> bool {
    let is_other = desired(view).is_none_or(|(interface, _)| interface != route.interface);
    view.mode == NetworkingMode::Nat
        && view.is_open_to_the_bridge()
        && is_other
        && route.store == Store::ActiveStore
}

/// Whether containers answer without the desired route.
fn is_open(view: &View) -> bool {
    let mut active = own(view).filter(|route| route.store == Store::ActiveStore).peekable();
    view.is_open_to_the_bridge() && (active.peek().is_none() || active.any(|route| works(view, route)))
}

/// Checks the route.
pub(super) fn look(view: &View) -> Finding {
    let subnet = view.observed.settings.subnet;
    if let Some(route) = foreign(view).next() {
        return Finding::failure(format!(
            "{} has a route to {}",
            view.alias(route.interface),
            route.destination
        ))
        .help(format!(
            "A VPN uses the same addresses: give Flatnet another subnet than {subnet}, or disconnect the VPN"
        ));
    }
    if let Some(route) = narrower(view).next() {
        return Finding::failure(format!(
            "the route to {} through {} via {} is a leftover of another subnet",
            route.destination,
            view.alias(route.interface),
            route.next_hop
        ))
        .commands([format!(
            "Remove-NetRoute -DestinationPrefix {} -InterfaceIndex {} -Confirm:$false",
            route.destination, route.interface
        )])
        .help("Run this in an elevated PowerShell");
    }
    match (desired(view), &view.mode) {
        (None, NetworkingMode::Mirrored) if own(view).next().is_some() => {
            Finding::failure(format!("a route to {subnet} exists, which mirrored mode copies into WSL2"))
                .commands([view.script("up")])
        }
        (None, NetworkingMode::Mirrored) => {
            Finding::not_applicable("mirrored mode: the gateway runs in WSL2, where no route is needed")
        }
        (None, _) => Finding::not_looked("WSL2's adapter or address is unknown"),
        (Some(desired), _) => judge(view, desired),
    }
}

fn judge(view: &View, desired: (u32, Ipv4Addr)) -> Finding {
    let subnet = view.observed.settings.subnet;
    let (interface, next_hop) = desired;
    let active = own(view).find(|route| route.store == Store::ActiveStore);
    if !is_active(view, desired) {
        let what = match active {
            Some(old) if works(view, old) => {
                return Finding::good(format!("{subnet} via {}, interface {}", old.next_hop, old.interface));
            }
            Some(old) => format!(
                "the route to {subnet} is via {}, interface {}, but WSL2 is at {next_hop}, interface {interface}",
                old.next_hop, old.interface
            ),
            None => format!("the route to {subnet} is missing"),
        };
        return Finding::failure(what).commands([view.script("up")]);
    }
    if own(view).any(|route| route.store == Store::PersistentStore) {
        return Finding::warning(format!(
            "the route to {subnet} is also persistent, and may be wrong after a restart"
        ))
        .commands([view.script("up")]);
    }
    Finding::good(format!("{subnet} via {next_hop}, interface {interface}"))
}

/// Interface and next hop of the desired route.
fn desired(view: &View) -> Option<(u32, Ipv4Addr)> {
    let switch = view.switch().filter(|_| view.mode == NetworkingMode::Nat)?;
    Some((switch.interface, view.eth0?))
}

fn is_active(view: &View, desired: (u32, Ipv4Addr)) -> bool {
    own(view).any(|route| (route.interface, route.next_hop) == desired && route.store == Store::ActiveStore)
}

/// Flatnet's routes: to exactly the subnet, through WSL2's adapter or one that no longer exists.
pub(super) fn own<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.observed.settings.subnet;
    view.observed.routes.iter().filter(move |route| route.destination == subnet && !is_elsewhere(view, route))
}

/// Other programs' routes to the subnet or a part of it.
fn foreign<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    within_subnet(view).filter(|route| is_elsewhere(view, route))
}

/// Routes to a part of the subnet through WSL2's adapter, which only Flatnet adds.
fn narrower<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.observed.settings.subnet;
    within_subnet(view).filter(move |route| route.destination != subnet && !is_elsewhere(view, route))
}

fn within_subnet<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.observed.settings.subnet;
    let takes =
        move |route: &&Route| subnet.contains(&route.destination) && route.store == Store::ActiveStore;
    view.observed.routes.iter().filter(takes)
}

/// Whether it uses an adapter that exists and is not WSL2's, and was not added by the scripts.
fn is_elsewhere(view: &View, route: &Route) -> bool {
    let is_made = view
        .observed
        .made
        .as_ref()
        .is_some_and(|made| (made.interface, made.next_hop) == (route.interface, route.next_hop));
    !is_made && !is_gone(view, route) && !view.is_wsl(route.interface)
}

/// Whether its adapter no longer exists.
fn is_gone(view: &View, route: &Route) -> bool {
    !view.observed.addresses.iter().any(|address| address.interface == route.interface)
}

fn why_remove(view: &View, route: &Route, desired: Option<(u32, Ipv4Addr)>) -> &'static str {
    match (desired, &view.mode) {
        (None, NetworkingMode::Mirrored) => "mirrored mode would copy it into WSL2",
        (None, NetworkingMode::Other(_)) => "this mode does not support routes to WSL2",
        _ if route.store == Store::PersistentStore => {
            "a persistent route may be wrong after a restart of Windows"
        }
        _ => "WSL2 has another address or adapter now",
    }
}

fn remove(route: &Route, why: &str) -> Planned {
    let &Route { interface, next_hop, store, .. } = route;
    Planned::new(Action::RemoveRoute { interface, next_hop, store }, why)
}
