//! Users' containers: none gets a name that is another's.

use std::collections::BTreeSet;

use super::holders::{Holder, Holders};
use super::{RoutedContainer, Sources, hosts, wanted};
use crate::model::types::User;
use crate::routes::podman::Container;
use crate::routes::unrouted_reason::{Explanation, Reason};

/// The containers that may have their names, and why the others may not. Root's may, and come first: what theirs are called is
/// theirs, also while they have no route.
pub(super) fn within_own_names<'a>(
    sources: &Sources<'a>,
    routed: Vec<RoutedContainer<'a>>,
) -> (Vec<RoutedContainer<'a>>, Vec<(&'a Container, Explanation)>) {
    if sources.of_users.is_empty() {
        return (routed, Vec::new());
    }
    let mut holders = of_root(sources);
    let mut names: BTreeSet<&str> = sources.containers.iter().map(|one| one.name.as_str()).collect();
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for one in routed {
        let container = one.container;
        let Some(User { name: user, .. }) = User::of(&container.id) else {
            kept.push(one);
            continue;
        };
        let own = Holder { host: None, user: Some(user.clone()), container: container.name.clone() };
        let path = one.labels.path.as_ref().map_or("/", |path| path.as_str());
        let gateway = (sources.config, sources.host);
        let why = if names.insert(container.name.as_str()) {
            holders.refusal(gateway, (&own, &user), (&one.hosts, path))
        } else {
            Some(Explanation::new(Reason::SameName, &[("name", &container.name)]))
        };
        if let Some(why) = why {
            refused.push((container, why));
        } else {
            holders.add(&one.hosts, &own);
            kept.push(one);
        }
    }
    (kept, refused)
}

/// The names of root's containers.
fn of_root(sources: &Sources<'_>) -> Holders {
    let mut holders = Holders::default();
    for container in sources.containers {
        let Some(Ok(labels)) = wanted(sources, container) else { continue };
        let Ok(hosts) = hosts::hosts(sources, container, &labels) else { continue };
        holders.add(&hosts, &Holder { host: None, user: None, container: container.name.clone() });
    }
    holders
}
