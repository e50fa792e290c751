//! How a plan is printed: for people, as a script, for programs.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::engine::Change;
use crate::faces::cli::output;
use crate::kernel::render;
use crate::kernel::tools::Tools;
use crate::model::command::Command;
use crate::model::plan::Undo;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::faces::cli) enum Format {
    /// For people.
    Text,
    /// A script that does the same when pasted.
    Sh,
    /// For programs.
    Json,
}

impl Format {
    /// A plan in this format.
    pub(in crate::faces::cli) fn print(self, change: &Change, tools: &Tools) -> String {
        match self {
            Self::Text => text(change, tools),
            Self::Sh => script(change, tools),
            Self::Json => format!("{:#}\n", as_json(change, tools)),
        }
    }
}

fn commands(change: &Change, tools: &Tools) -> Vec<Command> {
    let ops = change.plan.steps.iter().map(|step| &step.op);
    render::commands(ops, tools).into_iter().map(|one| one.command).collect()
}

/// What was done, in one or more lines.
pub(in crate::faces::cli) fn done(change: &Change) -> String {
    let mut text = if change.plan.is_empty() {
        nothing(change).to_owned()
    } else {
        change.plan.steps.iter().map(|step| format!("{}\n", render::line(&step.op))).collect()
    };
    for note in &change.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    text
}

/// A note may be of something that was not as it should be, and took no command.
fn nothing(change: &Change) -> &'static str {
    if change.notes.is_empty() {
        "Nothing to do: all is as configured.\n"
    } else {
        "Nothing to do by command.\n"
    }
}

fn text(change: &Change, tools: &Tools) -> String {
    let mut text = String::new();
    if change.plan.is_empty() {
        text.push_str(nothing(change));
    } else {
        let count = change.plan.steps.len();
        let steps = if count == 1 { "step" } else { "steps" };
        let _ = writeln!(text, "{}", output::bold(&format!("Plan: {count} {steps}")));
        for (index, step) in change.plan.steps.iter().enumerate() {
            let _ = writeln!(text, "\n{:>3}. {}", index + 1, output::bold(&render::line(&step.op)));
            let _ = writeln!(text, "     why:  {}", step.why);
            let _ = writeln!(text, "     undo: {}", undo(&step.undo));
        }
        let _ = writeln!(text, "\n{}\n", output::bold("Commands:"));
        for command in commands(change, tools) {
            let _ = writeln!(text, "{command}");
        }
    }
    for note in &change.notes {
        let _ = writeln!(text, "\nNote: {note}");
    }
    text
}

fn undo(undo: &Undo) -> String {
    match undo {
        Undo::Op(op) => render::line(op),
        Undo::Ops(ops) => ops.iter().map(render::line).collect::<Vec<_>>().join("; "),
        Undo::With(index) => format!("goes with step {}", index + 1),
        Undo::Nothing => "nothing to undo".to_owned(),
    }
}

fn script(change: &Change, tools: &Tools) -> String {
    let mut text = "#!/bin/sh\n# Made by `flatnet plan --format sh`.\nset -e\n".to_owned();
    for note in &change.notes {
        let _ = writeln!(text, "# {note}");
    }
    for command in commands(change, tools) {
        let _ = writeln!(text, "{command}");
    }
    text
}

pub(in crate::faces::cli) fn as_json(change: &Change, tools: &Tools) -> Value {
    json!({"steps": change.plan.steps, "commands": commands(change, tools), "notes": change.notes})
}
