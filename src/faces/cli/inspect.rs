//! `flatnet inspect`: shows the receipt of a container.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{Options, output};
use crate::engine::{Attachment, Engine};
use crate::error::{Error, Kind, Result};
use crate::kernel::render;
use crate::model::command::Command;
use crate::model::plan::{Op, Step, Undo};
use crate::model::types::{PortMode, User, shown};
use crate::state::receipt::{self, Event, Receipt};

/// Show the receipt of a container: each command that ran for it, when, how long it took, and how it is undone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet inspect web\n  flatnet inspect 0123abcd        # the first characters of the ID\n  flatnet inspect 10.87.1.2\n  flatnet inspect web --json | jq -r .receipt.host_link"
)]
pub(super) struct Inspect {
    /// Name, alias, ID or its first characters, address, or host link.
    #[arg(value_name = "NAME|ID|ADDRESS")]
    container: String,
}

impl Inspect {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let engine = options.engine_to_look()?;
        output::note_unread(&engine);
        let Attachment { receipt, events, state } = self.find(&engine)?;
        let undo = engine.undo_commands(&receipt);
        if options.json {
            let user = User::of(&receipt.id.container_id).map(|user| user.name);
            let value =
                json!({"state": state, "user": user, "receipt": receipt, "events": events, "undo": undo});
            output::print_json(&value);
        } else {
            output::print(&(summary(&receipt, state.word()) + &history(&receipt, &events) + &by_hand(&undo)));
        }
        Ok(0)
    }

    /// Finds the attachment by an exact match first, then by the prefix of an ID.
    fn find(&self, engine: &Engine) -> Result<Attachment> {
        let attachments = engine.attachments()?;
        let exactly: Vec<&Attachment> =
            attachments.iter().filter(|one| self.is_exactly(&one.receipt)).collect();
        let by_prefix = |one: &&Attachment| {
            let id = &one.receipt.id.container_id;
            [id.as_str(), id.in_podman()].iter().any(|id| id.starts_with(&self.container))
        };
        let found = if exactly.is_empty() { attachments.iter().filter(by_prefix).collect() } else { exactly };
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(self.unknown(engine)?),
            several => {
                let list: Vec<String> = several.iter().map(|one| label(&one.receipt)).collect();
                let what = format!(
                    "\"{}\" is ambiguous; it matches {} containers: {}",
                    shown(&self.container),
                    several.len(),
                    list.join(", ")
                );
                Err(Error::new(Kind::Ambiguous, what))
            }
        }
    }

    fn is_exactly(&self, receipt: &Receipt) -> bool {
        let wanted = self.container.as_str();
        receipt.name == wanted
            || receipt.aliases.iter().any(|alias| alias == wanted)
            || receipt.id.container_id.as_str() == wanted
            || receipt.host_link.as_str() == wanted
            || receipt.addresses.iter().any(|address| address.to_string() == wanted)
    }

    fn unknown(&self, engine: &Engine) -> Result<Error> {
        let wanted = self.container.as_str();
        let leases = engine.store.leases()?;
        let had = leases.all().find(|(address, lease)| {
            lease.name == wanted || lease.id.container_id.as_str() == wanted || address.to_string() == wanted
        });
        let network = &engine.config.network;
        let mut what = format!("no container \"{}\" is attached to {network}", shown(wanted));
        if let Some((address, lease)) = had {
            let word = if lease.released { "released" } else { "held without a receipt since" };
            let name = if lease.name.is_empty() { lease.id.to_string() } else { lease.name.clone() };
            let _ = write!(what, "; {address} was {name}'s, {word} {}", output::ago(lease.since));
        }
        Ok(Error::new(Kind::UnknownContainer, what))
    }
}

fn label(receipt: &Receipt) -> String {
    let name = if receipt.name.is_empty() { String::new() } else { format!("{} ", receipt.name) };
    format!("{name}{}, {}", receipt.id, receipt.address())
}

