//! Evaluates other programs' rules for a container's packets, as far as possible without a packet.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

/// The maximum depth of chain calls (`NFT_JUMP_STACK_SIZE` of the kernel).
const DEPTH: u32 = 16;

/// Chains by name.
pub(super) type Chains = BTreeMap<String, Vec<Rule>>;

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// Its chain.
    pub(super) chain: String,
    /// Its conditions.
    pub(super) matches: Vec<Match>,
    /// Its verdict.
    pub(super) verdict: Verdict,
    /// Its handle, or its text.
    pub(super) called: String,
}

/// A condition of a rule, possibly negated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Match {
    pub(super) what: Condition,
    pub(super) negated: bool,
}

/// The kinds of conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// The incoming link is one of these; a name may end in `*`.
    Iif(Vec<String>),
    /// The outgoing link is one of these.
    Oif(Vec<String>),
    /// The source address is in one of these networks.
    Source(Vec<Ipv4Net>),
    /// The destination address is in one of these networks.
    Destination(Vec<Ipv4Net>),
    /// The connection is in one of these states.
    State(Vec<String>),
    /// It is IPv4, or not.
    Ipv4(bool),
    /// Anything else, which may be true or not.
    Unknown,
}

/// The verdict of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Jump(String),
    Goto(String),
    Return,
    /// None: it only counts, marks or logs.
    Nothing,
}

/// The first packet of a connection from or to containers; unknown properties are `None`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packet<'a> {
    pub(super) iif: Option<&'a str>,
    pub(super) oif: Option<&'a str>,
    pub(super) source: Option<Ipv4Net>,
    pub(super) destination: Option<Ipv4Net>,
}

/// The result of a chain.
#[derive(Debug, PartialEq)]
pub(super) enum Fate<'a> {
    Accepted,
    /// Decided by this rule.
    Dropped(&'a Rule),
    /// The packet reaches the chain's end.
    Passed,
}

/// Evaluates `packet` in `chain`. A rule that may or may not match is assumed not to match.
pub(super) fn walk<'a>(chains: &'a Chains, chain: &str, packet: Packet<'_>) -> Fate<'a> {
    walk_to(chains, chain, packet, DEPTH)
}

fn walk_to<'a>(chains: &'a Chains, chain: &str, packet: Packet<'_>, depth: u32) -> Fate<'a> {
    let rules = chains.get(chain).filter(|_| depth > 0);
    for rule in rules.into_iter().flatten().filter(|rule| rule.surely_holds(packet)) {
        let fate = match &rule.verdict {
            Verdict::Accept => Fate::Accepted,
            Verdict::Drop => Fate::Dropped(rule),
            Verdict::Return => return Fate::Passed,
            Verdict::Goto(to) => return walk_to(chains, to, packet, depth - 1),
            Verdict::Jump(to) => walk_to(chains, to, packet, depth - 1),
            Verdict::Nothing => Fate::Passed,
        };
        if fate != Fate::Passed {
            return fate;
        }
    }
    Fate::Passed
}

impl Rule {
    fn surely_holds(&self, packet: Packet<'_>) -> bool {
        self.matches.iter().all(|one| one.what.holds(packet) == Some(!one.negated))
    }
}

impl Condition {
    /// Whether it is true; `None` if that depends on the packet.
    fn holds(&self, packet: Packet<'_>) -> Option<bool> {
        match self {
            Self::Iif(names) => packet.iif.map(|link| names.iter().any(|name| is_called(link, name))),
            Self::Oif(names) => packet.oif.map(|link| names.iter().any(|name| is_called(link, name))),
            Self::Source(nets) => lies_in(packet.source?, nets),
            Self::Destination(nets) => lies_in(packet.destination?, nets),
            Self::State(states) => Some(states.iter().any(|state| state.eq_ignore_ascii_case("new"))),
            Self::Ipv4(is) => Some(*is),
            Self::Unknown => None,
        }
    }
}

fn is_called(link: &str, name: &str) -> bool {
    name.strip_suffix('*').map_or(link == name, |start| link.starts_with(start))
}

fn lies_in(subnet: Ipv4Net, nets: &[Ipv4Net]) -> Option<bool> {
    if nets.iter().any(|net| net.contains(&subnet)) {
        return Some(true);
    }
    if nets.iter().any(|net| subnet.contains(net)) { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matches: &[(Condition, bool)], verdict: Verdict) -> Rule {
        let matches =
            matches.iter().map(|(what, negated)| Match { what: what.clone(), negated: *negated }).collect();
        Rule { chain: "c".to_owned(), matches, verdict, called: String::new() }
    }

    #[test]
    fn first_certain_match_decides_verdict() {
        let bridge = || Condition::Iif(vec!["flatnet-*".to_owned()]);
        let net = |text: &str| Condition::Source(vec![text.parse().unwrap()]);
        let (accept, drop) = (Verdict::Accept, Verdict::Drop);
        for (rules, dropped) in [
            (vec![rule(&[], drop.clone())], true),
            (vec![rule(&[(Condition::Unknown, false)], drop.clone())], false),
            (vec![rule(&[(bridge(), false)], accept.clone()), rule(&[], drop.clone())], false),
            (vec![rule(&[(bridge(), true)], accept.clone()), rule(&[], drop.clone())], true),
            (vec![rule(&[(net("10.0.0.0/8"), false)], accept.clone()), rule(&[], drop.clone())], false),
            (vec![rule(&[(net("10.87.1.9/32"), false)], drop.clone())], false),
            (
                vec![
                    rule(&[(Condition::State(vec!["established".to_owned()]), false)], accept.clone()),
                    rule(&[], drop.clone()),
                ],
                true,
            ),
            (vec![rule(&[], Verdict::Jump("sub".to_owned())), rule(&[], drop.clone())], false),
            (vec![rule(&[], Verdict::Goto("none".to_owned())), rule(&[], drop.clone())], false),
            (vec![rule(&[], Verdict::Jump("c".to_owned())), rule(&[], drop.clone())], true),
        ] {
            let chains = Chains::from([
                ("c".to_owned(), rules.clone()),
                ("sub".to_owned(), vec![rule(&[], accept.clone())]),
            ]);
            let packet =
                Packet { iif: Some("flatnet-br0"), source: "10.87.1.0/24".parse().ok(), ..Packet::default() };
            assert_eq!(matches!(walk(&chains, "c", packet), Fate::Dropped(_)), dropped, "{rules:?}");
        }
    }
}
