//! The bridge exists, is Flatnet's, is up, and has its address, MAC, MTU and settings.

use super::is_setting;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Kind, Result};
use crate::kernel::render;
use crate::model::plan::Op;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "bridge",
    group: Group::Network,
    looks_at: "the bridge: its owner, state, address, MAC, MTU, group and settings; the unreachable route for unassigned addresses",
    shows: "containers on the network have no connectivity, or do not start",
    needs: Needs::State,
    quick: true,
    look,
};

/// The number of steps that are listed.
const NAMED: usize = 3;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if let Some(error) = &context.plan_error {
        if error.kind() == Kind::AnotherFlatnet {
            return Ok(vec![Finding::not_applicable("it belongs to another Flatnet: see owner")]);
        }
        return Ok(vec![Finding::of_failed_look(error, &context.program())]);
    }
    let Some(plan) = &context.plan else { return Ok(vec![Finding::not_applicable("unknown")]) };
    let is_new = plan.steps.iter().any(|step| matches!(step.op, Op::BridgeAdd { .. }));
    let config = &context.engine.config;
    let concerns = |op: &Op| match op {
        Op::LinkSet { .. } | Op::AddrAdd { .. } | Op::AddrDel { .. } | Op::UnreachableAdd { .. } => true,
        other => is_setting(other, |key| !key.is_forwarding()),
    };
    let steps: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| is_new || concerns(&step.op))
        .map(|step| render::line(&step.op))
        .collect();
    if steps.is_empty() {
        let mtu = context.facts.as_ref().map_or(String::new(), |facts| format!(", MTU {}", facts.mtu));
        return Ok(vec![Finding::good(format!("{} has {}{mtu}", config.bridge, config.bridge_address()))]);
    }
    let what =
        if is_new { "this host is not set up as configured" } else { "the bridge is not as configured" };
    let more = steps.len().saturating_sub(NAMED);
    let named = steps[..steps.len() - more].join("; ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(vec![Finding::failure(format!("{what}; missing: {named}{more}")).commands([context.up_or_repair()])])
}
