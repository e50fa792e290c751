//! `flatnet doctor`: reports problems of this host, their symptoms and fixes.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::plan::Format;
use super::{Options, output};
use crate::doctor::{Entry, Fix, Level, examine, plan_fixes};
use crate::engine::Change;
use crate::error::Result;
use crate::kernel::tools::Tools;

/// Check this host for problems, and print each one's symptom and the command that fixes it.
///
/// Changes nothing unless --fix is given. The exit status is 0 if nothing is wrong, 1 if there are only warnings, and
/// 2 if something does not work or the doctor could not run. Checks that could not look, or do not apply to this host, do
/// not count.
///
/// With --json it prints one object. `findings` lists the findings in the order of the text. Each has `id`, `group`,
/// `looks_at`, `shows` (the symptom), `doc` (the section about it), `level` (`good`, `not_applicable`, `not_looked`,
/// `warning` or `failure`) and `what` (what was found); if there is something to do, also `commands` (lines for a shell)
/// and `help`. `summary` counts them: `good`, `not_applicable`, `not_looked`, `warnings`, `failures`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet doctor\n  flatnet doctor --fix             # print the fixes, then ask\n  flatnet doctor --json | jq -r '.findings[] | select(.commands) | .commands[]'"
)]
pub(super) struct Doctor {
    /// Fix what belongs to Flatnet, after printing how. Nothing else is changed.
    #[arg(long)]
    fix: bool,
    /// Do not ask before fixing.
    #[arg(long, requires = "fix")]
    yes: bool,
}

impl Doctor {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let mut context = options.context();
        let entries = examine(&mut context, false);
        if !(options.json && self.yes) {
            print(&entries, options.json);
        }
        if !self.fix {
            return Ok(status(&entries));
        }
        let fixes = plan_fixes(&entries);
        let repair = if context.sees_state() { context.repair()?.change() } else { Change::default() };
        output::note(&plan_in_words(&fixes, &repair, &context.engine.host.tools));
        let is_nothing = fixes.is_empty() && repair.plan.is_empty() && repair.notes.is_empty();
        if is_nothing || !(self.yes || may_go_on()?) {
            return Ok(status(&entries));
        }
        let mut executor = options.patient_executor();
        for fix in &fixes {
            fix.carry_out(&mut executor)?;
        }
        if context.sees_state() {
            super::repair::print_leftovers(&options.engine()?.repair()?);
        }
        output::note("Done. Checks after the fix:\n");
        let entries = examine(&mut options.context(), false);
        print(&entries, options.json);
        Ok(status(&entries))
    }
}

fn print(entries: &[Entry], as_json: bool) {
    if as_json {
        output::print_json(&json!({"findings": entries, "summary": summary(entries)}));
    } else {
        output::print(&text(entries));
    }
}

/// 2 for failures, 1 for warnings.
fn status(entries: &[Entry]) -> u8 {
    match entries.iter().map(|entry| entry.finding.level).max() {
        Some(Level::Failure) => 2,
        Some(Level::Warning) => 1,
        _ => 0,
    }
}

/// All findings by group, then their counts.
fn text(entries: &[Entry]) -> String {
    let mut text = String::new();
    for of_group in entries.chunk_by(|one, other| one.check.group == other.check.group) {
        let _ = writeln!(text, "{}", output::bold(of_group[0].check.group.title()));
        let first = &of_group[0].finding;
        if first.level == Level::NotApplicable && of_group.iter().all(|entry| entry.finding == *first) {
            let _ = writeln!(text, "  {:<8} {}", word(first.level), first.what);
        } else {
            text.extend(of_group.iter().map(entry));
        }
        text.push('\n');
    }
    text + &summary_in_words(entries)
}

/// One line for a good finding, all details for a bad one.
pub(super) fn entry(Entry { check, finding }: &Entry) -> String {
    let mut text = format!("  {} {}: {}\n", painted(finding.level), check.id, finding.what);
    if finding.level < Level::Warning {
        return text;
    }
    let line = |name: &str, value: &str| format!("           {name:<6} {value}\n");
    text.push_str(&line("shows", check.shows));
    // The help may say what to check before running a command.
    text.extend(finding.help.iter().map(|help| line("help", help)));
    if !finding.commands.is_empty() {
        let _ = writeln!(text, "           run\n    {}", finding.commands.join("\n    "));
    }
    text + &line("see", &check.doc())
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Good => "ok",
        Level::NotApplicable => "-",
        Level::NotLooked => "unseen",
        Level::Warning => "warning",
        Level::Failure => "FAILURE",
    }
}

fn painted(level: Level) -> String {
    let padded = format!("{:<8}", word(level));
    match level {
        Level::Good => output::green(&padded),
        Level::NotApplicable => padded,
        Level::NotLooked | Level::Warning => output::bold(&padded),
        Level::Failure => output::red(&padded),
    }
}

fn count(entries: &[Entry], level: Level) -> usize {
    entries.iter().filter(|entry| entry.finding.level == level).count()
}

fn summary(entries: &[Entry]) -> serde_json::Value {
    json!({
        "good": count(entries, Level::Good),
        "not_applicable": count(entries, Level::NotApplicable),
        "not_looked": count(entries, Level::NotLooked),
        "warnings": count(entries, Level::Warning),
        "failures": count(entries, Level::Failure),
    })
}

fn summary_in_words(entries: &[Entry]) -> String {
    let of = |level| count(entries, level);
    let (failures, warnings) = (of(Level::Failure), of(Level::Warning));
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let bad = if failures + warnings == 0 {
        output::green("nothing is wrong")
    } else {
        output::red(&format!("{}, {}", plural(failures, "failure"), plural(warnings, "warning")))
    };
    let mut text =
        format!("{bad}; {} good, {} not applicable here", of(Level::Good), of(Level::NotApplicable));
    if of(Level::NotLooked) > 0 {
        let _ = write!(text, ", {} not looked at", of(Level::NotLooked));
    }
    text + "\n"
}

fn plan_in_words(fixes: &[Fix], repair: &Change, tools: &Tools) -> String {
    let mut text = String::new();
    for fix in fixes {
        for line in fix.shown() {
            let _ = writeln!(text, "{line}    # {}", fix.id);
        }
    }
    if !repair.plan.is_empty() || !repair.notes.is_empty() {
        let _ = write!(text, "What `flatnet repair` does:\n{}", Format::Text.print(repair, tools));
    }
    if text.is_empty() {
        return "--fix can fix nothing here by itself; the remaining problems need your decision.".to_owned();
    }
    format!("To fix what belongs to Flatnet:\n{}", text.trim_end())
}

/// Asks on a terminal. Without one, --yes is required.
fn may_go_on() -> Result<bool> {
    let answer = output::ask("Do it?")?;
    if answer.is_none() {
        output::note("Nothing was changed. Use --fix --yes");
    }
    Ok(answer == Some(true))
}
