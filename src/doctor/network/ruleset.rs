//! The loaded rules are the wanted ones.

use super::missing_steps;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::plan::Op;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "ruleset",
    group: Group::Network,
    looks_at: "Flatnet's nft table, and the one for ARP where containers have a port in the bridge: the rules, and what they hold for each container",
    shows: "containers reach nobody, or everybody; published ports do not answer",
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
        format!("the table {table} is missing, or differs from the configured one")
    } else if !elements.is_empty() {
        format!("the table lacks {} of the elements of attached containers: {}", elements.len(), elements[0])
    } else {
        return Ok(vec![Finding::good(format!("inet {table} is as wanted"))]);
    };
    let differences = context.flatnet("rules --live");
    Ok(vec![
        Finding::failure(what)
            .commands([context.mends_host()])
            .help(format!("`{differences}` shows what differs")),
    ])
}
