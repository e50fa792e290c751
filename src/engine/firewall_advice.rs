//! Commands that let containers' packets through another program's firewall: forwarded ones, or questions to Flatnet's resolver.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::kernel::observe::foreign::{ChainTable, DroppingChain, Firewall, Hook};

impl fmt::Display for DroppingChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            ChainTable::Nft { family, table } => write!(f, "chain {} of table {family} {table}", self.chain)?,
            ChainTable::Legacy => write!(f, "chain {} of iptables-legacy", self.chain)?,
        }
        f.write_str(match self.hook {
            Hook::Forward => " drops forwarded packets of containers, ",
            Hook::Input(_) => " drops questions of containers to the resolver, ",
        })?;
        match &self.rule {
            Some(rule) => write!(f, "by the rule `{rule}`"),
            None => f.write_str("by its policy"),
        }
    }
}

impl DroppingChain {
    /// The commands that let packets from and to `subnet` pass, for the program that made the chain; Flatnet's
    /// own rules still apply. They match by address, since each container has its own link. Empty if a name in
    /// them could mean something else to a shell or to nft: the kernel accepts any name.
    #[must_use]
    pub fn commands_to_pass(&self, subnet: Ipv4Net) -> Vec<String> {
        if let Hook::Input(resolver) = self.hook {
            return self.commands_to_ask(subnet, resolver);
        }
        let ways: Vec<(&str, &str, &str)> =
            [self.outward.then_some(("-s", "saddr", "from")), self.inward.then_some(("-d", "daddr", "to"))]
                .into_iter()
                .flatten()
                .collect();
        let iptables = match self.table {
            ChainTable::Legacy => "iptables-legacy",
            ChainTable::Nft { .. } => "iptables",
        };
        match (self.firewall, &self.table) {
            (Firewall::Firewalld, _) => self.firewalld_commands(subnet),
            (Firewall::Ufw, _) => {
                ways.iter().map(|(_, _, way)| format!("ufw route allow {way} {subnet}")).collect()
            }
            (Firewall::Docker, _) => ways
                .iter()
                .map(|(option, ..)| format!("{iptables} -I DOCKER-USER {option} {subnet} -j ACCEPT"))
                .collect(),
            (Firewall::Other, ChainTable::Legacy) => ways
                .iter()
                .map(|(option, ..)| format!("{iptables} -I {} {option} {subnet} -j ACCEPT", self.chain))
                .collect(),
            (Firewall::Other, ChainTable::Nft { table, .. })
                if ![table, &self.chain].iter().all(|name| is_plain(name)) =>
            {
                Vec::new()
            }
            (Firewall::Other, ChainTable::Nft { family, table }) => ways
                .iter()
                .map(|(_, key, _)| {
                    format!("nft insert rule {family} {table} {} ip {key} {subnet} accept", self.chain)
                })
                .collect(),
        }
    }

    /// The same for questions from `subnet` to `resolver`.
    fn commands_to_ask(&self, subnet: Ipv4Net, resolver: Ipv4Addr) -> Vec<String> {
        let protocols = ["udp", "tcp"];
        match (self.firewall, &self.table) {
            (Firewall::Firewalld, _) => self.firewalld_commands(subnet),
            (Firewall::Ufw, _) => vec![format!("ufw allow from {subnet} to {resolver} port 53")],
            (_, ChainTable::Legacy) => protocols
                .map(|protocol| {
                    format!(
                        "iptables-legacy -I {} -s {subnet} -d {resolver} -p {protocol} --dport 53 -j ACCEPT",
                        self.chain
                    )
                })
                .to_vec(),
            (_, ChainTable::Nft { table, .. })
                if ![table, &self.chain].iter().all(|name| is_plain(name)) =>
            {
                Vec::new()
            }
            (_, ChainTable::Nft { family, table }) => protocols
                .map(|protocol| {
                    format!(
                        "nft insert rule {family} {table} {} ip saddr {subnet} ip daddr {resolver} {protocol} dport 53 accept",
                        self.chain
                    )
                })
                .to_vec(),
        }
    }

