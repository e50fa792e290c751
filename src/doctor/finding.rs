//! What a check found.

use serde::Serialize;

use super::Context;
use crate::error::{Error, Kind, Result};
use crate::model::command::Command;
use crate::setup::install::Item;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// There is nothing to look at here.
    NotApplicable,
    /// It could not be looked at.
    NotLooked,
    /// It works, and will not always, or not for everybody.
    Warning,
    /// Something does not work.
    Failure,
}

/// What a check found, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What to paste into a shell, line by line; empty where no command mends it, or nothing is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// What else there is to know or to choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What `doctor --fix` does about it.
    #[serde(skip)]
    pub(super) fix: Option<Fix>,
}

/// Something that the doctor does itself when it is told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fix {
    /// Runs this.
    Run(Vec<Command>),
    /// Puts this file in its place.
    Install(Item),
}

impl Finding {
    fn new(level: Level, what: impl Into<String>) -> Self {
        Self { level, what: what.into(), commands: Vec::new(), help: None, fix: None }
    }

    /// All is well.
    pub(crate) fn good(what: impl Into<String>) -> Self {
        Self::new(Level::Good, what)
    }

    /// There is nothing to look at, and why.
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::new(Level::NotApplicable, why)
    }

    /// It could not be looked at, and why.
    pub(crate) fn not_looked(why: impl Into<String>) -> Self {
        Self::new(Level::NotLooked, why)
    }

    /// It works, and will not always, or not for everybody.
    pub(crate) fn warning(what: impl Into<String>) -> Self {
        Self::new(Level::Warning, what)
    }

    /// Something does not work.
    pub(crate) fn failure(what: impl Into<String>) -> Self {
        Self::new(Level::Failure, what)
    }

    /// A failure, with its causes and remedies. `flatnet` is how this one is called.
    pub(super) fn of_error(error: &Error, flatnet: &str) -> Self {
        let what = [vec![error.message().to_owned()], error.causes()].concat().join(": ");
        let own = |command: String| match command.strip_prefix("flatnet ") {
            Some(words) => format!("{flatnet} {words}"),
            None => command,
        };
        let commands = error.commands().into_iter().map(own);
        Self::failure(what).commands(commands).help(format!("{} ({})", error.advice(), error.codes()))
    }

    /// A failure that stood in the way of looking; of a program that cannot be run, and of another Flatnet, one check tells
    /// for all.
    pub(super) fn of_failed_look(error: &Error, flatnet: &str) -> Self {
        match error.kind() {
            Kind::ToolMissing | Kind::ToolUnsafe => {
                Self::not_looked(format!("{}: see programs", error.message()))
            }
            Kind::AnotherFlatnet => Self::not_looked(format!("{}: see owner", error.message())),
            _ => Self::of_error(error, flatnet),
        }
    }

    /// What mends it.
    pub(crate) fn commands<S: Into<String>>(mut self, commands: impl IntoIterator<Item = S>) -> Self {
        self.commands = commands.into_iter().map(Into::into).collect();
        self
    }

    /// What else there is to know.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The doctor may run `commands` itself: they touch only what is Flatnet's.
    pub(super) fn mended_by(self, commands: Vec<Command>) -> Self {
        let mut finding = self.commands(commands.iter().map(ToString::to_string));
        finding.fix = Some(Fix::Run(commands));
        finding
    }

    /// The doctor may run this command of Flatnet's itself.
    pub(super) fn mended_by_flatnet(self, context: &Context, words: &[&str]) -> Result<Self> {
        let finding = self.mended_by(vec![context.own(words)?]);
        Ok(finding.commands([context.flatnet(&words.join(" "))]))
    }

    /// The doctor may put `item` in its place itself.
    pub(super) fn mended_by_file(mut self, item: Item) -> Self {
        self.fix = Some(Fix::Install(item));
        self
    }
}
