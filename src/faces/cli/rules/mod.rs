//! `flatnet rules`: prints the desired ruleset, or compares the loaded one with it.

mod listing;

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use self::listing::{Line, lines};
use super::{Options, output};
use crate::engine::Engine;
use crate::error::Result;
use crate::state::receipt::{self, Receipt};

/// Print the desired firewall rules or, with --live, the loaded ones.
///
/// With --live the lines are marked as in a diff: `-` is missing, `+` is unexpected. Counters are printed but not compared;
/// elements are printed with the container's name. `~` marks elements of a container that is being attached or detached;
/// they are not compared. The exit status is 1 if the rules differ.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet rules                    # what `flatnet up` loads; needs no root\n  flatnet rules --live             # what is loaded, as a diff\n  flatnet rules --live | grep '^[-+]'"
)]
pub(super) struct Rules {
    /// Compare the loaded rules with the desired ones.
    #[arg(long)]
    live: bool,
}

impl Rules {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let mut engine = options.engine_to_look()?;
        output::note_unread(&engine);
        if self.live {
            return Ok(live(&mut engine, options.json)?);
        }
        let (_, desired) = engine.desired_host()?;
        if options.json {
            output::print_json(&json!({"ruleset": desired.ruleset, "elements": desired.elements}));
        } else {
            output::print(&desired.ruleset);
        }
        Ok(0)
    }
}

/// The loaded rules compared with the desired ones.
struct Look {
    /// Each line with its sign: `-`, `+`, `~` or a blank.
    marked: Vec<(char, Line)>,
    /// Maps the comment on a container's elements to its name, which is empty if the runtime gave none.
    names: BTreeMap<String, String>,
}

impl Look {
    fn at(engine: &mut Engine) -> Result<Self> {
        let before = attached(engine)?;
        let loaded = engine.loaded()?;
        let after = attached(engine)?;
        let (desired, live) = (lines(&loaded.desired), lines(&loaded.live));
        let mut marked = compare(&desired, &live);
        for (mark, line) in &mut marked {
            let whose = line.element_of.as_ref();
            if *mark != ' ' && whose.is_some_and(|whose| is_moving(before.get(whose), after.get(whose))) {
                *mark = '~';
            }
        }
        let names = before.into_iter().chain(after).map(|(whose, (name, _))| (whose, name)).collect();
        Ok(Self { marked, names })
    }

    fn differs(&self) -> bool {
        self.marked.iter().any(|(mark, _)| matches!(mark, '-' | '+'))
    }
}

/// How many comparisons must differ in a row: a container may be attached or detached during one comparison.
const LOOKS: usize = 4;

fn live(engine: &mut Engine, as_json: bool) -> Result<u8> {
    let mut look = Look::at(engine)?;
    for _ in 1..LOOKS {
        if !look.differs() {
            break;
        }
        look = Look::at(engine)?;
    }
    let Look { marked, names } = &look;
    if as_json {
        let lines: Vec<_> = marked
            .iter()
            .map(|(mark, line)| json!({"mark": mark.to_string(), "line": line.shown, "container": name_of(line, names)}))
            .collect();
        output::print_json(&json!({"differs": look.differs(), "lines": lines}));
    } else {
        let table = engine.config.network.table();
        let families = ["inet", "arp"].map(|family| format!("table {family} {table} {{"));
        let there =
            families.iter().filter(|begin| marked.iter().any(|(_, line)| line.shown.starts_with(*begin)));
        let lists: Vec<_> = there.map(|begin| format!("nft list {}", begin.trim_end_matches(" {"))).collect();
        output::print(&format!("--- desired: flatnet rules\n+++ loaded: {}\n", lists.join("; ")));
        output::print(&marked.iter().map(|(mark, line)| shown(*mark, line, names)).collect::<String>());
    }
    Ok(u8::from(look.differs()))
}

/// The desired and the live lines in one list, each with its sign `-`, `+` or a blank.
fn compare(desired: &[Line], live: &[Line]) -> Vec<(char, Line)> {
    let (old, new) = (keys(desired), keys(live));
    let diff = TextDiff::from_slices(&old, &new);
    let marked = diff.iter_all_changes().filter_map(|change| match change.tag() {
        ChangeTag::Delete => Some(('-', desired.get(change.old_index()?)?)),
        ChangeTag::Insert => Some(('+', live.get(change.new_index()?)?)),
        // The live line, with its counters.
        ChangeTag::Equal => Some((' ', live.get(change.new_index()?)?)),
    });
    marked.map(|(mark, line)| (mark, line.clone())).collect()
}

fn keys(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.compared.as_str()).collect()
}

fn shown(mark: char, line: &Line, names: &BTreeMap<String, String>) -> String {
    let whose = match (name_of(line, names), &line.element_of) {
        (Some(name), _) if !name.is_empty() => format!("  # {name}"),
        (None, Some(_)) => "  # not an attached container's".to_owned(),
        _ => String::new(),
    };
    let text = format!("{mark}{}{whose}", line.shown);
    let painted = match mark {
        '-' => output::red(&text),
        '+' => output::green(&text),
        _ => text,
    };
    painted + "\n"
}

fn name_of<'a>(line: &Line, names: &'a BTreeMap<String, String>) -> Option<&'a str> {
    names.get(line.element_of.as_ref()?).map(String::as_str)
}

/// The attached containers: maps the comment on a container's elements to its name, which is empty if the runtime gave
/// none, and whether it is neither being attached nor detached.
type Attached = BTreeMap<String, (String, bool)>;

fn attached(engine: &Engine) -> Result<Attached> {
    let receipts = engine.store.receipts_and_events()?;
    Ok(receipts
        .into_iter()
        .map(|(Receipt { id, name, .. }, events)| {
            let settled = receipt::is_attached(&events) && !receipt::is_leaving(&events);
            (id.container_id.comment().to_owned(), (name, settled))
        })
        .collect())
}

/// Whether a container was attached or detached during the comparison, so that its elements prove nothing.
fn is_moving(before: Option<&(String, bool)>, after: Option<&(String, bool)>) -> bool {
    let is_settled = |found: Option<&(String, bool)>| found.is_some_and(|(_, settled)| *settled);
    (before.is_some() || after.is_some()) && !(is_settled(before) && is_settled(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_ignores_counters_and_marks_differences() {
        let desired =
            lines("table inet f {\n\tchain c {\n\t\tcounter packets 0 bytes 0 drop\n\t\taccept\n\t}\n}\n");
        let live = lines(
            "table inet f {\n\tchain c {\n\t\tcounter packets 7 bytes 84 drop\n\t\tip saddr 1.2.3.4 accept\n\t}\n}\n",
        );
        let marked: Vec<String> = compare(&desired, &live)
            .into_iter()
            .map(|(mark, line)| format!("{mark}{}", line.shown))
            .collect();
        assert_eq!(
            marked,
            [
                " table inet f {",
                " \tchain c {",
                " \t\tcounter packets 7 bytes 84 drop",
                "-\t\taccept",
                "+\t\tip saddr 1.2.3.4 accept",
                " \t}",
                " }"
            ]
        );
    }
}
