//! Containers that share a network namespace.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::RoutedContainer;
use crate::routes::podman::{Container, ContainerState};
use crate::routes::unrouted_reason::{Explanation, Reason};

/// Gives each port of a shared namespace to at most one container. Without a label, a port belongs to the namespace's owner. If
/// the owner is a pod's infra container, the port may belong to any member, so none gets it.
pub(super) fn one_per_port(
    routed: Vec<RoutedContainer<'_>>,
) -> (Vec<RoutedContainer<'_>>, Vec<(&Container, Explanation)>) {
    let mut claims: BTreeMap<(Ipv4Addr, u16), Vec<(String, bool)>> = BTreeMap::new();
    for one in routed.iter().filter(|one| one.container.state != ContainerState::Stopped) {
        let is_sure = one.labels.port.is_some() || one.container.shares.is_none();
        claims.entry((one.address, one.port)).or_default().push((one.container.name.to_string(), is_sure));
    }
    let (mut kept, mut doubtful) = (Vec::new(), Vec::new());
    for one in routed {
        let name = one.container.name.as_str();
        let others =
            claims.get(&(one.address, one.port)).into_iter().flatten().filter(|(other, _)| other != name);
        let rivals: Vec<&(String, bool)> = others.collect();
        let is_sure = one.labels.port.is_some() || one.container.shares.is_none();
        let doubt = match (is_sure, rivals.iter().find(|(_, is_sure)| *is_sure), rivals.first()) {
            (true, ..) | (_, _, None) => None,
            (false, Some((other, _)), _) => Some((Reason::PortOfAnother, other)),
            (false, None, Some((other, _))) => Some((Reason::PortOfSome, other)),
        };
        match doubt {
            None => kept.push(one),
            Some((reason, other)) => {
                doubtful.push((
                    one.container,
                    Explanation::new(reason, &[("port", &one.port), ("other", other)]),
                ));
            }
        }
    }
    (kept, doubtful)
}
