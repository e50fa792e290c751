//! What a question is answered, by the files of all networks. Pure.

use std::net::Ipv4Addr;

use domain::base::Rtype;

use super::network::{Network, WireName, root};
use super::question::QuestionName;

/// The answer to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// These addresses.
    Addresses(&'a [Ipv4Addr]),
    /// The name of an address.
    Pointer(WireName),
    /// For type ANY: that it is not answered in full (RFC 8482).
    Minimal,
    /// The SOA record of a zone.
    Authority(&'a WireName),
    /// The name exists in this zone, but has nothing of this type.
    NoData(Zone<'a>),
    /// No such name in this zone.
    NoName(Zone<'a>),
    /// Others are asked.
    Forward,
}

/// The zone that a negative answer is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Zone<'a> {
    Of(&'a WireName),
    Root,
}

impl Zone<'_> {
    pub(super) fn name(&self) -> WireName {
        match self {
            Self::Of(name) => (*name).clone(),
            Self::Root => root(),
        }
    }
}

/// Answers a question for `name`. The first of `networks` is the client's own.
///
/// The zone comes before the gateway's domains, and these before names without a zone: no container can take a name of
/// those. A name of several labels without the zone is never a container's, so it hides no name of the internet.
pub(super) fn decide<'a>(
    networks: impl Iterator<Item = &'a Network> + Clone,
    name: &QuestionName,
    rtype: Rtype,
) -> Verdict<'a> {
    in_zone(networks.clone(), name, rtype)
        .or_else(|| networks.clone().find_map(|network| in_domain(network, name, rtype)))
        .or_else(|| networks.clone().find_map(|network| in_reverse(network, name, rtype)))
        .or_else(|| single_label(networks, name, rtype))
        .unwrap_or(Verdict::Forward)
}

fn in_zone<'a>(
    networks: impl Iterator<Item = &'a Network>,
    name: &QuestionName,
    rtype: Rtype,
) -> Option<Verdict<'a>> {
    let mut missing = None;
    for network in networks {
        match name.within(network.file.zone.as_str().as_bytes()) {
            None => continue,
            Some([]) if rtype == Rtype::SOA => return Some(Verdict::Authority(&network.zone)),
            Some([]) => return Some(Verdict::NoData(Zone::Of(&network.zone))),
            Some(inner) => {
                if let Some(addresses) = network.addresses(inner) {
                    return Some(known(addresses, rtype, Zone::Of(&network.zone)));
                }
            }
        }
        missing.get_or_insert(Verdict::NoName(Zone::Of(&network.zone)));
    }
    missing
}

/// In the longest domain that fits.
fn in_domain<'a>(network: &'a Network, name: &QuestionName, rtype: Rtype) -> Option<Verdict<'a>> {
    let domains = network.file.domains.iter().zip(&network.domains);
    let fitting = domains.filter(|((domain, _), _)| name.within(domain.as_str().as_bytes()).is_some());
    let ((_, address), wire) = fitting.max_by_key(|((domain, _), _)| domain.as_str().len())?;
    Some(known(std::slice::from_ref(address), rtype, Zone::Of(wire)))
}

fn in_reverse<'a>(network: &'a Network, name: &QuestionName, rtype: Rtype) -> Option<Verdict<'a>> {
    let address = address_in(name).filter(|address| network.file.subnet.contains(address))?;
    let zone = Zone::Of(&network.reverse_zone);
    Some(match network.name_of(address) {
        None => Verdict::NoName(zone),
        Some(name) if rtype == Rtype::PTR => Verdict::Pointer(name),
        Some(_) => known(&[], rtype, zone),
    })
}

/// `4.3.2.1.in-addr.arpa`.
fn address_in(name: &QuestionName) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(name.within(b"in-addr.arpa")?).ok()?;
    let reversed: Ipv4Addr = text.parse().ok()?;
    Some(Ipv4Addr::from_bits(reversed.to_bits().swap_bytes()))
}

fn single_label<'a>(
    mut networks: impl Iterator<Item = &'a Network>,
    name: &QuestionName,
    rtype: Rtype,
) -> Option<Verdict<'a>> {
    if name.labels != 1 {
        return None;
    }
    if let Some(addresses) = networks.find_map(|network| network.addresses(name.as_bytes())) {
        return Some(known(addresses, rtype, Zone::Root));
    }
    // Others can be asked for `com NS`; no address is at a top-level domain.
    [Rtype::A, Rtype::AAAA].contains(&rtype).then_some(Verdict::NoName(Zone::Root))
}

/// The answer for a name without a zone that has these addresses, or is not there.
pub(super) fn named(addresses: &[Ipv4Addr], rtype: Rtype) -> Verdict<'_> {
    if addresses.is_empty() { Verdict::NoName(Zone::Root) } else { known(addresses, rtype, Zone::Root) }
}

/// The answer for a name that has only addresses.
fn known<'a>(addresses: &'a [Ipv4Addr], rtype: Rtype, zone: Zone<'a>) -> Verdict<'a> {
    match rtype {
        Rtype::A if !addresses.is_empty() => Verdict::Addresses(addresses),
        Rtype::ANY => Verdict::Minimal,
        _ => Verdict::NoData(zone),
    }
}
