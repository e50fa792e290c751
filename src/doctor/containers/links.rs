//! Every attachment is unchanged: what CHECK verifies, except for set elements, which `ruleset` reports.

use crate::doctor::context::describe;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::render;
use crate::model::plan::Op;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "container-links",
    group: Group::Containers,
    looks_at: "links, addresses, routes and forwarding entries of each container, as CNI's CHECK does",
    shows: "a single container has no connectivity, while others do",
    needs: Needs::Attachments,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let running = context.running();
    if let Err(why) = context.plan_of_set_up_host() {
        return Ok(vec![if running.is_empty() { no_container() } else { Finding::not_looked(why) }]);
    }
    let mut found = Vec::new();
    for receipt in &running {
        let plan = context.engine.plan_attachment(receipt)?;
        let steps = plan.steps.iter().filter(|step| !matches!(step.op, Op::ElementAdd(_)));
        let missing: Vec<String> = steps.map(|step| render::line(&step.op)).collect();
        if missing.is_empty() {
            continue;
        }
        context.differing.insert(receipt.id.clone());
        let what = format!(
            "{} has changed since it was attached; missing: {}",
            describe(receipt),
            missing.join("; ")
        );
        found.push(Finding::failure(what).commands(super::repair_commands(context, receipt)?));
    }
    if found.is_empty() {
        found.push(match running.len() {
            0 => no_container(),
            1 => Finding::good("1 container is unchanged"),
            count => Finding::good(format!("{count} containers are unchanged")),
        });
    }
    Ok(found)
}

fn no_container() -> Finding {
    Finding::not_applicable("no container is running")
}
