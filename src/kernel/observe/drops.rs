//! What the rules of a table dropped, by chain.

use serde::Deserialize;
use serde_json::Value;

use super::attachment::{bad_json, table_json};
use crate::error::Result;
use crate::kernel::host::Host;

/// What one chain dropped since its table was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drops {
    /// The family of its table.
    pub family: String,
    /// Its name.
    pub chain: String,
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    rule: Option<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    family: String,
    chain: String,
    #[serde(default)]
    expr: Vec<Value>,
}

#[derive(Default, Deserialize)]
struct Counter {
    packets: u64,
    bytes: u64,
}

/// The drops of the tables `name`, in the order of their chains. None if they do not exist.
pub fn drops(name: &str, host: &mut Host) -> Result<Vec<Drops>> {
    let mut drops = Vec::new();
    for family in ["inet", "arp"] {
        // Without elements, of which there may be many.
        if let Some(json) = table_json(&["-j", "-t"], family, name, host)? {
            drops.extend(parse(&json).map_err(|cause| bad_json("nft", &cause))?);
        }
    }
    Ok(drops)
}

/// Parses `nft -j list table`: the sum of all rules of each chain that count and drop.
fn parse(json: &str) -> Result<Vec<Drops>, serde_json::Error> {
    let document: Document = serde_json::from_str(json)?;
    let mut found: Vec<Drops> = Vec::new();
    for Rule { family, chain, expr } in document.nftables.into_iter().filter_map(|object| object.rule) {
        if !expr.iter().any(|statement| statement.get("drop").is_some()) {
            continue;
        }
        let counter = expr.iter().find_map(|statement| statement.get("counter"));
        let Counter { packets, bytes } = counter.map(Counter::deserialize).transpose()?.unwrap_or_default();
        match found.iter_mut().find(|one| (&one.family, &one.chain) == (&family, &chain)) {
            Some(one) => {
                one.packets += packets;
                one.bytes += bytes;
            }
            None => found.push(Drops { family, chain, packets, bytes }),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_summed_by_chain() {
        let rule = |chain: &str, expr: &str| {
            format!(r#"{{"rule": {{"family": "inet", "chain": "{chain}", "expr": [{expr}]}}}}"#)
        };
        let counted = |verdict: &str, packets: u64| {
            format!(
                r#"{{"counter": {{"packets": {packets}, "bytes": {}}}}}, {{"{verdict}": null}}"#,
                packets * 60
            )
        };
        let rules = [
            rule("a", &counted("drop", 1)),
            rule("b", &counted("accept", 70)),
            rule("b", r#"{"drop": null}"#),
            rule("a", &counted("drop", 2)),
        ];
        let json = format!(r#"{{"nftables": [{{"chain": {{"name": "a"}}}}, {}]}}"#, rules.join(","));
        let drops = |chain: &str, packets| Drops {
            family: "inet".into(),
            chain: chain.into(),
            packets,
            bytes: packets * 60,
        };
        assert_eq!(parse(&json).unwrap(), [drops("a", 3), drops("b", 0)]);
        assert!(parse(&json.replace("\"packets\": 1", "\"packets\": -1")).is_err());
    }

    #[test]
    fn every_chain_that_drops_is_found_in_captured_output() {
        let chains = |json| parse(json).unwrap().into_iter().map(|one| one.chain).collect::<Vec<_>>();
        let inet = chains(include_str!("../../../tests/captured/nft-1.0.6/inet.json"));
        assert!(inet.contains(&"is_the_sender_genuine".to_owned()), "{inet:?}");
        assert!(inet.contains(&"who_may_come_in".to_owned()), "{inet:?}");
        let arp = chains(include_str!("../../../tests/captured/nft-1.0.6/arp.json"));
        assert_eq!(arp, ["is_the_arp_genuine"]);
    }
}
