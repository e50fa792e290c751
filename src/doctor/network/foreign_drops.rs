//! Other programs' rules that drop what this host forwards for containers.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::observe::foreign::{DroppingChain, Owner, Place};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "foreign-drops",
    group: Group::Network,
    looks_at: "every other chain at the forward hook, of nft and of iptables-legacy: policies and rules",
    shows: "containers reach this host and nobody else, or nobody reaches them, while Flatnet's own rules count nothing dropped",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let bridge = context.engine.config.bridge.to_string();
    let mut found: Vec<Finding> =
        context.engine.dropping_chains()?.iter().map(|chain| finding(chain, &bridge)).collect();
    if found.is_empty() {
        found.push(Finding::good("no other program's rules drop what this host forwards for containers"));
    }
    Ok(found)
}

fn finding(chain: &DroppingChain, bridge: &str) -> Finding {
    let place = match &chain.place {
        Place::Nft { family, table } => format!("chain {} of table {family} {table}", chain.chain),
        Place::Legacy => format!("chain {} of iptables-legacy", chain.chain),
    };
    let by = match &chain.rule {
        Some(rule) => format!("by the rule `{rule}`"),
        None => "by its policy".to_owned(),
    };
    Finding::failure(format!("{place} drops what this host forwards for containers, {by}"))
        .commands(commands(chain, bridge))
        .help(help(chain.owner))
}

/// What lets containers' packets pass there; Flatnet's own rules still hold.
fn commands(chain: &DroppingChain, bridge: &str) -> Vec<String> {
    let ways: Vec<(&str, &str, &str)> =
        [chain.outward.then_some(("-i", "iifname", "in")), chain.inward.then_some(("-o", "oifname", "out"))]
            .into_iter()
            .flatten()
            .collect();
    let iptables = match chain.place {
        Place::Legacy => "iptables-legacy",
        Place::Nft { .. } => "iptables",
    };
    match (chain.owner, &chain.place) {
        (Owner::Firewalld, _) => vec![
            format!("firewall-cmd --permanent --zone=trusted --add-interface={bridge}"),
            "firewall-cmd --reload".to_owned(),
        ],
        (Owner::Ufw, _) => {
            ways.iter().map(|(_, _, way)| format!("ufw route allow {way} on {bridge}")).collect()
        }
        (Owner::Docker, _) => ways
            .iter()
            .map(|(option, ..)| format!("{iptables} -I DOCKER-USER {option} {bridge} -j ACCEPT"))
            .collect(),
        (Owner::Other, Place::Legacy) => ways
            .iter()
            .map(|(option, ..)| format!("{iptables} -I {} {option} {bridge} -j ACCEPT", chain.chain))
            .collect(),
        (Owner::Other, Place::Nft { family, table }) => ways
            .iter()
            .map(|(_, key, _)| {
                format!("nft insert rule {family} {table} {} {key} {bridge} accept", chain.chain)
            })
            .collect(),
    }
}

fn help(owner: Owner) -> &'static str {
    match owner {
        Owner::Docker => {
            "An accept of Flatnet's cannot undo a drop in another table. The lines last until Docker or this host \
             starts again: put them into a unit after docker.service, or write `\"ip-forward-no-drop\": true` into \
             /etc/docker/daemon.json (Docker 28 and later), which keeps Docker from setting the policy at its next start"
        }
        Owner::Firewalld | Owner::Ufw => {
            "An accept of Flatnet's cannot undo a drop in another table; Flatnet's own rules still guard containers"
        }
        Owner::Other => {
            "An accept of Flatnet's cannot undo a drop in another table. Add the same to what makes that table, or it is \
             gone with the next start; Flatnet's own rules still guard containers"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_firewall_is_spoken_to_in_its_own_words() {
        let chain = |owner, place| DroppingChain {
            place,
            chain: "FORWARD".to_owned(),
            rule: None,
            outward: true,
            inward: false,
            owner,
        };
        let nft = || Place::Nft { family: "ip".to_owned(), table: "filter".to_owned() };
        for (owner, place, command) in [
            (Owner::Docker, nft(), "iptables -I DOCKER-USER -i br0 -j ACCEPT"),
            (Owner::Docker, Place::Legacy, "iptables-legacy -I DOCKER-USER -i br0 -j ACCEPT"),
            (Owner::Ufw, nft(), "ufw route allow in on br0"),
            (Owner::Firewalld, nft(), "firewall-cmd --permanent --zone=trusted --add-interface=br0"),
            (Owner::Other, nft(), "nft insert rule ip filter FORWARD iifname br0 accept"),
            (Owner::Other, Place::Legacy, "iptables-legacy -I FORWARD -i br0 -j ACCEPT"),
        ] {
            assert_eq!(commands(&chain(owner, place), "br0")[0], command);
        }
    }
}
