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

/// What is wrong if the configuration gives containers IPv6, and this host has none.
fn without_ipv6(context: &Context) -> Option<Finding> {
    let config = &context.engine.config;
    let facts = context.facts.as_ref()?;
    if config.ipv6_mapping().is_none() || facts.ipv6_mapping(config).is_some() {
        return None;
    }
    let what = format!(
        "the configuration has `ipv6: {}`, but this host has no IPv6: containers have IPv4 only",
        config.ipv6
    );
    Some(Finding::warning(what).help(
        "Turn it on (`sysctl net.ipv6.conf.all.disable_ipv6 net.ipv6.conf.default.disable_ipv6` shows 0 and 0, and the MTU is 1280 \
         or more), or write `ipv6: off`",
    ))
}

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let steps = missing_steps(context, |op| is_setting(op, |key| *key == SysctlKey::ip_forward()));
    if let Some(finding) = without_ipv6(context) {
        return Ok(vec![finding]);
    }
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
