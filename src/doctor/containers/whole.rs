//! Every attachment is as it was made: what CHECK looks at, but for the elements, of which `ruleset` tells.

use crate::doctor::context::called;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::observe;
use crate::plan::Op;
use crate::receipt::Receipt;
use crate::render;
use crate::types::PortMode;

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
    let (mut found, mut otherwise) = (Vec::new(), Vec::new());
    for receipt in &running {
        let plan = context.engine.plan_attachment(receipt)?;
        let steps = plan.steps.iter().filter(|step| !matches!(step.op, Op::ElementAdd(_)));
        let missing: Vec<String> = steps.map(|step| render::line(&step.op)).collect();
        if missing.is_empty() {
            if receipt.mode() != context.engine.config.port_mode() {
                otherwise.push(receipt);
            }
            continue;
        }
        context.differing.insert(receipt.id.clone());
        let what = format!("{} is not as it was made; missing: {}", called(receipt), missing.join("; "));
        found.push(Finding::failure(what).commands(super::mend(context, receipt)?));
    }
    found.extend(joined_otherwise(context, &otherwise));
    if found.is_empty() {
        found.push(match running.len() {
            0 => no_container(),
            1 => Finding::good("1 container is as it was made"),
            count => Finding::good(format!("{count} containers are as they were made")),
        });
    }
    Ok(found)
}

/// Of containers that are joined as they were before `bridging`, or Flatnet, was another.
fn joined_otherwise(context: &Context, receipts: &[&Receipt]) -> Option<Finding> {
    let first = called(receipts.first()?);
    let who = match receipts.len() {
        1 => format!("{first} is"),
        count => format!("{first} and {} more are", count - 1),
    };
    let isolated = receipts.iter().any(|receipt| receipt.mode() == PortMode::Isolated);
    let without = if isolated && observe::bridges_call_iptables() {
        ", but for ports that other containers publish: net.bridge.bridge-nf-call-iptables is 1"
    } else {
        ""
    };
    let help = format!(
        "They work{without}, and are guarded as before. Connections go on; the next start changes one over, too"
    );
    let what = format!("{who} joined as before `bridging`, or Flatnet, was changed");
    Some(Finding::warning(what).commands([context.flatnet("repair")]).help(help))
}

fn no_container() -> Finding {
    Finding::not_applicable("no container runs")
}
