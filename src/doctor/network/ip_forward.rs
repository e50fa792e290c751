//! IP forwarding is enabled.

use super::{is_setting, missing_steps};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::types::SysctlKey;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "ip-forward",
    group: Group::Network,
    looks_at: "net.ipv4.ip_forward",
    shows: "containers reach this host only, not even one another",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let steps = missing_steps(context, |op| is_setting(op, |key| *key == SysctlKey::ip_forward()));
    let steps6 = missing_steps(context, |op| is_setting(op, |key| *key == SysctlKey::ipv6_forwarding()));
    if steps.as_ref().is_ok_and(Vec::is_empty) && steps6.is_ok_and(|steps| !steps.is_empty()) {
        let what = "net.ipv6.conf.all.forwarding is 0: this host does not forward IPv6 packets";
        return Ok(vec![Finding::failure(what).commands([context.up_or_repair()])]);
    }
    Ok(vec![match steps {
        Err(why) => Finding::not_applicable(why),
        Ok(steps) if steps.is_empty() => Finding::good("net.ipv4.ip_forward is 1"),
        Ok(_) => Finding::failure("net.ipv4.ip_forward is 0: this host does not forward packets")
            .commands([context.up_or_repair()])
            .help("If it becomes 0 again, find what sets it: `grep -r ip_forward /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d`"),
    }])
}
