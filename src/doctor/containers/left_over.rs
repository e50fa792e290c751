//! What belongs to no container: what `flatnet repair` would take away, and what it would leave to a person.

use std::collections::BTreeSet;

use crate::doctor::finding::quoted_commands;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::{Left, Repair};
use crate::error::{Error, Result};
use crate::plan::{Element, Op};
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
    let told = Told::find(context)?;
    let mut found = judge(context.repair()?, &told, &command);
    if found.is_empty() {
        found.push(Finding::good("there is nothing of Flatnet's that belongs to nobody"));
    }
    Ok(found)
}

/// What other checks tell of.
struct Told {
    /// How messages about it begin.
    beginnings: Vec<String>,
    /// The elements of containers whose receipts are there.
    elements: BTreeSet<Element>,
}

impl Told {
    fn find(context: &mut Context) -> Result<Self> {
        let table = context.engine.config.network.table();
        let receipts = || context.attachments.iter().map(|one| &one.receipt);
        let elements =
            receipts().flat_map(|receipt| receipt.elements(&table)).map(|one| one.element).collect();
        let mut beginnings: Vec<String> =
            receipts().map(|receipt| format!("container {}", receipt.called())).collect();
        beginnings.push("this host: ".to_owned());
        beginnings.extend(context.engine.dropping_chains()?.iter().map(ToString::to_string));
        Ok(Self { beginnings, elements })
    }

    fn has(&self, what: &str) -> bool {
        self.beginnings.iter().any(|beginning| what.starts_with(beginning))
    }
}

fn judge(repair: &Repair, told: &Told, command: &str) -> Vec<Finding> {
    let parts = repair.parts.iter().filter(|part| !told.has(&part.what));
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
        found.push(Finding::warning(what).commands([command]));
    }
    let lost = repair.notes.iter().filter(|note| note.starts_with("the receipt of "));
    found.extend(lost.map(|note| Finding::warning(format!("{note} by a repair")).commands([command])));
    let left = repair.left.iter().filter(|left| !told.has(&left.what));
    found.extend(left.map(|Left { what, help }| {
        Finding::warning(what.as_str()).commands(quoted_commands(help)).help(help.as_str())
    }));
    let in_the_way = |error: &Error| {
        if told.has(error.message()) {
            Finding::not_looked(format!("a repair could not look at all: {}", error.message()))
        } else {
            Finding::of_error(error)
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
        let told = Told { beginnings: vec!["container c1".to_owned()], elements: BTreeSet::new() };
        for (of, level) in [("container c1 c1 (eth0)", Level::NotLooked), ("links of nobody", Level::Failure)]
        {
            let errors = vec![Error::new(Kind::Io, "cannot read /proc/x").context(of)];
            let found = judge(&Repair { errors, ..Repair::default() }, &told, "flatnet repair");
            assert!(
                matches!(&found[..], [one] if one.level == level && one.what.contains("/proc/x")),
                "{found:?}"
            );
        }
    }
}
