//! What a question is answered, by the files of all networks. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::Rtype;

use super::network::{Network, WireName, root};
use super::question::QuestionName;
use crate::model::types::UserName;

/// The answer to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// These addresses.
    Addresses(&'a [Ipv4Addr]),
    /// These IPv6 addresses.
    Addresses6(Vec<Ipv6Addr>),
    /// The name of an address.
    Pointer(WireName),
    /// The version of Flatnet on this host, as text.
    Version,
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
    /// The resolver of another host is asked, which is at this address.
    OtherHost(Ipv4Addr),
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

/// Answers a question for `name` of a client, which is a container of `user` or of nobody. The first of `networks` is the client's own.
///
/// The zone comes before the gateway's domains, and these before names without a zone: no container can take a name of
/// those. A name of several labels without the zone is never a container's, so it hides no name of the internet; but for those of other
/// hosts' containers, `db.h2`, whose last label is no domain of the internet.
pub(super) fn decide<'a>(
    networks: impl Iterator<Item = &'a Network> + Clone,
    user: Option<&UserName>,
    name: &QuestionName,
    rtype: Rtype,
) -> Verdict<'a> {
    in_zone(networks.clone(), user, name, rtype)
        .or_else(|| networks.clone().find_map(|network| in_domain(network, name, rtype)))
        .or_else(|| networks.clone().find_map(|network| in_reverse(network, name, rtype)))
        .or_else(|| networks.clone().find_map(|network| on_host(network, name, rtype)))
        .or_else(|| single_label(networks, user, name, rtype))
        .unwrap_or(Verdict::Forward)
}

/// Answers a question of another host's resolver: what this host knows of its own containers, and nothing else. `None` if it has to ask
/// another host, or others.
pub(super) fn decide_for_host<'a>(
    network: &'a Network,
    name: &QuestionName,
    rtype: Rtype,
) -> Option<Verdict<'a>> {
    if let Some(address) = address_in(name) {
        return in_subnet(network, address, rtype, true);
    }
    let in_zone = name.within(network.file.zone.as_str().as_bytes());
    let zone = || if in_zone.is_some() { Zone::Of(&network.zone) } else { Zone::Root };
    let inner = in_zone.unwrap_or(name.as_bytes());
    if network.on_this_host(inner)?.is_empty() && rtype == Rtype::TXT {
        return Some(Verdict::Version);
    }
    // Other names, such as that of Windows, lead to addresses that are of use on this host only.
    let is_of_use = |addresses: &&[Ipv4Addr]| addresses.iter().all(|one| network.file.subnet.contains(one));
    Some(match network.addresses(inner).filter(is_of_use) {
        Some(addresses) => known(addresses, rtype, zone()),
        None => Verdict::NoName(zone()),
    })
}

fn in_zone<'a>(
    networks: impl Iterator<Item = &'a Network>,
    user: Option<&UserName>,
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
                if let Some(address) = network.other_host(inner) {
                    return Some(Verdict::OtherHost(address));
                }
                if let Some(addresses) = network.addresses_for(user, inner) {
                    return Some(of_container(network, addresses, rtype, Zone::Of(&network.zone)));
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
    if let Some(address) = address6_in(name) {
        return in_subnet6(network, address, rtype);
    }
    let address = address_in(name)?;
    in_subnet(network, address, rtype, false)
        .or_else(|| network.other_host_at(address).map(Verdict::OtherHost))
}

fn in_subnet(
    network: &Network,
    address: Ipv4Addr,
    rtype: Rtype,
    is_for_other_host: bool,
) -> Option<Verdict<'_>> {
    if !network.file.subnet.contains(&address) {
        return None;
    }
    let zone = Zone::Of(&network.reverse_zone);
    Some(match network.name_of(address, is_for_other_host) {
        None => Verdict::NoName(zone),
        Some(name) if rtype == Rtype::PTR => Verdict::Pointer(name),
        Some(_) => known(&[], rtype, zone),
    })
}

fn in_subnet6(network: &Network, address: Ipv6Addr, rtype: Rtype) -> Option<Verdict<'_>> {
    let (subnet, zone) = (network.file.subnet6?, Zone::Of(network.reverse_zone6.as_ref()?));
    if !subnet.contains(&address) {
        return None;
    }
    let holder = network.file.entries.iter().find(|entry| entry.ipv6 == Some(address));
    Some(match holder.and_then(|holder| network.name_of(holder.address, false)) {
        None => Verdict::NoName(zone),
        Some(name) if rtype == Rtype::PTR => Verdict::Pointer(name),
        Some(_) => known(&[], rtype, zone),
    })
}

