//! Who answers ARP for containers: this host on the bridge, and nobody on the uplink.

use super::{is_setting, missing_steps};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::observe;
use crate::types::{IfName, PortMode, SysctlKey};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "proxy-arp",
    group: Group::Network,
    looks_at: "proxy_arp_pvlan of the bridge, and proxy_arp of the uplink",
    shows: "containers reach this host and the world, but not one another; or the LAN sends packets for others to this host",
    needs: Needs::State,
    quick: true,
    look,
};

/// The setting by which this host answers for isolated containers.
pub(super) fn key_of_bridge(bridge: &IfName) -> SysctlKey {
    SysctlKey::ipv4_conf(bridge, "proxy_arp_pvlan")
}

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let bridge = context.engine.config.bridge.clone();
    let isolated = context.attachments.iter().any(|attachment| attachment.receipt.mode() == PortMode::Isolated);
    let key = key_of_bridge(&bridge);
    let mut found = Vec::new();
    match missing_steps(context, |op| is_setting(op, |one| *one == key)) {
        Err(why) => return Ok(vec![Finding::not_applicable(why)]),
        Ok(steps) if steps.is_empty() => {}
        Ok(_) => {
            let what = if isolated {
                "proxy_arp_pvlan is 0: containers are isolated, and nobody answers for them"
            } else {
                "proxy_arp_pvlan is 1: this host answers for containers, which can do so themselves"
            };
            found.push(Finding::failure(format!("{bridge}: {what}")).commands([context.mends_host()]));
        }
    }
    found.extend(of_uplink(context));
    if found.is_empty() {
        found.push(Finding::good(if isolated {
            format!("this host answers for containers on {bridge}, and nowhere else")
        } else {
            "nobody needs this host to answer for containers".to_owned()
        }));
    }
    Ok(found)
}

fn of_uplink(context: &Context) -> Option<Finding> {
    let uplink = super::uplink(context)?;
    let key = SysctlKey::ipv4_conf(&uplink, "proxy_arp");
    (observe::sysctl(&key) == Some(1)).then(|| {
        Finding::warning(format!(
            "{uplink}: proxy_arp is 1, so this host answers the LAN's ARP for every address that it has another way to"
        ))
        .commands([format!("sysctl -w net/ipv4/conf/{uplink}/proxy_arp=0")])
        .help("Unless somebody set it on purpose: then only mind that containers' addresses are answered for, too")
    })
}
