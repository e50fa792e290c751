//! Merges the tables of all hosts.

use std::collections::{BTreeMap, BTreeSet};

use super::Others;
use crate::model::config::Config;
use crate::model::types::{ContainerName, HostName};
use crate::routes::build::Draft;
use crate::routes::build::holders::{Holder, Holders};
use crate::routes::build::reserved;
use crate::routes::table::{LONGEST_NAME, OtherHost, Route, Unrouted};

/// The table of all hosts, and the conflicts between them: of two hosts that claim one name, the one with the lower number has it,
/// because its routes come first. Without an overlay the table is this host's.
#[must_use]
pub fn merged(own: Draft, others: &Others, config: &Config) -> Draft {
    let Some(overlay) = &config.overlay else { return own };
    let Draft { mut table, mut conflicts } = own;
    let mut names = Names::new(&table.routes);
    let mut by_host = BTreeMap::from([(overlay.number, std::mem::take(&mut table.routes))]);
    for (&number, other) in others.iter().filter(|(number, _)| **number != overlay.number) {
        let routes = other.routes.iter().filter_map(|route| {
            if let Some(url) = reserved::claimed(config, &table.host.name, &route.hosts, &route.path) {
                let title = title(route);
                conflicts.push(format!("{title} of host {number} claims {url}, which is the gateway's own"));
                return None;
            }
            let name = names.unique(&route.name, number)?;
            Some(Route { name, host: Some(number), ..route.clone() })
        });
        by_host.insert(number, routes.collect());
        let unrouted = other.unrouted.iter().map(|one| Unrouted { host: Some(number), ..one.clone() });
        table.unrouted.extend(unrouted);
        table.hosts.push(OtherHost {
            number,
            name: other.name.clone(),
            subnet: config.subnet_of(number),
            answers: other.answers,
            since: other.since.clone(),
        });
    }
    conflicts.extend(keep_to_own_names(&mut by_host, (config, &table.host.name)));
    conflicts.extend(between_hosts(&by_host));
    table.routes = by_host.into_values().flatten().collect();
    Draft { table, conflicts }
}

/// The names of routes so far.
struct Names {
    taken: BTreeSet<ContainerName>,
    /// How often a name was sought that was taken. One is counted by its beginning, since long names are cut.
    again: BTreeMap<(u16, String), usize>,
}

impl Names {
    fn new(routes: &[Route]) -> Self {
        Self { taken: routes.iter().map(|route| route.name.clone()).collect(), again: BTreeMap::new() }
    }

    /// The name of another host's route: that host's name for it, `.h` and the number. A container of this host may be called so too.
    fn unique(&mut self, name: &ContainerName, number: u16) -> Option<ContainerName> {
        const COUNTED: usize = 100;
        let begin = name.as_str().get(..COUNTED).unwrap_or(name.as_str()).to_owned();
        let again = self.again.entry((number, begin)).or_default();
        loop {
            let end = if *again == 0 { format!(".h{number}") } else { format!(".h{number}.{again}") };
            *again += 1;
            let begin = name.as_str().get(..LONGEST_NAME - end.len()).unwrap_or(name.as_str());
            let unique = ContainerName::parse(&format!("{begin}{end}")).ok()?;
            if self.taken.insert(unique.clone()) {
                return Some(unique);
            }
        }
    }
}

/// Removes the routes of users' containers that claim what a container of root's has on any host, or another user's on one with a lower
/// number. Returns a line about each.
fn keep_to_own_names(by_host: &mut BTreeMap<u16, Vec<Route>>, gateway: (&Config, &HostName)) -> Vec<String> {
    let holder = |number: u16, route: &Route| Holder {
        host: Some(number),
        user: route.user.clone(),
        container: title(route).clone(),
    };
    let mut holders = Holders::default();
    for (&number, routes) in by_host.iter() {
        let of_root = routes.iter().filter(|route| route.user.is_none());
        of_root.for_each(|route| holders.add(&route.hosts, &holder(number, route)));
    }
    let mut conflicts = Vec::new();
    for (&number, routes) in by_host.iter_mut() {
        routes.retain(|route| {
            let Some(user) = &route.user else { return true };
            let own = holder(number, route);
            let refused = holders.refusal(gateway, (&own, user), (&route.hosts, route.path.as_str()));
            if let Some(why) = &refused {
                conflicts.push(format!("{own} has no route: {}", why.text()));
            } else {
                holders.add(&route.hosts, &own);
            }
            refused.is_none()
        });
    }
    conflicts
}

/// A line about each route that claims what a route of a host with a lower number has.
fn between_hosts(by_host: &BTreeMap<u16, Vec<Route>>) -> Vec<String> {
    let mut taken: BTreeMap<(&str, &str), (u16, &Route)> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (&number, route) in
        by_host.iter().flat_map(|(number, routes)| routes.iter().map(move |one| (number, one)))
    {
        for (host, path) in route.claims() {
            let &mut (winner, first) = taken.entry((host, path)).or_insert((number, route));
            if winner != number {
                let (loser, what) =
                    (title(route), if path == "/" { host.to_owned() } else { format!("{host}{path}") });
                conflicts.push(format!(
                    "{loser} of host {number} claims {what}, which is taken by {} of host {winner}",
                    title(first)
                ));
            }
        }
    }
    conflicts
}

/// The name that its own host gives a route.
fn title(route: &Route) -> &ContainerName {
    route.endpoints.first().map_or(&route.name, |first| &first.container)
}
