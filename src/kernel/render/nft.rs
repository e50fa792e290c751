//! `nft -f -`: operations as lines of one transaction.

use crate::model::plan::{Element, Op, TableElement};

/// One transaction for all of `ops`.
pub(super) fn transaction(ops: &[&Op]) -> String {
    ops.iter().map(|op| lines(op)).collect()
}

/// The lines of one operation, each ending in a newline.
pub(super) fn lines(op: &Op) -> String {
    match op {
        Op::RulesetReplace { table: _, text } => text.clone(),
        // `delete` fails where there is no table and nft 1.0.6 has no `destroy`: declare it first.
        Op::RulesetDel { table, arp } => {
            let arp = if *arp { delete_table("arp", table) } else { String::new() };
            delete_table("inet", table) + &arp
        }
        Op::ArpTableDel { table } => delete_table("arp", table),
        Op::ElementAdd(element) => format!("add element {}\n", with_value(element)),
        // Adding first makes deleting what is not there no error, and deleting another container's port one:
        // `delete element` alone takes no notice of a map's value.
        Op::ElementDel(element) => {
            format!("add element {}\ndelete element {}\n", with_value(element), key_only(element))
        }
        _ => unreachable!("not an operation of nft"),
    }
}

/// Whether it is there or not.
fn delete_table(family: &str, table: &crate::model::types::TableName) -> String {
    format!("table {family} {table}\ndelete table {family} {table}\n")
}

fn with_value(TableElement { table, element, container_id }: &TableElement) -> String {
    let comment = container_id.comment();
    let (set, key, value) = parts(element);
    match value {
        None => format!("{} {set} {{ {key} comment \"{comment}\" }}", in_table(element, table.as_str())),
        Some(value) => {
            format!("{} {set} {{ {key} comment \"{comment}\" : {value} }}", in_table(element, table.as_str()))
        }
    }
}

/// `FAMILY TABLE SET { KEY }`.
pub(super) fn key_only(TableElement { table, element, container_id: _ }: &TableElement) -> String {
    let (set, key, _) = parts(element);
    format!("{} {set} {{ {key} }}", in_table(element, table.as_str()))
}

fn in_table(element: &Element, table: &str) -> String {
    match element {
        Element::ArpBinding { .. } => format!("arp {table}"),
        Element::Binding { .. } | Element::FrameBinding { .. } | Element::Published { .. } => {
            format!("inet {table}")
        }
    }
}

/// Set or map, key, and the value where it is a map.
fn parts(element: &Element) -> (&'static str, String, Option<String>) {
    match element {
        Element::Binding { dev, address } => ("bindings", format!("\"{dev}\" . {address}"), None),
        Element::FrameBinding { mac, address } => ("frame_bindings", format!("{mac} . {address}"), None),
        Element::ArpBinding { mac, address } => ("bindings", format!("{mac} . {address}"), None),
        Element::Published { port, address } => {
            let value = Some(format!("{address} . {}", port.container_port));
            match port.host_ip {
                None => ("published_anywhere", format!("{} . {}", port.protocol, port.host_port), value),
                Some(host) => (
                    "published_at_address",
                    format!("{} . {host} . {}", port.protocol, port.host_port),
                    value,
                ),
            }
        }
    }
}
