//! Other programs' rules that drop packets of containers: an accept of ours does not undo a drop of theirs.

mod legacy;
mod nft;
mod rules;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use self::nft::BaseChain;
use self::rules::{Chains, Fate, Packet, Rule, walk};
use super::attachment::bad_json;
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::kernel::host::Host;
use crate::kernel::tools;
use crate::model::command::Command;
use crate::model::types::TableName;

/// Where packets of containers pass other programs' chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Forwarded packets.
    Forward,
    /// Questions to Flatnet's resolver at this address of this host.
    Input(Ipv4Addr),
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Input(_) => "input",
        }
    }
}

/// Another program's chain that drops packets of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppingChain {
    /// Which packets.
    pub hook: Hook,
    /// Its table.
    pub table: ChainTable,
    /// The chain at the hook.
    pub chain: String,
    /// The rule that drops; `None` if it is the chain's policy.
    pub rule: Option<String>,
    /// Whether it drops packets from containers.
    pub outward: bool,
    /// Whether it drops packets to containers.
    pub inward: bool,
    /// The program that made it.
    pub firewall: Firewall,
}

/// The table of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainTable {
    /// A table of nft, which includes those of `iptables-nft`.
    Nft {
        /// `ip` or `inet`.
        family: String,
        /// Its name.
        table: String,
    },
    /// In the tables of `iptables-legacy`, which nft does not see.
    Legacy,
}

/// The program that made the rules, as far as its names show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// Docker, which leaves the chain DOCKER-USER to others.
    Docker,
    /// firewalld.
    Firewalld,
    /// ufw.
    Ufw,
    /// Another program.
    Other,
}

/// The packets of containers.
#[derive(Clone, Copy, Debug)]
pub struct Traffic<'a> {
    /// Flatnet's own table.
    pub own_table: &'a TableName,
    /// A host link: what a rule matches by its name holds for all of them, or for none.
    pub link: &'a str,
    /// The uplink.
    pub uplink: Option<&'a str>,
    /// The containers' addresses.
    pub subnet: Ipv4Net,
}

/// The chains at `hook` that drop the first packets of connections from or to containers. Of questions to the resolver only some
/// may be dropped, since what a rule says of ports is not evaluated.
pub fn dropping_chains(hook: Hook, traffic: Traffic<'_>, host: &mut Host) -> Result<Vec<DroppingChain>> {
    let command = Command::new([host.tools.nft.as_str(), "-j", "list", "chains"]);
    let listed = host.run(&command, &[])?.checked(&command)?.stdout;
    let mut found = Vec::new();
    let chains = nft::base_chains(&listed, hook.name()).map_err(|cause| bad_json("nft", &cause))?;
    for chain in chains.into_iter().filter(|chain| chain.table != traffic.own_table.as_str()) {
        found.extend(dropping_nft(hook, chain, traffic, host)?);
    }
    found.extend(dropping_legacy(hook, traffic, host)?);
    Ok(found)
}

fn dropping_nft(
    hook: Hook,
    BaseChain { family, table, name, drops }: BaseChain,
    traffic: Traffic<'_>,
    host: &mut Host,
) -> Result<Option<DroppingChain>> {
    let command = Command::new([host.tools.nft.as_str(), "-j", "list", "table", &family, &table]);
    let listed = host.run(&command, &[])?.checked(&command)?.stdout;
    let chains = nft::chains(&listed).map_err(|cause| bad_json("nft", &cause))?;
    let firewall = firewall_of(&table, &chains);
    let Some((rule, outward, inward)) = judge(hook, &chains, &name, drops, traffic) else { return Ok(None) };
    // JSON omits what iptables-nft does not translate; nft's text identifies the rule.
    let rule = match rule {
        Some(Rule { chain, called, .. }) => {
            let command =
                Command::new([host.tools.nft.as_str(), "-a", "list", "chain", &family, &table, chain]);
            let text = host.run(&command, &[])?.checked(&command)?.stdout;
            let line = text.lines().find_map(|line| line.strip_suffix(called.as_str()));
            Some(line.map_or(called.as_str(), str::trim).to_owned())
        }
        None => None,
    };
    Ok(Some(DroppingChain {
        hook,
        table: ChainTable::Nft { family, table },
        chain: name,
        rule,
        outward,
        inward,
        firewall,
    }))
}

fn dropping_legacy(
    hook: Hook,
    traffic: Traffic<'_>,
    executor: &mut dyn Executor,
) -> Result<Option<DroppingChain>> {
    let tables = std::fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    // Listing a missing table would create it.
    if !tables.lines().any(|table| table == "filter") {
        return Ok(None);
    }
    let program = if tools::find("iptables-legacy").is_ok() { "iptables-legacy" } else { "iptables" };
    let command = Command::new([program, "-w", "-S"]);
    let chain = hook.name().to_uppercase();
    let (chains, drops) = legacy::parse(&chain, &executor.run(&command, &[])?.checked(&command)?.stdout);
    let judged = judge(hook, &chains, &chain, drops, traffic);
    Ok(judged.map(|(rule, outward, inward)| DroppingChain {
        hook,
        table: ChainTable::Legacy,
        rule: rule.map(|rule| rule.called.clone()),
        chain: chain.clone(),
        outward,
        inward,
        firewall: firewall_of("filter", &chains),
    }))
}

/// The rule that drops (or the policy), and whether outgoing and incoming packets are dropped.
fn judge<'a>(
    hook: Hook,
    chains: &'a Chains,
    chain: &str,
    drops_at_end: bool,
    Traffic { link, uplink, subnet, .. }: Traffic<'_>,
) -> Option<(Option<&'a Rule>, bool, bool)> {
    let fate = |packet| match walk(chains, chain, packet) {
        Fate::Accepted => None,
        Fate::Dropped(rule) => Some(Some(rule)),
        Fate::Passed => drops_at_end.then_some(None),
    };
    if let Hook::Input(resolver) = hook {
        let destination = Some(Ipv4Net::from(resolver));
        let question = Packet { iif: Some(link), source: Some(subnet), destination, ..Packet::default() };
        return fate(question).map(|rule| (rule, true, false));
    }
    let out = Packet { iif: Some(link), oif: uplink, source: Some(subnet), destination: None };
    let into = Packet { iif: uplink, oif: Some(link), source: None, destination: Some(subnet) };
    let between = Packet { oif: Some(link), destination: Some(subnet), ..out };
    let [out, inward, between] = [out, into, between].map(fate);
    // Whatever accepts packets from containers also accepts those among containers.
    let outward = out.or(between);
    let rule = outward.or(inward)?;
    Some((rule, outward.is_some(), inward.is_some()))
}

fn firewall_of(table: &str, chains: &Chains) -> Firewall {
    // Its iptables backend is recognized only by its chains.
    if table == "firewalld" || chains.contains_key("FORWARD_direct") {
        Firewall::Firewalld
    } else if chains.contains_key("DOCKER-USER") {
        Firewall::Docker
    } else if chains.keys().any(|chain| chain.starts_with("ufw-")) {
        Firewall::Ufw
    } else {
        Firewall::Other
    }
}
