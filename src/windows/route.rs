//! Windows' route to the subnet.

use std::net::Ipv4Addr;

use super::action::{Action, Planned, Store};
use super::observed::Route;
use super::view::{Mode, View};
use crate::doctor::Finding;

/// What brings the route to what it must be: present in nat mode, absent in any other. One by another adapter that leads to a
/// container that answers stays, and none is added where somebody else's takes the same addresses.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let wanted = wanted(view);
    let mut planned: Vec<Planned> = own(view)
        .filter(|route| {
            let is_wanted = Some((route.interface, route.next_hop)) == wanted;
            let is_unknown = view.mode == Mode::Nat && wanted.is_none() && !is_gone(view, route);
            route.store == Store::PersistentStore || !(is_wanted || works(view, route) || is_unknown)
        })
        .map(|route| remove(route, why_remove(view, route, wanted)))
        .collect();
    let is_taken = foreign(view).next().is_some();
    if let Some((interface, next_hop)) =
        wanted.filter(|wanted| !is_active(view, *wanted) && !is_taken && !is_open(view))
    {
        let action = Action::AddRoute { interface, next_hop };
        planned.push(Planned::new(action, "Windows has no other way to the containers"));
    }
    planned
}

/// Whether containers answer by this route, which leaves by another adapter than that which is taken for WSL2's.
fn works(view: &View, route: &Route) -> bool {
    let is_other = wanted(view).is_none_or(|(interface, _)| interface != route.interface);
    view.mode == Mode::Nat && view.is_open_to_the_bridge() && is_other && route.store == Store::ActiveStore
}

/// Whether containers answer without a route by WSL2's adapter to where it is now.
fn is_open(view: &View) -> bool {
    let mut active = own(view).filter(|route| route.store == Store::ActiveStore).peekable();
    view.is_open_to_the_bridge() && (active.peek().is_none() || active.any(|route| works(view, route)))
}

/// How the route is.
pub(super) fn look(view: &View) -> Finding {
    let subnet = view.seen.settings.subnet;
    if let Some(route) = foreign(view).next() {
        return Finding::failure(format!("{} claims {}", view.alias(route.interface), route.destination))
            .help(format!(
                "A VPN has the same addresses: give Flatnet another subnet than {subnet}, or leave the VPN"
            ));
    }
    if let Some(route) = narrower(view).next() {
        return Finding::failure(format!(
            "{} leads by {} to {}: a left-over of another subnet",
            route.destination,
            view.alias(route.interface),
            route.next_hop
        ))
        .commands([format!(
            "Remove-NetRoute -DestinationPrefix {} -InterfaceIndex {} -Confirm:$false",
            route.destination, route.interface
        )])
        .help("In an elevated PowerShell");
    }
    match (wanted(view), &view.mode) {
        (None, Mode::Mirrored) if own(view).next().is_some() => {
            Finding::failure(format!("there is a route to {subnet}, which mirrored mode copies into WSL2"))
                .commands([view.script("up")])
        }
        (None, Mode::Mirrored) => {
            Finding::not_applicable("mirrored mode: the gateway runs in WSL2, where no route is needed")
        }
        (None, _) => Finding::not_looked("it is not known where the route must lead"),
        (Some(wanted), _) => judge(view, wanted),
    }
}

fn judge(view: &View, wanted: (u32, Ipv4Addr)) -> Finding {
    let subnet = view.seen.settings.subnet;
    let (interface, next_hop) = wanted;
    let active = own(view).find(|route| route.store == Store::ActiveStore);
    if !is_active(view, wanted) {
        let what = match active {
            Some(old) if works(view, old) => {
                return Finding::good(format!("{subnet} via {}, interface {}", old.next_hop, old.interface));
            }
            Some(old) => format!(
                "the route to {subnet} leads to {}, interface {}, and WSL2 is at {next_hop}, interface {interface}",
                old.next_hop, old.interface
            ),
            None => format!("there is no route to {subnet}"),
        };
        return Finding::failure(what).commands([view.script("up")]);
    }
    if own(view).any(|route| route.store == Store::PersistentStore) {
        return Finding::warning(format!(
            "the route to {subnet} is also kept over a restart, after which it may lead nowhere"
        ))
        .commands([view.script("up")]);
    }
    Finding::good(format!("{subnet} via {next_hop}, interface {interface}"))
}

/// Interface and next hop of the route that there must be.
fn wanted(view: &View) -> Option<(u32, Ipv4Addr)> {
    let switch = view.switch().filter(|_| view.mode == Mode::Nat)?;
    Some((switch.interface, view.eth0?))
}

fn is_active(view: &View, wanted: (u32, Ipv4Addr)) -> bool {
    own(view).any(|route| (route.interface, route.next_hop) == wanted && route.store == Store::ActiveStore)
}

/// Routes to exactly the subnet that were made for it: they lead to WSL2, or to where WSL2 once was.
pub(super) fn own<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.seen.settings.subnet;
    view.seen.routes.iter().filter(move |route| route.destination == subnet && !is_elsewhere(view, route))
}

/// Routes of others that take addresses of the subnet away, because they are as narrow or narrower.
fn foreign<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    taking(view).filter(|route| is_elsewhere(view, route))
}

/// Routes within the subnet by WSL2's own adapter, which nobody else makes.
fn narrower<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.seen.settings.subnet;
    taking(view).filter(move |route| route.destination != subnet && !is_elsewhere(view, route))
}

fn taking<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.seen.settings.subnet;
    let takes =
        move |route: &&Route| subnet.contains(&route.destination) && route.store == Store::ActiveStore;
    view.seen.routes.iter().filter(takes)
}

/// Whether it leaves by an adapter that is up and is not WSL2's, and was not made by these scripts.
fn is_elsewhere(view: &View, route: &Route) -> bool {
    let is_made = view
        .seen
        .made
        .as_ref()
        .is_some_and(|made| (made.interface, made.next_hop) == (route.interface, route.next_hop));
    !is_made && !is_gone(view, route) && !view.is_wsl(route.interface)
}

/// Whether its adapter is not there any more.
fn is_gone(view: &View, route: &Route) -> bool {
    !view.seen.addresses.iter().any(|address| address.interface == route.interface)
}

fn why_remove(view: &View, route: &Route, wanted: Option<(u32, Ipv4Addr)>) -> &'static str {
    match (wanted, &view.mode) {
        (None, Mode::Mirrored) => "mirrored mode would copy it into WSL2",
        (None, Mode::Other(_)) => "no route leads to WSL2 in this mode",
        _ if route.store == Store::PersistentStore => "kept over a restart of Windows, it may lead nowhere",
        _ => "WSL2 is not there any more",
    }
}

fn remove(route: &Route, why: &str) -> Planned {
    let &Route { interface, next_hop, store, .. } = route;
    Planned::new(Action::RemoveRoute { interface, next_hop, store }, why)
}
