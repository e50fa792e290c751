//! `flatnet doctor`: what is wrong on this host, how it shows, what mends it.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::plan::Format;
use super::{Options, output};
use crate::doctor::{Entry, Fix, Level, examine, plan_fixes};
use crate::engine::Change;
use crate::error::Result;
use crate::kernel::tools::Tools;

/// Look at everything that can be wrong, say how it shows, and print the command that mends it.
///
/// Changes nothing, unless --fix is given. The exit status is 0 when nothing is wrong, 1 when there are warnings only, and
/// 2 when something does not work, or the doctor itself could not be run. What could not be looked at, or has no place on
/// this host, is neither.
///
/// With --json it prints one object. `findings` is a list, by check, in the order of the text: each has `id`, `group`,
/// `looks_at` and `shows` (what people see when it is wrong), `doc` (the section about it), `level` (`good`,
/// `not_applicable`, `not_looked`, `warning` or `failure`) and `what` (what was found); where there is something to do,
/// `commands` (lines for a shell) and `help`. `summary` has how many there are of each: `good`, `not_applicable`,
/// `not_looked`, `warnings`, `failures`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet doctor\n  flatnet doctor --fix             # shows what it would do, then asks\n  flatnet doctor --json | jq -r '.findings[] | select(.commands) | .commands[]'"
)]
pub(super) struct Doctor {
    /// Mend what is Flatnet's own, after showing how; what is somebody else's stays as it is.
    #[arg(long)]
    fix: bool,
    /// Do not ask before mending.
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
            super::repair::tell(&options.engine()?.repair()?);
        }
        output::note("Done; looked again:\n");
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

/// All findings by group, then how many there are of each kind.
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

/// One line when all is well, all there is to know when not.
pub(super) fn entry(Entry { check, finding }: &Entry) -> String {
    let mut text = format!("  {} {}: {}\n", painted(finding.level), check.id, finding.what);
    if finding.level < Level::Warning {
        return text;
    }
    let line = |name: &str, value: &str| format!("           {name:<6} {value}\n");
    text.push_str(&line("shows", check.shows));
    // It may be what to look at before anything is run.
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
        return "There is nothing that --fix may mend by itself: what is left is for you to choose."
            .to_owned();
    }
    format!("To mend what is Flatnet's own:\n{}", text.trim_end())
}

/// Asks on a terminal; elsewhere only --yes will do.
fn may_go_on() -> Result<bool> {
    let answer = output::ask("Do it?")?;
    if answer.is_none() {
        output::note("Nothing was changed. To do it: --fix --yes");
    }
    Ok(answer == Some(true))
}
