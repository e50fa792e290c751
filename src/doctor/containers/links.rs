//! Every attachment is as it was made: what CHECK looks at, but for the elements, of which `ruleset` tells.

use crate::doctor::context::called;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::render;
use crate::model::plan::Op;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "container-links",
    group: Group::Containers,
    looks_at: "links, addresses, routes and forwarding entries of each container, as CNI's CHECK does",
    shows: "a single container reaches nobody, or is not reached, while others are",
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
        let what = format!("{} is not as it was made; missing: {}", called(receipt), missing.join("; "));
        found.push(Finding::failure(what).commands(super::mend(context, receipt)?));
    }
    if found.is_empty() {
        found.push(match running.len() {
            0 => no_container(),
            1 => Finding::good("1 container is as it was made"),
            count => Finding::good(format!("{count} containers are as they were made")),
        });
    }
    Ok(found)
}

fn no_container() -> Finding {
    Finding::not_applicable("no container runs")
}
