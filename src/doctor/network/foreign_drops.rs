//! Rules of other programs that drop forwarded packets of containers.

use ipnet::Ipv4Net;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::foreign::{DroppingChain, Hook};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "foreign-drops",
    group: Group::Network,
    looks_at: "policies and rules of all other chains at the forward hook, of nft and iptables-legacy",
    shows: "containers reach only this host, or are reachable only from this host, but Flatnet's rules count no dropped packets",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let subnet = context.engine.config.subnet;
    let mut found: Vec<Finding> =
        context.engine.dropping_chains(Hook::Forward)?.iter().map(|chain| finding(chain, subnet)).collect();
    if found.is_empty() {
        found.push(Finding::good("no other program's rules drop forwarded packets of containers"));
    }
    Ok(found)
}

fn finding(chain: &DroppingChain, subnet: Ipv4Net) -> Finding {
    Finding::failure(chain.to_string()).commands(chain.commands_to_pass(subnet)).help(chain.firewall.advice())
}
