//! The loaded ruleset is the desired one.

use super::missing_steps;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::plan::Op;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "ruleset",
    group: Group::Network,
    looks_at: "Flatnet's nft tables: the rules, and the set elements of each container",
    shows: "containers have no connectivity, or are not isolated; published ports do not answer",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let is_replaced = |op: &Op| matches!(op, Op::RulesetReplace { .. } | Op::ArpTableDel { .. });
    let is_element = |op: &Op| matches!(op, Op::ElementAdd(_));
    let (replaced, elements) = match missing_steps(context, is_replaced)
        .and_then(|all| Ok((all, missing_steps(context, is_element)?)))
    {
        Ok(steps) => steps,
        Err(why) => return Ok(vec![Finding::not_applicable(why)]),
    };
    let table = context.engine.config.network.table();
    let what = if !replaced.is_empty() {
        format!("the table {table} is missing or differs from the desired one")
    } else if !elements.is_empty() {
        format!(
            "the table lacks {} elements of attached containers, such as: {}",
            elements.len(),
            elements[0]
        )
    } else {
        return Ok(vec![Finding::good(format!("inet {table} is as desired"))]);
    };
    let differences = context.flatnet("rules --live");
    Ok(vec![
        Finding::failure(what)
            .commands([context.up_or_repair()])
            .help(format!("`{differences}` shows the differences")),
    ])
}
