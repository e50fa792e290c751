//! Parses `nft -j list ..`: other programs' chains and rules.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::rules::{Chains, Condition, Match, Rule, Verdict};

/// A base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseChain {
    /// `ip` or `inet`.
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
    /// Whether its policy is to drop.
    pub(super) drops: bool,
}

/// The chains that IPv4 packets pass at `hook`.
pub(super) fn base_chains(json: &str, hook: &str) -> Result<Vec<BaseChain>, serde_json::Error> {
    let chain = |object: Value| {
        let chain = object.get("chain")?;
        let family = text(chain, "family");
        let passes = text(chain, "hook") == hook && ["ip", "inet"].contains(&family.as_str());
        passes.then(|| BaseChain {
            family,
            table: text(chain, "table"),
            name: text(chain, "name"),
            drops: text(chain, "policy") == "drop",
        })
    };
    Ok(objects(json)?.into_iter().filter_map(chain).collect())
}

/// All chains of one table, with their rules.
pub(super) fn chains(json: &str) -> Result<Chains, serde_json::Error> {
    let mut chains = Chains::new();
    for object in objects(json)? {
        if let Some(chain) = object.get("chain") {
            chains.entry(text(chain, "name")).or_default();
        } else if let Some(found) = object.get("rule") {
            let rule = rule(found);
            chains.entry(rule.chain.clone()).or_default().push(rule);
        }
    }
    Ok(chains)
}

fn rule(found: &Value) -> Rule {
    let mut rule = Rule {
        chain: text(found, "chain"),
        matches: Vec::new(),
        verdict: Verdict::Nothing,
        called: found.get("handle").map_or(String::new(), |handle| format!("# handle {handle}")),
    };
    for part in found.get("expr").and_then(Value::as_array).into_iter().flatten() {
        let Some((kind, value)) = part.as_object().and_then(|part| part.iter().next()) else { continue };
        let target = || text(value, "target");
        match (kind.as_str(), text(value, "name").as_str()) {
            ("accept", _) => rule.verdict = Verdict::Accept,
            ("drop" | "reject", _) | ("xt", "REJECT" | "DROP") => rule.verdict = Verdict::Drop,
            ("return", _) => rule.verdict = Verdict::Return,
            ("jump", _) => rule.verdict = Verdict::Jump(target()),
            ("goto", _) => rule.verdict = Verdict::Goto(target()),
            ("counter" | "log" | "mangle", _) | ("xt", "comment") => {}
            ("match", _) => rule.matches.push(one_match(value)),
            // Limits, verdict maps, what iptables-nft does not translate.
            _ => rule.matches.push(Match { what: Condition::Unknown, negated: false }),
        }
    }
    rule
}

fn one_match(value: &Value) -> Match {
    let left = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let right = listed(&value["right"]);
    let nets = |right: &[Value]| right.iter().map(net).collect::<Option<Vec<Ipv4Net>>>();
    let words = |right: &[Value]| {
        right.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    };
    let asked = match (left("/left/meta/key"), left("/left/ct/key"), left("/left/payload/field")) {
        ("iif" | "iifname", ..) => words(&right).map(Condition::Iif),
        ("oif" | "oifname", ..) => words(&right).map(Condition::Oif),
        ("nfproto", ..) => Some(Condition::Ipv4(right == ["ipv4"])),
        (_, "state", _) => words(&right).map(Condition::State),
        (_, _, "saddr") => nets(&right).map(Condition::Source),
        (_, _, "daddr") => nets(&right).map(Condition::Destination),
        _ => None,
    };
    Match { what: asked.unwrap_or(Condition::Unknown), negated: value["op"] == "!=" }
}

/// The members of a value, a list or an anonymous set.
fn listed(right: &Value) -> Vec<Value> {
    let list = right.get("set").unwrap_or(right);
    list.as_array().cloned().unwrap_or_else(|| vec![list.clone()])
}

fn net(value: &Value) -> Option<Ipv4Net> {
    let Some(prefix) = value.get("prefix") else {
        return Some(value.as_str()?.parse::<std::net::Ipv4Addr>().ok()?.into());
    };
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    Ipv4Net::new(prefix.get("addr")?.as_str()?.parse().ok()?, length).ok()
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn objects(json: &str) -> Result<Vec<Value>, serde_json::Error> {
    let document: Value = serde_json::from_str(json)?;
    Ok(document.get("nftables").and_then(Value::as_array).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Fate, Packet, walk};
    use super::*;

    const DOCKER: &str = include_str!("../../../../tests/captured/nft-1.0.6/iptables-forward.json");

    #[test]
    fn base_chains_for_ipv4_are_found() {
        let chains = |family: &str, hook: &str| {
            format!(
                r#"{{"nftables": [{{"chain": {{"family": "{family}", "table": "t", "name": "c", "hook": "{hook}", "policy": "drop"}}}}]}}"#
            )
        };
        for (family, hook, count) in
            [("ip", "forward", 1), ("inet", "forward", 1), ("ip6", "forward", 0), ("ip", "input", 0)]
        {
            assert_eq!(
                base_chains(&chains(family, hook), "forward").unwrap().len(),
                count,
                "{family} {hook}"
            );
        }
        assert_eq!(base_chains(DOCKER, "forward").unwrap()[0].name, "FORWARD");
        assert!(base_chains("garbage", "forward").is_err());
    }

    /// DOCKER-USER accepts what comes from `br`; what comes from any other `br..` is rejected.
    #[test]
    fn iptables_nft_rules_are_parsed() {
        let chains = chains(DOCKER).unwrap();
        let fate = |iif| walk(&chains, "FORWARD", Packet { iif: Some(iif), ..Packet::default() });
        assert_eq!(fate("br"), Fate::Accepted);
        assert!(matches!(fate("br1"), Fate::Dropped(rule) if rule.called == "# handle 6"));
        assert_eq!(fate("eth0"), Fate::Passed);
    }

    #[test]
    fn interface_network_and_state_matches_are_parsed() {
        let asked = |left: &str, op: &str, right: &str| {
            let json = format!(r#"{{"left": {left}, "op": "{op}", "right": {right}}}"#);
            one_match(&serde_json::from_str(&json).unwrap())
        };
        let is = |what| Match { what, negated: false };
        let net = |text: &str| text.parse().unwrap();
        let saddr = r#"{"payload": {"protocol": "ip", "field": "saddr"}}"#;
        assert_eq!(
            asked(saddr, "==", r#"{"prefix": {"addr": "10.87.0.0", "len": 16}}"#),
            is(Condition::Source(vec![net("10.87.0.0/16")]))
        );
        assert_eq!(asked(saddr, "==", r#""10.87.1.2""#), is(Condition::Source(vec![net("10.87.1.2/32")])));
        assert_eq!(asked(saddr, "==", r#""@trusted""#), is(Condition::Unknown));
        assert_eq!(
            asked(r#"{"meta": {"key": "oifname"}}"#, "!=", r#"{"set": ["a", "b"]}"#),
            Match { what: Condition::Oif(vec!["a".to_owned(), "b".to_owned()]), negated: true }
        );
        assert_eq!(
            asked(r#"{"ct": {"key": "state"}}"#, "in", r#"["established", "related"]"#),
            is(Condition::State(vec!["established".to_owned(), "related".to_owned()]))
        );
        assert_eq!(asked(r#"{"meta": {"key": "mark"}}"#, "==", "1"), is(Condition::Unknown));
    }
}