/// `b.a.9.8. .. 1.0.ip6.arpa`: 32 digits.
fn address6_in(name: &QuestionName) -> Option<Ipv6Addr> {
    let text = std::str::from_utf8(name.within(b"ip6.arpa")?).ok()?;
    let mut digits: Vec<&str> = text.split('.').collect();
    digits.reverse();
    let are_digits = digits.len() == 32 && digits.iter().all(|digit| digit.len() == 1);
    let bits = are_digits.then(|| u128::from_str_radix(&digits.concat(), 16).ok())??;
    Some(Ipv6Addr::from_bits(bits))
}

/// `4.3.2.1.in-addr.arpa`.
fn address_in(name: &QuestionName) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(name.within(b"in-addr.arpa")?).ok()?;
    let reversed: Ipv4Addr = text.parse().ok()?;
    Some(Ipv4Addr::from_bits(reversed.to_bits().swap_bytes()))
}

/// `db.h2` without the zone.
fn on_host<'a>(network: &'a Network, name: &QuestionName, rtype: Rtype) -> Option<Verdict<'a>> {
    let name = name.as_bytes();
    if let Some(address) = network.other_host(name) {
        return Some(Verdict::OtherHost(address));
    }
    network.on_this_host(name)?;
    let addresses = network.addresses(name).unwrap_or_default();
    if addresses.is_empty() {
        return Some(Verdict::NoName(Zone::Root));
    }
    Some(of_container(network, addresses, rtype, Zone::Root))
}

fn single_label<'a>(
    mut networks: impl Iterator<Item = &'a Network>,
    user: Option<&UserName>,
    name: &QuestionName,
    rtype: Rtype,
) -> Option<Verdict<'a>> {
    if name.labels != 1 {
        return None;
    }
    let of_network = |network: &'a Network| Some((network, network.addresses_for(user, name.as_bytes())?));
    if let Some((network, addresses)) = networks.find_map(of_network) {
        return Some(of_container(network, addresses, rtype, Zone::Root));
    }
    // Others can be asked for `com NS`; no address is at a top-level domain.
    [Rtype::A, Rtype::AAAA].contains(&rtype).then_some(Verdict::NoName(Zone::Root))
}

/// The answer for a name without a zone that has these addresses, or is not there.
pub(super) fn named(addresses: &[Ipv4Addr], rtype: Rtype) -> Verdict<'_> {
    if addresses.is_empty() { Verdict::NoName(Zone::Root) } else { known(addresses, rtype, Zone::Root) }
}

/// The answer for a name on this host, whose containers may have IPv6 addresses, too.
fn of_container<'a>(
    network: &Network,
    addresses: &'a [Ipv4Addr],
    rtype: Rtype,
    zone: Zone<'a>,
) -> Verdict<'a> {
    if rtype == Rtype::AAAA {
        let ipv6 = addresses.iter().filter_map(|address| network.holder(*address)?.ipv6);
        let ipv6: Vec<Ipv6Addr> = ipv6.collect();
        if !ipv6.is_empty() {
            return Verdict::Addresses6(ipv6);
        }
    }
    known(addresses, rtype, zone)
}

