//! Other programs' rules that drop what this host forwards for containers.

use ipnet::Ipv4Net;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::foreign::DroppingChain;

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
    let subnet = context.engine.config.subnet;
    let mut found: Vec<Finding> =
        context.engine.dropping_chains()?.iter().map(|chain| finding(chain, subnet)).collect();
    if found.is_empty() {
        found.push(Finding::good("no other program's rules drop what this host forwards for containers"));
    }
    Ok(found)
}

fn finding(chain: &DroppingChain, subnet: Ipv4Net) -> Finding {
    Finding::failure(chain.to_string()).commands(chain.commands_to_pass(subnet)).help(chain.firewall.advice())
}
