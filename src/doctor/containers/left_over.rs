//! What belongs to no container: what `flatnet repair` would take away, and what it would leave to a person.

use std::collections::BTreeSet;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::{Concern, Leftover, Repair};
use crate::error::{Error, Result};
use crate::kernel::render;
use crate::model::plan::{Element, Op};
use crate::model::types::AttachmentId;

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
    let flatnet = context.program();
    let told = Told::find(context);
    let mut found = judge(context.repair()?, &told, &flatnet);
    if found.is_empty() {
        found.push(Finding::good("there is nothing of Flatnet's that belongs to nobody"));
    }
    Ok(found)
}

/// What other checks tell of.
struct Told {
    /// The attachments that have receipts.
    attachments: BTreeSet<AttachmentId>,
    /// The elements of containers whose receipts are there.
    elements: BTreeSet<Element>,
}

impl Told {
    fn find(context: &Context) -> Self {
        let table = context.engine.config.network.table();
        let receipts = || context.attachments.iter().map(|one| &one.receipt);
        let elements =
            receipts().flat_map(|receipt| receipt.elements(&table)).map(|one| one.element).collect();
        Self { attachments: receipts().map(|receipt| receipt.id.clone()).collect(), elements }
    }

    fn has(&self, concern: &Concern) -> bool {
        match concern {
            Concern::Host | Concern::ForeignRules => true,
            Concern::Attachment(id) => self.attachments.contains(id),
            Concern::Nobody => false,
        }
    }
}

fn judge(repair: &Repair, told: &Told, flatnet: &str) -> Vec<Finding> {
    let command = format!("{flatnet} repair");
    // This host's part takes away what is nobody's, too.
    let parts = repair.parts.iter().filter(|part| part.concern == Concern::Host || !told.has(&part.concern));
    let goes: Vec<String> = parts
        .flat_map(|part| &part.plan.steps)
        .filter(|step| match &step.op {
            Op::LinkDel { .. } => true,
            Op::ElementDel(lost) => !told.elements.contains(&lost.element),
            _ => false,
        })
        .map(|step| render::line(&step.op))
        .collect();
    let mut found = Vec::new();
    if !goes.is_empty() {
        let what =
            format!("something of Flatnet's belongs to no container, and goes by: {}", goes.join("; "));
        found.push(Finding::warning(what).commands([command.as_str()]));
    }
    let lost = repair.notes.iter().filter(|note| note.starts_with("the receipt of "));
    found.extend(
        lost.map(|note| Finding::warning(format!("{note} by a repair")).commands([command.as_str()])),
    );
    let left = repair.left.iter().filter(|left| !told.has(&left.concern));
    found.extend(left.map(|Leftover { subject, commands, help, concern: _ }| {
        Finding::warning(subject.as_str()).commands(commands.iter().cloned()).help(help.as_str())
    }));
    let in_the_way = |(concern, error): &(Concern, Error)| {
        if told.has(concern) {
            Finding::not_looked(format!("a repair could not look at all: {}", error.message()))
        } else {
            Finding::of_error(error, flatnet)
        }
    };
    found.extend(repair.errors.iter().map(in_the_way));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::error::Kind;

    /// What stood in the way of looking is no proof that nothing is there.
    #[test]
    fn what_a_repair_could_not_look_at_is_not_good() {
        let id = AttachmentId { container_id: "c1".parse().unwrap(), if_name: "eth0".parse().unwrap() };
        let told = Told { attachments: [id.clone()].into(), elements: BTreeSet::new() };
        for (concern, level) in
            [(Concern::Attachment(id), Level::NotLooked), (Concern::Nobody, Level::Failure)]
        {
            let errors = vec![(concern, Error::new(Kind::Io, "cannot read /proc/x"))];
            let found = judge(&Repair { errors, ..Repair::default() }, &told, "flatnet");
            assert!(
                matches!(&found[..], [one] if one.level == level && one.what.contains("/proc/x")),
                "{found:?}"
            );
        }
    }
}
