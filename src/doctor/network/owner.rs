//! The bridge and the ruleset belong to this Flatnet, if several share a network namespace.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Kind, Result};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "owner",
    group: Group::Network,
    looks_at: "the owner mark of the bridge and the ruleset: all WSL2 distributions share one network, and each may have a Flatnet",
    shows: "`flatnet up` and every container fail: \"belongs to another Flatnet\"",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if let Some(error) = context.plan_error.as_ref().filter(|error| error.kind() == Kind::AnotherFlatnet) {
        return Ok(vec![Finding::of_error(error, &context.program())]);
    }
    Ok(vec![match context.engine.store.owner() {
        Some(owner) => Finding::good(format!("owner is {owner}")),
        None => Finding::not_applicable("there is no owner mark before the first `flatnet up`"),
    }])
}
