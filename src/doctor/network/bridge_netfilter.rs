//! Bridges hand packets to iptables, which breaks published ports among containers.

use crate::config::Bridging;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::observe;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "bridge-netfilter",
    group: Group::Network,
    looks_at: "net.bridge.bridge-nf-call-iptables, where containers are isolated and publish ports",
    shows: "containers cannot use published ports of other containers, and everybody else can",
    needs: Needs::Attachments,
    quick: true,
    look,
};

/// A container that uses a published port sends to this host's address and is sent back over the bridge: where
/// bridges call iptables, the kernel bridges such a packet, and isolation drops it.
fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !observe::bridges_call_iptables() {
        return Ok(vec![Finding::good("bridges hand nothing to iptables")]);
    }
    if context.engine.config.bridging == Bridging::Plain {
        return Ok(vec![Finding::good("bridges call iptables, which does no harm with `bridging: plain`")]);
    }
    let publishes = context.attachments.iter().any(|attachment| !attachment.receipt.ports.is_empty());
    if !publishes {
        return Ok(vec![Finding::good("bridges call iptables, and no container publishes a port")]);
    }
    Ok(vec![
        Finding::warning(
            "net.bridge.bridge-nf-call-iptables is 1, so the kernel bridges what it translated for a published port, \
             and isolation drops it",
        )
        .commands(["sysctl -w net.bridge.bridge-nf-call-iptables=0"])
        .help(
            "Put that into /etc/sysctl.d/, too, unless Docker or Kubernetes on this host needs 1; then let containers \
             use one another's addresses, or set `bridging: plain`",
        ),
    ])
}