    /// A firewalld zone governs what its members send, to this host and to one another; a policy (firewalld 0.9
    /// and later) governs what others send to them. The policy matches by address, since the zone may have
    /// other members. For packets whose source and destination are both in no zone firewalld 2 consults no
    /// policy, so containers are put into a zone either way.
    fn firewalld_commands(&self, subnet: Ipv4Net) -> Vec<String> {
        let mut commands = vec![format!("firewall-cmd --permanent --zone=trusted --add-source={subnet}")];
        if self.inward {
            let (policy, new) = (
                "firewall-cmd --permanent --policy=flatnet",
                "firewall-cmd --permanent --new-policy=flatnet",
            );
            commands.extend([
                format!("firewall-cmd --permanent --info-policy=flatnet >/dev/null 2>&1 || {new}"),
                format!("{policy} --add-ingress-zone=ANY"),
                format!("{policy} --add-egress-zone=ANY"),
                format!("{policy} --add-rich-rule='rule family=ipv4 destination address={subnet} accept'"),
            ]);
        }
        commands.push("firewall-cmd --reload".to_owned());
        commands
    }
}

/// Whether nft takes it as an unquoted name, and a shell as a word.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c))
}

impl Firewall {
    /// Additional advice.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Docker => {
                "An accept of Flatnet's cannot undo a drop in another table. The lines last until this host starts \
             again: put them into a unit after docker.service, or write `\"ip-forward-no-drop\": true` into \
             /etc/docker/daemon.json (Docker 28 and later), which keeps Docker from setting the policy at its next start"
            }
            Self::Firewalld | Self::Ufw => {
                "An accept of Flatnet's cannot undo a drop in another table; Flatnet's own rules still guard containers"
            }
            Self::Other => {
                "An accept of Flatnet's cannot undo a drop in another table. Add the same to what makes that table, or it is \
             gone with the next start; Flatnet's own rules still guard containers"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_uses_commands_of_each_firewall() {
        let chain = |firewall, table| DroppingChain {
            hook: Hook::Forward,
            table,
            chain: "FORWARD".to_owned(),
            rule: None,
            outward: true,
            inward: false,
            firewall,
        };
        let nft = || ChainTable::Nft { family: "ip".to_owned(), table: "filter".to_owned() };
        for (firewall, table, command) in [
            (Firewall::Docker, nft(), "iptables -I DOCKER-USER -s 10.87.1.0/24 -j ACCEPT"),
            (
                Firewall::Docker,
                ChainTable::Legacy,
                "iptables-legacy -I DOCKER-USER -s 10.87.1.0/24 -j ACCEPT",
            ),
            (Firewall::Ufw, nft(), "ufw route allow from 10.87.1.0/24"),
            (Firewall::Firewalld, nft(), "firewall-cmd --permanent --zone=trusted --add-source=10.87.1.0/24"),
            (Firewall::Other, nft(), "nft insert rule ip filter FORWARD ip saddr 10.87.1.0/24 accept"),
            (Firewall::Other, ChainTable::Legacy, "iptables-legacy -I FORWARD -s 10.87.1.0/24 -j ACCEPT"),
        ] {
            assert_eq!(chain(firewall, table).commands_to_pass("10.87.1.0/24".parse().unwrap())[0], command);
        }
        for name in ["a;reboot", "a b", "$(reboot)", "-f", "`x`", ""] {
            let table = ChainTable::Nft { family: "inet".to_owned(), table: name.to_owned() };
            assert!(
                chain(Firewall::Other, table).commands_to_pass("10.87.1.0/24".parse().unwrap()).is_empty(),
                "{name}"
            );
        }
        for (firewall, table, command) in [
            (Firewall::Ufw, nft(), "ufw allow from 10.87.1.0/24 to 10.87.1.1 port 53"),
            (Firewall::Firewalld, nft(), "firewall-cmd --permanent --zone=trusted --add-source=10.87.1.0/24"),
            (
                Firewall::Other,
                ChainTable::Legacy,
                "iptables-legacy -I INPUT -s 10.87.1.0/24 -d 10.87.1.1 -p udp --dport 53 -j ACCEPT",
            ),
            (
                Firewall::Docker,
                nft(),
                "nft insert rule ip filter INPUT ip saddr 10.87.1.0/24 ip daddr 10.87.1.1 udp dport 53 accept",
            ),
        ] {
            let hook = Hook::Input(Ipv4Addr::new(10, 87, 1, 1));
            let chain = DroppingChain { hook, chain: "INPUT".to_owned(), ..chain(firewall, table) };
            assert_eq!(chain.commands_to_pass("10.87.1.0/24".parse().unwrap())[0], command);
        }
        let inward = DroppingChain { inward: true, ..chain(Firewall::Firewalld, nft()) };
        let commands = inward.commands_to_pass("10.87.1.0/24".parse().unwrap()).join("\n");
        assert!(commands.contains("--policy=flatnet --add-ingress-zone=ANY\n"), "{commands}");
    }
}
