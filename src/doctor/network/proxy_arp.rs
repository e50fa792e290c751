//! Proxy ARP is off on the uplink.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe;
use crate::model::types::SysctlKey;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "proxy-arp",
    group: Group::Network,
    looks_at: "proxy_arp of the uplink",
    shows: "this host receives packets from the LAN for other hosts' addresses",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let Some(uplink) = super::uplink(context) else {
        return Ok(vec![Finding::not_applicable("there is no uplink")]);
    };
    let key = SysctlKey::ipv4_conf(&uplink, "proxy_arp");
    if observe::sysctl(&key) != Some(1) {
        return Ok(vec![Finding::good(format!("proxy_arp of {uplink} is off"))]);
    }
    Ok(vec![
        Finding::warning(format!(
            "{uplink}: proxy_arp is 1, so this host answers ARP on the LAN for every address that it routes elsewhere"
        ))
        .commands([format!("sysctl -w net/ipv4/conf/{uplink}/proxy_arp=0")])
        .help("Leave it if it was set on purpose; this host then also answers for containers' addresses"),
    ])
}
