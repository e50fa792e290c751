//! Finds links with Flatnet's mark, with or without a receipt.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::attachment::bad_json;
use super::link::{self, Link};
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::kernel::host::Host;
use crate::model::command::Command;
use crate::model::types::{AttachmentId, LinkAlias, NetnsPath, NetworkName, Owner};

/// The links of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkedLinks {
    /// Links with the bridge's alias, whatever their name.
    pub bridges: Vec<Link>,
    /// Bridges of another Flatnet's network of this name, with their owner marks.
    pub others: Vec<(Owner, Link)>,
    /// Links with an attachment's alias.
    pub ports: Vec<(AttachmentId, Link)>,
}

/// The links on this host with the mark of `network`; `owner` is this Flatnet's owner mark, if known.
pub fn links(network: &NetworkName, owner: Option<&Owner>, host: &mut Host) -> Result<MarkedLinks> {
    let command = Command::new([host.tools.ip.as_str(), "-j", "-d", "addr", "show"]);
    let output = host.run(&command, &[])?.checked(&command)?;
    let links = link::parse(&output.stdout).map_err(|cause| bad_json("ip addr", &cause))?;
    Ok(sort(links, network, owner))
}

fn sort(links: Vec<Link>, network: &NetworkName, owner: Option<&Owner>) -> MarkedLinks {
    let mut marked = MarkedLinks::default();
    for link in links {
        if let Some(found) = LinkAlias::bridge_in(&link.alias, network).filter(|_| link.kind == "bridge") {
            match found {
                Some(other) if owner != Some(&other) => marked.others.push((other, link)),
                _ => marked.bridges.push(link),
            }
        } else if let Some(id) = LinkAlias::attachment_in(&link.alias, network) {
            marked.ports.push((id, link));
        }
    }
    marked
}

/// The named network namespaces by their ID on this host ([`Link::peer_netns`]).
pub fn netns_names(host: &mut Host) -> Result<BTreeMap<u32, NetnsPath>> {
    let command = Command::new([host.tools.ip.as_str(), "-j", "netns", "list-id"]);
    let output = host.run(&command, &[])?.checked(&command)?;
    parse_names(&output.stdout).map_err(|cause| bad_json("ip netns", &cause))
}

fn parse_names(json: &str) -> Result<BTreeMap<u32, NetnsPath>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        nsid: i64,
        #[serde(default)]
        name: String,
    }
    let entries: Vec<Entry> = serde_json::from_str(json)?;
    let named = |Entry { nsid, name }: Entry| {
        let path = (!name.is_empty()).then(|| format!("/run/netns/{name}").parse().ok())??;
        Some((u32::try_from(nsid).ok()?, path))
    };
    Ok(entries.into_iter().filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_with_mark_of_network_are_owned() {
        let links = link::parse(include_str!("../../../tests/captured/iproute2-6.1/addr.json")).unwrap();
        let total = links.len();
        let marked = sort(links.clone(), &NetworkName::parse("flatnet").unwrap(), None);
        assert_eq!(marked.bridges.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["flatnet-br0"]);
        assert_eq!(marked.ports.len(), 2);
        assert!(marked.bridges.len() + marked.ports.len() < total, "lo has no owner");
        assert_eq!(sort(links, &NetworkName::parse("other").unwrap(), None), MarkedLinks::default());
    }

    #[test]
    fn bridge_with_other_owner_mark_is_foreign() {
        let network = NetworkName::parse("flatnet").unwrap();
        let (own, other) = (Owner::new("Debian", [1; 6]), Owner::new("Debian", [2; 6]));
        let found = |alias: &LinkAlias, owner| {
            let json = include_str!("../../../tests/captured/iproute2-6.1/addr.json");
            let json = json.replace(r#""ifalias":"flatnet/flatnet""#, &format!(r#""ifalias":"{alias}""#));
            let marked = sort(link::parse(&json).unwrap(), &network, owner);
            (marked.bridges.len(), marked.others.into_iter().map(|(owner, _)| owner).collect::<Vec<_>>())
        };
        let marked = LinkAlias::of_bridge(&network, Some(&other));
        assert_eq!(found(&marked, Some(&other)), (1, Vec::new()));
        assert_eq!(found(&marked, Some(&own)), (0, vec![other.clone()]));
        assert_eq!(
            found(&marked, None),
            (0, vec![other.clone()]),
            "a bridge with an owner is foreign while our own owner mark is unknown"
        );
        let of_0_1_0 = LinkAlias::of_bridge(&network, None);
        assert_eq!(found(&of_0_1_0, Some(&own)), (1, Vec::new()), "0.1.0 made no marks");
    }

    /// Output of iproute2 6.1.
    #[test]
    fn unnamed_namespaces_are_skipped() {
        let names = parse_names(r#"[{"nsid":0,"name":"c1"},{"nsid":1},{"nsid":2,"name":"c2"}]"#).unwrap();
        assert_eq!(names.keys().copied().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(names[&2].as_str(), "/run/netns/c2");
        assert!(parse_names("[]").unwrap().is_empty());
    }
}
