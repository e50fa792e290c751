//! `flatnet repair`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::plan::{Format, as_json, done};
use super::{Options, output, report};
use crate::engine::{Leftover, Repair as Repaired};

/// Make state and kernel agree: remove dead attachments, restore what running containers and this host lost.
///
/// Compares receipts and leases with links, rules and settings, plans the difference and runs the plan. Existing
/// connections are not cut. Only what bears Flatnet's mark is changed; anything ambiguous is left as it is and reported
/// with a suggestion. Run it after a crash, `nft flush ruleset` or a deleted bridge. A systemd unit runs it at boot.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet repair --dry-run\n  flatnet repair\n  flatnet repair --dry-run --format json | jq .commands"
)]
pub(super) struct Repair {
    /// Print the plan without running it.
    #[arg(long)]
    dry_run: bool,
    /// Output format of the plan.
    #[arg(long, value_enum, default_value_t = Format::Text, requires = "dry_run")]
    format: Format,
}

impl Repair {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let mut engine = if self.dry_run { options.engine_to_look()? } else { options.engine()? };
        let repaired = if self.dry_run { engine.plan_repair()? } else { engine.repair()? };
        let change = repaired.change();
        if options.json || self.format == Format::Json {
            let mut value = as_json(&change, &engine.host.tools);
            let errors: Vec<String> = repaired.errors.iter().map(|(_, error)| error.to_line()).collect();
            value["left"] = json!(repaired.left);
            value["errors"] = json!(errors);
            output::print_json(&value);
        } else {
            let text =
                if self.dry_run { self.format.print(&change, &engine.host.tools) } else { done(&change) };
            output::print(&text);
            print_leftovers(&repaired);
        }
        Ok(if repaired.errors.is_empty() { 0 } else { 2 })
    }
}

pub(super) fn print_leftovers(repaired: &Repaired) {
    for Leftover { subject, commands, help, concern: _ } in &repaired.left {
        let mut text = format!("left as it is: {subject}\n  {} {help}", output::bold("help:"));
        if !commands.is_empty() {
            let _ = write!(text, "\n  {}\n    {}", output::bold("run:"), commands.join("\n    "));
        }
        output::note(&text);
    }
    for (_, error) in &repaired.errors {
        output::note(&report::of(error, output::errors_have_colour()));
    }
}
