//! Merges containers into routes.

use super::{RoutedContainer, Sources, single};
use crate::routes::table::Route;

/// One route per set of hosts and path, with all of its containers, and the conflicts between routes. Only containers of one
/// owner with a host label are merged, not those whose names happen to give the same host.
pub(super) fn merged(sources: &Sources<'_>, all: Vec<RoutedContainer<'_>>) -> (Vec<Route>, Vec<String>) {
    let mut routes: Vec<(Route, bool)> = Vec::new();
    let mut conflicts = Vec::new();
    for one in all {
        let by_label = !one.labels.hosts.is_empty() || one.hosts.is_empty();
        let (route, endpoint) = single(sources, one);
        let same = routes.iter_mut().find(|(other, other_by_label)| {
            let is_same =
                (&other.hosts, &other.path, &other.user) == (&route.hosts, &route.path, &route.user);
            by_label && *other_by_label && is_same
        });
        if let Some((other, _)) = same {
            if settings(other) != settings(&route) {
                conflicts.push(format!(
                    "{} joins the route of {}, whose labels apply to both",
                    route.name, other.name
                ));
            }
            other.endpoints.push(endpoint);
            continue;
        }
        if let Some((other, what)) =
            routes.iter().find_map(|(other, _)| Some((other, other.shared_with(&route)?)))
        {
            conflicts.push(format!("{} claims {what}, which is taken by {}", route.name, other.name));
        }
        routes.push((Route { endpoints: vec![endpoint], ..route }, by_label));
    }
    (routes.into_iter().map(|(route, _)| route).collect(), conflicts)
}

fn settings(route: &Route) -> impl PartialEq + use<> {
    let Route { strip, scheme, stream, hold, health, .. } = route.clone();
    (strip, scheme, stream, hold, health)
}
