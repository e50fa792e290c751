//! Objects that belong to no container: what `flatnet repair` would remove, and what it would leave to a person.

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
    looks_at: "links, set elements, bridges and files of Flatnet that belong to no container; lost receipts",
    shows: "a port is in use without a container; `ip link` shows links without a container; `flatnet ps` lacks a running container",
    needs: Needs::Attachments,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let flatnet = context.program();
    let reported = Reported::find(context);
    let mut found = judge(context.repair()?, &reported, &flatnet);
    if found.is_empty() {
        found.push(Finding::good("no leftover links, set elements, bridges or files"));
    }
    Ok(found)
}

/// What other checks report.
struct Reported {
    /// Attachments with receipts.
    attachments: BTreeSet<AttachmentId>,
    /// Set elements of attachments with receipts.
    elements: BTreeSet<Element>,
}

impl Reported {
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
            Concern::Unowned => false,
        }
    }
}

fn judge(repair: &Repair, reported: &Reported, flatnet: &str) -> Vec<Finding> {
    let command = format!("{flatnet} repair");
    // The host's part of a repair also removes objects that belong to no container.
    let parts =
        repair.parts.iter().filter(|part| part.concern == Concern::Host || !reported.has(&part.concern));
    let goes: Vec<String> = parts
        .flat_map(|part| &part.plan.steps)
        .filter(|step| match &step.op {
            Op::LinkDel { .. } => true,
            Op::ElementDel(lost) => !reported.elements.contains(&lost.element),
            _ => false,
        })
        .map(|step| render::line(&step.op))
        .collect();
    let mut found = Vec::new();
    if !goes.is_empty() {
        let what =
            format!("some objects of Flatnet belong to no container; to remove them: {}", goes.join("; "));
        found.push(Finding::warning(what).commands([command.as_str()]));
    }
    let lost = repair.notes.iter().filter(|note| note.starts_with("the receipt of "));
    found.extend(
        lost.map(|note| Finding::warning(format!("{note} by a repair")).commands([command.as_str()])),
    );
    let left = repair.left.iter().filter(|left| !reported.has(&left.concern));
    found.extend(left.map(|Leftover { subject, commands, help, concern: _ }| {
        Finding::warning(subject.as_str()).commands(commands.iter().cloned()).help(help.as_str())
    }));
    let in_the_way = |(concern, error): &(Concern, Error)| {
        if reported.has(concern) {
            Finding::not_looked(format!("a repair could not inspect everything: {}", error.message()))
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

    /// An error during inspection must not look like an absence of leftovers.
    #[test]
    fn unreadable_attachment_is_not_reported_as_good() {
        let id = AttachmentId { container_id: "c1".parse().unwrap(), if_name: "eth0".parse().unwrap() };
        let reported = Reported { attachments: [id.clone()].into(), elements: BTreeSet::new() };
        for (concern, level) in
            [(Concern::Attachment(id), Level::NotLooked), (Concern::Unowned, Level::Failure)]
        {
            let errors = vec![(concern, Error::new(Kind::Io, "cannot read /proc/x"))];
            let found = judge(&Repair { errors, ..Repair::default() }, &reported, "flatnet");
            assert!(
                matches!(&found[..], [one] if one.level == level && one.what.contains("/proc/x")),
                "{found:?}"
            );
        }
    }
}
