//! Parses `iptables-legacy -S`: rules that nft does not see.

use super::rules::{Chains, Condition, Match, Rule, Verdict};

/// Chains with their rules, and whether the policy of the chain `base` is to drop.
pub(super) fn parse(base: &str, text: &str) -> (Chains, bool) {
    let mut chains = Chains::new();
    let mut drops = false;
    for line in text.lines() {
        let words = words(line);
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["-P", chain, policy] if chain == base => drops = policy == "DROP",
            ["-N", name] => drop(chains.entry(name.to_owned()).or_default()),
            ["-A", name, ref rest @ ..] => {
                chains.entry(name.to_owned()).or_default().push(rule(name, rest, line));
            }
            _ => {}
        }
    }
    (chains, drops)
}

fn rule(chain: &str, words: &[&str], line: &str) -> Rule {
    let mut rule = Rule {
        chain: chain.to_owned(),
        matches: Vec::new(),
        verdict: Verdict::Nothing,
        called: line.to_owned(),
    };
    let (mut words, mut negated) = (words.iter().copied(), false);
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let mut value = || words.next().unwrap_or_default();
        let called = |name: &str| vec![name.replace('+', "*")];
        let asked = match word {
            "-i" => Some(Condition::Iif(called(value()))),
            "-o" => Some(Condition::Oif(called(value()))),
            "-s" => Some(value().parse().map_or(Condition::Unknown, |net| Condition::Source(vec![net]))),
            "-d" => Some(value().parse().map_or(Condition::Unknown, |net| Condition::Destination(vec![net]))),
            "--ctstate" | "--state" => {
                Some(Condition::State(value().split(',').map(str::to_owned).collect()))
            }
            "-m" => (!["conntrack", "state", "comment"].contains(&value())).then_some(Condition::Unknown),
            "--comment" | "--reject-with" => {
                value();
                None
            }
            "-j" => {
                rule.verdict = verdict(value());
                None
            }
            "-g" => {
                rule.verdict = Verdict::Goto(value().to_owned());
                None
            }
            _ => Some(Condition::Unknown),
        };
        rule.matches.extend(asked.map(|what| Match { what, negated }));
        negated = false;
    }
    rule
}

fn verdict(target: &str) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        // A target such as LOG is not a chain, and decides nothing.
        other => Verdict::Jump(other.to_owned()),
    }
}

/// Splits into words; quoted text is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Fate, Packet, walk};
    use super::*;

    #[test]
    fn iptables_policy_and_rules_are_parsed() {
        let text = r#"-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT
-A FORWARD ! -i lan+ -m comment --comment "no -j ACCEPT here" -j REJECT --reject-with icmp-port-unreachable
-A DOCKER-USER -s 10.87.0.0/16 -j ACCEPT"#;
        let (chains, drops) = parse("FORWARD", text);
        assert!(drops);
        let fate = |packet| walk(&chains, "FORWARD", packet);
        let from =
            |iif| Packet { iif: Some(iif), source: "192.168.0.0/24".parse().ok(), ..Packet::default() };
        assert_eq!(fate(from("lan0")), Fate::Passed);
        assert!(
            matches!(fate(from("eth0")), Fate::Dropped(rule) if rule.called.starts_with("-A FORWARD ! -i"))
        );
        let flat = Packet { source: "10.87.1.0/24".parse().ok(), ..from("eth0") };
        assert_eq!(fate(flat), Fate::Accepted);
    }
}