fn summary(receipt: &Receipt, state: &str) -> String {
    let title = if receipt.name.is_empty() {
        receipt.id.to_string()
    } else {
        format!("{} {}", receipt.name, receipt.id)
    };
    let mut rows = vec![
        ("network", receipt.network.to_string()),
        ("state", state.to_owned()),
        ("id", receipt.id.container_id.to_string()),
        ("address", receipt.addresses.to_string()),
        ("mac", receipt.mac.to_string()),
        ("host link", receipt.host_link.to_string()),
        ("bridging", bridging(receipt.mode()).to_owned()),
        ("namespace", receipt.netns.to_string()),
    ];
    if !receipt.caller.is_root() {
        let name = User::of(&receipt.id.container_id).map(|user| format!(" ({})", user.name));
        rows.push(("caller", receipt.caller.to_string() + &name.unwrap_or_default()));
    }
    if !receipt.aliases.is_empty() {
        rows.push(("aliases", receipt.aliases.join(", ")));
    }
    if !receipt.ports.is_empty() {
        rows.push(("ports", receipt.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
    }
    let attached = format!(
        "{} ({}), by flatnet {}",
        output::time(receipt.created),
        output::ago(receipt.created),
        receipt.flatnet
    );
    rows.push(("attached", attached));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![format!("  {name}"), value]).collect();
    format!("{}\n{}", output::bold(&title), output::columns(&rows))
}

/// How the container is attached, which may differ from the current configuration.
fn bridging(mode: PortMode) -> &'static str {
    match mode {
        PortMode::Routed => "routed",
        PortMode::Plain => "plain",
        PortMode::Isolated => "isolated, as by Flatnet 0.1.0; `flatnet repair` converts it",
    }
}

/// Each command with its outcome and its undo, then other events.
fn history(receipt: &Receipt, events: &[Event]) -> String {
    // A repair wrote the receipt: it changed over the container, or found it without one.
    let by_repair = receipt::is_attached(events) && events.iter().all(|event| event.command.is_none());
    let title =
        if by_repair { "Commands that would create it, recorded by a repair:" } else { "Commands that ran:" };
    let mut text = format!("\n{}\n", output::bold(title));
    for (index, command) in receipt.commands.iter().enumerate() {
        let ran = events.iter().find(|event| event.command == Some(index)).map_or_else(
            || "no recorded end; it may have run".to_owned(),
            |event| {
                let took = event.milliseconds.map_or(String::new(), |took| format!(", took {took:.1} ms"));
                format!("{}{took}, ended {}", event.outcome, output::time(event.at))
            },
        );
        let _ =
            if by_repair { writeln!(text, "\n{command}") } else { writeln!(text, "\n# {ran}\n{command}") };
        for undo in undo_of(receipt, index) {
            let _ = writeln!(text, "#   undo: {undo}");
        }
    }
    for event in events.iter().filter(|event| event.command.is_none()) {
        let _ = writeln!(text, "\n# {}: {}", output::time(event.at), event.outcome);
    }
    text
}

/// How the steps of one command are undone. Steps undone with another one are omitted.
fn undo_of(receipt: &Receipt, index: usize) -> Vec<String> {
    let rendered =
        render::commands(receipt.steps.iter().map(|step| &step.op), &crate::kernel::tools::Tools::default());
    let steps: &[Step] = match rendered.get(index) {
        // Another version may have split the steps into other commands.
        Some(one) if rendered.len() == receipt.commands.len() => {
            receipt.steps.get(one.ops.clone()).unwrap_or_default()
        }
        _ => return Vec::new(),
    };
    let mut lines: Vec<String> = steps
        .iter()
        .filter_map(|step| match &step.undo {
            // Without the part of the transaction that makes it idempotent, which is printed below.
            Undo::Op(op) => render::line(op).rsplit("; ").next().map(str::to_owned),
            Undo::Ops(ops) => Some(ops.iter().map(render::line).collect::<Vec<_>>().join("; ")),
            Undo::With(step) => receipt.steps.get(*step).map(|made| goes_with(&made.op)),
            Undo::Nothing => None,
        })
        .collect();
    lines.dedup();
    lines
}

fn goes_with(op: &Op) -> String {
    match op {
        Op::VethAdd { dev, .. } => format!("goes with the link {dev}"),
        _ => format!("goes with `{}`", render::line(op)),
    }
}

fn by_hand(undo: &[Command]) -> String {
    let mut text = format!("\n{}\n", output::bold("To undo everything by hand:"));
    for command in undo {
        let _ = writeln!(text, "\n{command}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::{AttachmentId, Caller};

    #[test]
    fn caller_is_shown_unless_it_is_root() {
        let bytes = include_bytes!("../../../tests/captured/flatnet-first/receipt.json");
        let root = receipt::parse(bytes).unwrap().0;
        assert!(!summary(&root, "running").contains("caller"));
        let container_id = format!("u1000.alice.{}", root.id.container_id).parse().unwrap();
        let id = AttachmentId { container_id, ..root.id.clone() };
        let user = Receipt { caller: Caller::User(1000.try_into().unwrap()), id, ..root };
        let text = summary(&user, "running");
        let words = ["caller", "user", "1000", "(alice)"];
        assert!(text.lines().any(|line| line.split_whitespace().eq(words)), "{text}");
    }
}
