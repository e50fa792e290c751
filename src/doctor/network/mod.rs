//! Bridge, settings, rules, routes and addresses.

pub(super) mod addresses;
pub(super) mod bridge;
pub(super) mod foreign_drops;
pub(super) mod gateway_ways;
pub(super) mod ip_forward;
pub(super) mod masquerade_ports;
pub(super) mod mtu;
pub(super) mod owner;
pub(super) mod podman_subnets;
pub(super) mod proxy_arp;
pub(super) mod routes;
pub(super) mod rp_filter;
pub(super) mod ruleset;

use crate::doctor::Context;
use crate::kernel::render;
use crate::model::plan::Op;
use crate::model::types::SysctlKey;

/// The steps of `flatnet up` that match `concerns`, as commands; otherwise the message to print instead.
fn missing_steps(context: &Context, concerns: impl Fn(&Op) -> bool) -> Result<Vec<String>, &'static str> {
    let plan = context.plan_of_set_up_host()?;
    Ok(plan.steps.iter().filter(|step| concerns(&step.op)).map(|step| render::line(&step.op)).collect())
}

/// The uplink, if there is one.
fn uplink(context: &Context) -> Option<crate::model::types::IfName> {
    context.facts.as_ref()?.uplink.as_deref()?.parse().ok()
}

/// Whether `op` is a sysctl that matches `concerns`.
fn is_setting(op: &Op, concerns: impl Fn(&SysctlKey) -> bool) -> bool {
    matches!(op, Op::Sysctl { key, .. } if concerns(key))
}
