//! Other programs' chains in the way of Flatnet's packets: an accept of ours does not undo a drop of theirs.

use serde_json::Value;

use crate::command::Command;
use crate::error::Result;
use crate::execute::Executor;
use crate::tools::Tools;

use super::attachment::bad_json;

/// A chain of somebody else that drops forwarded packets unless a rule accepts them, and has no rule for our bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppingChain {
    /// `ip` or `inet`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
    /// Whether its table has Docker's chain for the rules of others.
    pub has_docker_user: bool,
}

/// The chains at the forward hook that drop what goes from or to `bridge`.
pub fn dropping_chains(
    bridge: &str,
    executor: &mut dyn Executor,
    tools: &Tools,
) -> Result<Vec<DroppingChain>> {
    let command = Command::new([tools.nft.as_str(), "-j", "list", "chains"]);
    let chains = executor.run(&command, &[])?.checked(&command)?.stdout;
    let mut found = parse_chains(&chains).map_err(|cause| bad_json("nft", &cause))?;
    let mut in_the_way = Vec::new();
    for chain in found.drain(..) {
        let command = Command::new([tools.nft.as_str(), "-j", "list", "table", &chain.family, &chain.table]);
        let table = executor.run(&command, &[])?.checked(&command)?.stdout;
        if !accepts_both_ways(&table, bridge).map_err(|cause| bad_json("nft", &cause))? {
            in_the_way.push(chain);
        }
    }
    Ok(in_the_way)
}

/// The filter chains with the policy drop at the forward hook. Flatnet's own have the policy accept.
fn parse_chains(json: &str) -> Result<Vec<DroppingChain>, serde_json::Error> {
    let objects = objects(json)?;
    let chains: Vec<&Value> = objects.iter().filter_map(|object| object.get("chain")).collect();
    let text =
        |chain: &Value, key: &str| chain.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let has_docker_user = |family: &str, table: &str| {
        chains.iter().any(|chain| {
            text(chain, "name") == "DOCKER-USER"
                && text(chain, "family") == family
                && text(chain, "table") == table
        })
    };
    let dropping = |chain: &&&Value| {
        text(chain, "hook") == "forward"
            && text(chain, "policy") == "drop"
            && ["ip", "inet"].contains(&text(chain, "family").as_str())
    };
    let found = |chain: &&Value| {
        let (family, table) = (text(chain, "family"), text(chain, "table"));
        let has_docker_user = has_docker_user(&family, &table);
        DroppingChain { family, table, chain: text(chain, "name"), has_docker_user }
    };
    Ok(chains.iter().filter(dropping).map(found).collect())
}

/// Whether rules of the table accept what comes from `bridge`, and what goes to it.
fn accepts_both_ways(json: &str, bridge: &str) -> Result<bool, serde_json::Error> {
    let objects = objects(json)?;
    let accepts = |key: &str| {
        objects.iter().filter_map(|object| object.pointer("/rule/expr")?.as_array()).any(|expr| {
            let matches = |one: &Value| {
                one.pointer("/match/left/meta/key").and_then(Value::as_str) == Some(key)
                    && one.pointer("/match/op").and_then(Value::as_str) == Some("==")
                    && one.pointer("/match/right").and_then(Value::as_str) == Some(bridge)
            };
            expr.iter().any(matches) && expr.iter().any(|one| one.get("accept").is_some())
        })
    };
    Ok(accepts("iifname") && accepts("oifname"))
}

fn objects(json: &str) -> Result<Vec<Value>, serde_json::Error> {
    let document: Value = serde_json::from_str(json)?;
    Ok(document.get("nftables").and_then(Value::as_array).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nft 1.0.6 prints what Docker made.
    const CHAINS: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
        {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER", "handle": 1}},
        {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 2, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "fw", "name": "in", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "flatnet", "name": "at_forwarding", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}}]}"#;

    #[test]
    fn finds_dockers_chain_and_no_other() {
        let docker = DroppingChain {
            family: "ip".to_owned(),
            table: "filter".to_owned(),
            chain: "FORWARD".to_owned(),
            has_docker_user: true,
        };
        assert_eq!(parse_chains(CHAINS).unwrap(), [docker]);
    }

    #[test]
    fn rules_for_both_ways_are_enough() {
        let rule = |key: &str| {
            format!(
                r#"{{"rule": {{"chain": "x", "expr": [{{"match": {{"op": "==", "left": {{"meta": {{"key": "{key}"}}}},
                   "right": "br"}}}}, {{"counter": {{"packets": 0, "bytes": 0}}}}, {{"accept": null}}]}}}}"#
            )
        };
        let table = |rules: &[String]| format!(r#"{{"nftables": [{}]}}"#, rules.join(","));
        let both = table(&[rule("iifname"), rule("oifname")]);
        assert!(accepts_both_ways(&both, "br").unwrap());
        assert!(!accepts_both_ways(&both, "other").unwrap());
        assert!(!accepts_both_ways(&table(&[rule("iifname")]), "br").unwrap());
        assert!(!accepts_both_ways(&both.replace("accept", "drop"), "br").unwrap());
    }
}
