//! Renders `nft -f -`: operations as lines of one transaction.

use crate::kernel::sets::{Entry, Set};
use crate::model::plan::{Op, TableElement};

/// One transaction for all of `ops`.
pub(super) fn transaction(ops: &[&Op]) -> String {
    ops.iter().map(|op| lines(op)).collect()
}

/// The lines of one operation, each ending in a newline.
pub(super) fn lines(op: &Op) -> String {
    match op {
        Op::RulesetReplace { table: _, text } => text.clone(),
        // `delete` fails if there is no table, and nft 1.0.6 has no `destroy`, so declare it first.
        Op::RulesetDel { table, arp } => {
            let arp = if *arp { delete_table("arp", table) } else { String::new() };
            delete_table("inet", table) + &arp
        }
        Op::ArpTableDel { table } => delete_table("arp", table),
        Op::ElementAdd(element) => format!("add element {}\n", with_value(element)),
        // Adding first makes deleting idempotent, and fails for another container's port: `delete element`
        // alone ignores a map's value.
        Op::ElementDel(element) => {
            format!("add element {}\ndelete element {}\n", with_value(element), key_only(element))
        }
        _ => unreachable!("not an operation of nft"),
    }
}

/// Deletes the table, whether it exists or not.
fn delete_table(family: &str, table: &crate::model::types::TableName) -> String {
    format!("table {family} {table}\ndelete table {family} {table}\n")
}

fn with_value(TableElement { table, element, container_id }: &TableElement) -> String {
    let entry = Entry::of(element);
    let Set { family, name, .. } = entry.set;
    format!("{family} {table} {name} {{ {} }}", entry.with_comment(container_id))
}

/// `FAMILY TABLE SET { KEY }`.
pub(super) fn key_only(TableElement { table, element, container_id: _ }: &TableElement) -> String {
    let Entry { set: Set { family, name, .. }, key, value: _ } = Entry::of(element);
    format!("{family} {table} {name} {{ {key} }}")
}
