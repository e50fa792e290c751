//! The result of a check.

use serde::Serialize;

use super::Context;
use crate::error::{Error, Kind, Result};
use crate::model::command::Command;
use crate::setup::install::Item;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// No problem.
    Good,
    /// There is nothing to check on this host.
    NotApplicable,
    /// The check could not run.
    NotLooked,
    /// It works now, but not always or not for everyone.
    Warning,
    /// Something does not work.
    Failure,
}

/// A finding and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The severity.
    pub level: Level,
    /// The message.
    pub what: String,
    /// Shell commands that fix it; empty if nothing is wrong or no command fixes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Advice beyond the commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What `doctor --fix` does about it.
    #[serde(skip)]
    pub(super) fix: Option<FixAction>,
}

/// An action of `doctor --fix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FixAction {
    /// Run these commands.
    Run(Vec<Command>),
    /// Install this file.
    Install(Item),
}

impl Finding {
    fn new(level: Level, what: impl Into<String>) -> Self {
        Self { level, what: what.into(), commands: Vec::new(), help: None, fix: None }
    }

    /// No problem.
    pub(crate) fn good(what: impl Into<String>) -> Self {
        Self::new(Level::Good, what)
    }

    /// There is nothing to check, and why.
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::new(Level::NotApplicable, why)
    }

    /// The check could not run, and why.
    pub(crate) fn not_looked(why: impl Into<String>) -> Self {
        Self::new(Level::NotLooked, why)
    }

    /// It works now, but not always or not for everyone.
    pub(crate) fn warning(what: impl Into<String>) -> Self {
        Self::new(Level::Warning, what)
    }

    /// Something does not work.
    pub(crate) fn failure(what: impl Into<String>) -> Self {
        Self::new(Level::Failure, what)
    }

    /// A failure with the causes and remedies of `error`. `flatnet` replaces the program name in commands.
    pub(super) fn of_error(error: &Error, flatnet: &str) -> Self {
        let what = [vec![error.message().to_owned()], error.causes()].concat().join(": ");
        let own = |command: String| match command.strip_prefix("flatnet ") {
            Some(words) => format!("{flatnet} {words}"),
            None => command,
        };
        let commands = error.commands().into_iter().map(own);
        Self::failure(what).commands(commands).help(format!("{} ({})", error.advice(), error.codes()))
    }

    /// The finding of a check that failed to run. Missing programs and another Flatnet have checks of their own, so that
    /// the finding refers to these.
    pub(super) fn of_failed_look(error: &Error, flatnet: &str) -> Self {
        match error.kind() {
            Kind::ToolMissing | Kind::ToolUnsafe => {
                Self::not_looked(format!("{}: see programs", error.message()))
            }
            Kind::AnotherFlatnet => Self::not_looked(format!("{}: see owner", error.message())),
            _ => Self::of_error(error, flatnet),
        }
    }

    /// Adds shell commands that fix it.
    pub(crate) fn commands<S: Into<String>>(mut self, commands: impl IntoIterator<Item = S>) -> Self {
        self.commands = commands.into_iter().map(Into::into).collect();
        self
    }

    /// Adds advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Lets `doctor --fix` run `commands`. They must touch only what belongs to Flatnet.
    pub(super) fn fixed_by(self, commands: Vec<Command>) -> Self {
        let mut finding = self.commands(commands.iter().map(ToString::to_string));
        finding.fix = Some(FixAction::Run(commands));
        finding
    }

    /// Lets `doctor --fix` run this subcommand of Flatnet.
    pub(super) fn fixed_by_flatnet(self, context: &Context, words: &[&str]) -> Result<Self> {
        let finding = self.fixed_by(vec![context.own(words)?]);
        Ok(finding.commands([context.flatnet(&words.join(" "))]))
    }

    /// Lets `doctor --fix` install `item`.
    pub(super) fn fixed_by_file(mut self, item: Item) -> Self {
        self.fix = Some(FixAction::Install(item));
        self
    }
}
