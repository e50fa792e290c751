//! Who answers ARP on the uplink: nobody but those whose addresses they are.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe;
use crate::model::types::SysctlKey;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "proxy-arp",
    group: Group::Network,
    looks_at: "proxy_arp of the uplink",
    shows: "the LAN sends packets for others to this host",
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
        return Ok(vec![Finding::good(format!("{uplink} answers for nobody else"))]);
    }
    Ok(vec![
        Finding::warning(format!(
            "{uplink}: proxy_arp is 1, so this host answers the LAN's ARP for every address that it has another way to"
        ))
        .commands([format!("sysctl -w net/ipv4/conf/{uplink}/proxy_arp=0")])
        .help("Unless somebody set it on purpose: then only mind that containers' addresses are answered for, too"),
    ])
}
