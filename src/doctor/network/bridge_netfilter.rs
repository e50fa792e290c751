//! Bridges hand packets to iptables, which breaks published ports among containers.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::Attachment;
use crate::error::Result;
use crate::observe;
use crate::types::PortMode;

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
    let isolated = |attachment: &Attachment| attachment.receipt.mode() == PortMode::Isolated;
    if !context.attachments.iter().any(isolated) {
        return Ok(vec![Finding::good("bridges call iptables, and no container is behind one that isolates")]);
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
        .commands(["flatnet repair"])
        .help("That gives each container a link of its own, as this version does, and connections go on"),
    ])
}
