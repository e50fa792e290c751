//! What a question would be answered, for people.

use std::net::Ipv4Addr;

use domain::base::Rtype;

use super::decide::{Verdict, decide};
use super::network::{Network, wire_name};
use super::question::QuestionName;
use crate::state::names::NamesFile;

/// The answer to a question for the addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupResult {
    /// These addresses.
    Addresses(Vec<Ipv4Addr>),
    /// There is no such name, or it has no address.
    Nothing,
    /// Other servers are asked.
    Forwarded,
    /// The resolver of another host is asked, which is at this address.
    OtherHost(Ipv4Addr),
}

/// What the resolver answers a question for `name`, with or without a dot at its end, by the files of all networks, of
/// which the first is the client's own. `None`: no question can hold such a name.
#[must_use]
pub fn look_up(files: Vec<NamesFile>, name: &str) -> Option<LookupResult> {
    let networks: Vec<Network> = files.into_iter().map(Network::new).collect();
    let name = QuestionName::of(&wire_name(name.strip_suffix('.').unwrap_or(name))?);
    Some(match decide(networks.iter(), None, &name, Rtype::A) {
        Verdict::Addresses(addresses) => LookupResult::Addresses(addresses.to_vec()),
        Verdict::Forward => LookupResult::Forwarded,
        Verdict::OtherHost(address) => LookupResult::OtherHost(address),
        _ => LookupResult::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_as_the_resolver_does() {
        let text = "version 1\nnetwork lab\nlisten 10.87.1.1\nsubnet 10.87.1.0/24\nzone direct.flatnet.internal\n\
                    domain flatnet.internal 10.87.1.1\nname 10.87.1.2 0123456789abcdef eth0 web\n";
        let found = |name: &str| look_up(vec![NamesFile::parse(text).unwrap()], name);
        let at = |last: u8| Some(LookupResult::Addresses(vec![[10, 87, 1, last].into()]));
        for name in ["web", "WEB.", "web.direct.flatnet.internal.", "0123456789ab"] {
            assert_eq!(found(name), at(2), "{name}");
        }
        assert_eq!(found("shop.flatnet.internal"), at(1));
        assert_eq!(found("shop"), Some(LookupResult::Nothing));
        assert_eq!(found("web.example.org"), Some(LookupResult::Forwarded));
        assert_eq!(found("a..b"), None);
    }
}
