//! Windows' route to the subnet.

use std::net::Ipv4Addr;

use super::action::{Action, Planned, Store};
use super::seen::Route;
use super::view::{Mode, View};
use crate::doctor::Finding;

/// What brings the route to what it must be: present in nat mode, absent in any other.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let wanted = wanted(view);
    let mut planned: Vec<Planned> = own(view)
        .filter(|route| {
            Some((route.interface, route.next_hop)) != wanted || route.store == Store::PersistentStore
        })
        .map(|route| remove(route, why_remove(view, route, wanted)))
        .collect();
    if let Some((interface, next_hop)) = wanted.filter(|wanted| !is_active(view, *wanted)) {
        let action = Action::AddRoute { interface, next_hop };
        planned.push(Planned::new(action, "Windows has no other way to the containers"));
    }
    planned
}

/// What takes the route away.
pub(super) fn down(view: &View) -> Vec<Planned> {
    own(view).map(|route| remove(route, "it is Flatnet's")).collect()
}

/// How the route is.
pub(super) fn look(view: &View) -> Finding {
    let subnet = view.seen.settings.subnet;
    if let Some(route) = foreign(view).next() {
        let whose = view.seen.addresses.iter().find(|address| address.interface == route.interface);
        let whose = whose.map_or("another adapter", |address| address.alias.as_str());
        return Finding::failure(format!(
            "{whose} (interface {}) claims {}",
            route.interface, route.destination
        ))
        .help(format!(
            "A VPN has the same addresses: give Flatnet another subnet than {subnet}, or leave the VPN"
        ));
    }
    match (wanted(view), &view.mode) {
        (None, Mode::Mirrored) if own(view).next().is_some() => {
            Finding::failure(format!("there is a route to {subnet}, which mirrored mode copies into WSL2"))
                .commands(["flatnet.ps1 up"])
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
    if !is_active(view, wanted) {
        let old = own(view).find(|route| route.store == Store::ActiveStore);
        let what = match old {
            Some(old) => {
                format!(
                    "the route to {subnet} leads to {}, interface {}, and WSL2 is at {next_hop}, interface {interface}",
                    old.next_hop, old.interface
                )
            }
            None => format!("there is no route to {subnet}"),
        };
        return Finding::failure(what).commands(["flatnet.ps1 up"]);
    }
    if own(view).any(|route| route.store == Store::PersistentStore) {
        return Finding::warning(format!(
            "the route to {subnet} is also kept over a restart, after which it may lead nowhere"
        ))
        .commands(["flatnet.ps1 up"]);
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
fn own<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.seen.settings.subnet;
    view.seen.routes.iter().filter(move |route| route.destination == subnet && !is_elsewhere(view, route))
}

/// Routes of others that take addresses of the subnet away, because they are as narrow or narrower.
fn foreign<'a>(view: &'a View) -> impl Iterator<Item = &'a Route> {
    let subnet = view.seen.settings.subnet;
    let takes =
        move |route: &&Route| subnet.contains(&route.destination) && route.store == Store::ActiveStore;
    view.seen
        .routes
        .iter()
        .filter(takes)
        .filter(move |route| route.destination != subnet || is_elsewhere(view, route))
}

/// Whether it leaves by an adapter that is up and is not WSL2's.
fn is_elsewhere(view: &View, route: &Route) -> bool {
    let is_up = view.seen.addresses.iter().any(|address| address.interface == route.interface);
    is_up && !view.is_wsl(route.interface)
}

fn why_remove(view: &View, route: &Route, wanted: Option<(u32, Ipv4Addr)>) -> &'static str {
    match (wanted, &view.mode) {
        (None, Mode::Mirrored) => "mirrored mode would copy it into WSL2",
        (None, Mode::Other(_)) => "no route leads to WSL2 in this mode",
        (Some(wanted), _) if wanted == (route.interface, route.next_hop) => {
            "kept over a restart of Windows, it may lead nowhere"
        }
        _ => "WSL2 is not there any more",
    }
}

fn remove(route: &Route, why: &str) -> Planned {
    let &Route { interface, next_hop, store, .. } = route;
    Planned::new(Action::RemoveRoute { interface, next_hop, store }, why)
}