/// The answer for a name that has only addresses.
fn known<'a>(addresses: &'a [Ipv4Addr], rtype: Rtype, zone: Zone<'a>) -> Verdict<'a> {
    match rtype {
        Rtype::A if !addresses.is_empty() => Verdict::Addresses(addresses),
        Rtype::ANY => Verdict::Minimal,
        _ => Verdict::NoData(zone),
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::wire_name;
    use super::*;
    use crate::state::names::NamesFile;

    const HOST_2: &str = "\
version 1
network flatnet
listen 10.87.2.1
subnet 10.87.2.0/24
range 10.87.0.0/16
zone z.internal
domain flatnet.internal 10.87.2.1
host host 10.87.2.1
host windows 172.20.0.1
name 10.87.2.2 0123456789abcdef eth0 db h9 cache.h3
name 10.87.2.3 fedcba9876543210 eth0
name 10.87.2.4 aaaaaaaaaaaaaaaa eth0 db.h2
";

    fn shown(verdict: &Verdict<'_>) -> String {
        match verdict {
            Verdict::Addresses(addresses) => format!("{addresses:?}"),
            Verdict::Addresses6(addresses) => format!("{addresses:?}"),
            Verdict::Pointer(name) => name.to_string(),
            Verdict::OtherHost(address) => format!("ask {address}"),
            Verdict::NoName(zone) | Verdict::NoData(zone) => format!("nothing in {}", zone.name()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn host_of_a_name_is_found_by_its_number() {
        let network = Network::new(NamesFile::parse(HOST_2).unwrap());
        let own = |name: &str, rtype| {
            let name = QuestionName::of(&wire_name(name).unwrap());
            shown(&decide(std::iter::once(&network), None, &name, rtype))
        };
        let others = |name: &str, rtype| {
            let name = QuestionName::of(&wire_name(name).unwrap());
            decide_for_host(&network, &name, rtype).map_or("REFUSED".to_owned(), |verdict| shown(&verdict))
        };
        let a = Rtype::A;
        for (name, rtype, to_own, to_others) in [
            ("db", a, "[10.87.2.2]", "REFUSED"),
            ("db.h2", a, "[10.87.2.2]", "[10.87.2.2]"),
            ("DB.Host2", a, "[10.87.2.2]", "[10.87.2.2]"),
            ("db.h2.z.internal", a, "[10.87.2.2]", "[10.87.2.2]"),
            ("db.h2", Rtype::AAAA, "nothing in .", "nothing in ."),
            ("fedcba987654.host2.z.internal", a, "[10.87.2.3]", "[10.87.2.3]"),
            ("h2", a, "[10.87.2.1]", "[10.87.2.1]"),
            ("h2.z.internal", Rtype::TXT, "nothing in z.internal", "Version"),
            ("host2.z.internal", a, "[10.87.2.1]", "[10.87.2.1]"),
            ("nobody.h2", a, "nothing in .", "nothing in ."),
            ("nobody.h2.z.internal", a, "nothing in z.internal", "nothing in z.internal"),
            // What leads elsewhere is of no use on another host.
            ("windows.h2", a, "nothing in .", "nothing in ."),
            ("windows.z.internal", a, "[172.20.0.1]", "REFUSED"),
            ("shop.flatnet.internal", a, "[10.87.2.1]", "REFUSED"),
            ("example.org", a, "Forward", "REFUSED"),
            ("com", Rtype::NS, "Forward", "REFUSED"),
            // Other hosts: asked for by this one, never for them.
            ("db.h3", a, "ask 10.87.3.1", "REFUSED"),
            ("db.host254.z.internal", a, "ask 10.87.254.1", "REFUSED"),
            ("h3", a, "ask 10.87.3.1", "REFUSED"),
            // No container takes a name on another host, but one may be called like a host.
            ("cache.h3", a, "ask 10.87.3.1", "REFUSED"),
            ("h9", a, "[10.87.2.2]", "REFUSED"),
            ("db.h9", a, "ask 10.87.9.1", "REFUSED"),
            ("db.h255", a, "Forward", "REFUSED"),
            ("db.h255.z.internal", a, "nothing in z.internal", "REFUSED"),
            ("2.2.87.10.in-addr.arpa", Rtype::PTR, "db.z.internal", "db.h2.z.internal"),
            ("1.2.87.10.in-addr.arpa", Rtype::PTR, "host.z.internal", "host.h2.z.internal"),
            ("9.3.87.10.in-addr.arpa", Rtype::PTR, "ask 10.87.3.1", "REFUSED"),
            ("9.0.87.10.in-addr.arpa", Rtype::PTR, "Forward", "REFUSED"),
            ("1.2.0.192.in-addr.arpa", Rtype::PTR, "Forward", "REFUSED"),
        ] {
            assert_eq!(own(name, rtype), to_own, "{name} {rtype}");
            assert_eq!(others(name, rtype), to_others, "{name} {rtype}, of another host");
        }
    }

    #[test]
    fn containers_with_ipv6_have_addresses_and_names_of_both_families() {
        let text = "version 1\nnetwork flatnet\nlisten 10.87.1.1\nsubnet 10.87.1.0/24\nsubnet6 fd0a:57f1:a7e0:1::/64\n\
                    zone z.internal\nhost host 10.87.1.1\nname6 10.87.1.2 fd0a:57f1:a7e0:1::2 0123456789abcdef eth0 web all\n\
                    name 10.87.1.3 fedcba9876543210 eth0 old all\n";
        let network = Network::new(NamesFile::parse(text).unwrap());
        let nibbles =
            |last: &str| format!("{last}.{}1.0.0.0.0.e.7.a.1.f.7.5.a.0.d.f.ip6.arpa", "0.".repeat(15));
        for (name, rtype, answer) in [
            ("web", Rtype::AAAA, "[fd0a:57f1:a7e0:1::2]"),
            ("web.z.internal", Rtype::AAAA, "[fd0a:57f1:a7e0:1::2]"),
            ("web", Rtype::A, "[10.87.1.2]"),
            ("all", Rtype::AAAA, "[fd0a:57f1:a7e0:1::2]"),
            ("old", Rtype::AAAA, "nothing in ."),
            ("host.z.internal", Rtype::AAAA, "nothing in z.internal"),
            (&nibbles("2"), Rtype::PTR, "web.z.internal"),
            (&nibbles("2"), Rtype::A, "nothing in 1.0.0.0.0.e.7.a.1.f.7.5.a.0.d.f.ip6.arpa"),
            (&nibbles("3"), Rtype::PTR, "nothing in 1.0.0.0.0.e.7.a.1.f.7.5.a.0.d.f.ip6.arpa"),
            ("1.0.0.2.ip6.arpa", Rtype::PTR, "Forward"),
        ] {
            let question = QuestionName::of(&wire_name(name).unwrap());
            assert_eq!(
                shown(&decide(std::iter::once(&network), None, &question, rtype)),
                answer,
                "{name} {rtype}"
            );
        }
    }

    #[test]
    fn names_of_a_users_containers_are_short_for_these_only() {
        let text = "version 1\nnetwork flatnet\nlisten 10.87.1.1\nsubnet 10.87.1.0/24\nzone z.internal\nhost gateway 10.87.1.1\n\
                    name 10.87.1.2 0123456789abcdef eth0 web\n\
                    name 10.87.1.3 u1001.alice.0123456789abcdef eth0 web.alice gateway.alice\n\
                    name 10.87.1.4 u1002.bob.0123456789abcdef eth0 web.bob db.bob x.alice.bob\n\
                    name 10.87.1.5 fedcba9876543210 eth0 db.alice\n\
                    name 10.87.1.6 u1001.alice.fedcba9876543210 eth0 db.alice\n";
        let network = Network::new(NamesFile::parse(text).unwrap());
        for (client, name, answer) in [
            (2, "web", "[10.87.1.2]"),
            (3, "web", "[10.87.1.3]"),
            (3, "WEB.z.internal", "[10.87.1.3]"),
            (4, "web", "[10.87.1.4]"),
            (2, "gateway", "[10.87.1.1]"),
            (3, "gateway", "[10.87.1.3]"),
            (4, "gateway.z.internal", "[10.87.1.1]"),
            (3, "db2", "nothing in ."),
            (3, "db.bob.z.internal", "[10.87.1.4]"),
            (2, "web.alice.z.internal", "[10.87.1.3]"),
            (2, "x.alice.z.internal", "nothing in z.internal"),
            (3, "0123456789ab", "[10.87.1.3]"),
            (2, "0123456789ab", "[10.87.1.2]"),
            (2, "0123456789ab.bob.z.internal", "[10.87.1.4]"),
            // Nobody's container takes a name of root's.
            (2, "db.alice.z.internal", "[10.87.1.5]"),
            (4, "db.alice.z.internal", "[10.87.1.5]"),
            (3, "db", "[10.87.1.6]"),
            // Without the zone, names of several labels are not containers'.
            (3, "db.bob", "Forward"),
        ] {
            let user = network.user_at([10, 87, 1, client].into());
            let question = QuestionName::of(&wire_name(name).unwrap());
            let verdict = decide(std::iter::once(&network), user.as_ref(), &question, Rtype::A);
            assert_eq!(shown(&verdict), answer, "{client} {name}");
        }
    }

    #[test]
    fn other_hosts_resolvers_are_told_from_their_containers() {
        let network = Network::new(NamesFile::parse(HOST_2).unwrap());
        for (address, is_host) in [
            ([10, 87, 1, 1], true),
            ([10, 87, 254, 1], true),
            ([10, 87, 1, 2], false),
            ([10, 87, 2, 1], false),
            ([10, 87, 0, 1], false),
            ([10, 87, 255, 1], false),
            ([10, 86, 0, 1], false),
        ] {
            assert_eq!(network.is_other_host(address.into()), is_host, "{address:?}");
        }
        let alone = HOST_2.replace("range 10.87.0.0/16\n", "");
        let alone = Network::new(NamesFile::parse(&alone).unwrap());
        assert!(!alone.is_other_host([10, 87, 1, 1].into()));
        let name = QuestionName::of(&wire_name("db.h3").unwrap());
        assert_eq!(shown(&decide(std::iter::once(&alone), None, &name, Rtype::A)), "Forward");
        assert_eq!(decide_for_host(&alone, &name, Rtype::A), None);
    }
}
