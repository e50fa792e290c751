//! What belongs to no container: what `flatnet repair` would take away, and what it would leave to a person.

use crate::doctor::finding::quoted_commands;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::{Attachment, Left, Repair};
use crate::error::Result;
use crate::plan::Op;
use crate::render;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "left-over",
    group: Group::Containers,
    looks_at: "links, set elements, bridges and files of Flatnet's that belong to no container; lost receipts",
    shows: "ports are taken by nobody; `ip link` shows links that lead nowhere; a container that works is not in `flatnet ps`",
    needs: Needs::Attachments,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let command = context.flatnet("repair");
    let known = context.attachments.clone();
    let mut found = judge(context.repair()?, &known, &command);
    if found.is_empty() {
        found.push(Finding::good("there is nothing of Flatnet's that belongs to nobody"));
    }
    Ok(found)
}

/// What concerns a container whose receipt is there is for other checks to say.
fn judge(repair: &Repair, known: &[Attachment], command: &str) -> Vec<Finding> {
    let is_known =
        |what: &str| known.iter().any(|one| what.starts_with(&format!("container {}", one.receipt.called())));
    let parts = repair.parts.iter().filter(|part| !is_known(&part.what));
    let goes: Vec<String> = parts
        .flat_map(|part| &part.plan.steps)
        .filter(|step| matches!(step.op, Op::LinkDel { .. } | Op::ElementDel(_)))
        .map(|step| render::line(&step.op))
        .collect();
    let mut found = Vec::new();
    if !goes.is_empty() {
        let what =
            format!("something of Flatnet's belongs to no container, and goes by: {}", goes.join("; "));
        found.push(Finding::warning(what).commands([command]));
    }
    let lost = repair.notes.iter().filter(|note| note.starts_with("the receipt of "));
    found.extend(lost.map(|note| Finding::warning(format!("{note} by a repair")).commands([command])));
    let left = repair.left.iter().filter(|left| !is_known(&left.what));
    found.extend(left.map(|Left { what, help }| {
        Finding::warning(what.as_str()).commands(quoted_commands(help)).help(help.as_str())
    }));
    found
}
