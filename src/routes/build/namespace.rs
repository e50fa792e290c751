//! Containers that share an address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Routed;
use crate::routes::podman::{Container, State};
use crate::routes::why::{Reason, Why};

/// Containers in one namespace share its ports. Without a label, a port belongs to the namespace's owner; and where that
/// is a pod's own container, it may be any of the others', so that nobody gets it.
pub(super) fn one_to_a_port(routed: Vec<Routed<'_>>) -> (Vec<Routed<'_>>, Vec<(&Container, Why)>) {
    let mut claims: BTreeMap<(Ipv4Addr, u16), Vec<(String, bool)>> = BTreeMap::new();
    for one in routed.iter().filter(|one| one.container.state != State::Stopped) {
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
                doubtful.push((one.container, Why::new(reason, &[("port", &one.port), ("other", other)])));
            }
        }
    }
    (kept, doubtful)
}
