//! Remedies: what to do about a failure.

use crate::shell::quote;

/// Text for people and its commands as data, so that callers need not parse the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    text: String,
    commands: Vec<String>,
}

impl Remedy {
    /// Run these commands, in this order.
    pub(crate) fn run<S: Into<String>>(commands: impl IntoIterator<Item = S>) -> Self {
        let commands: Vec<String> = commands.into_iter().map(Into::into).collect();
        Self { text: format!("Run `{}`", commands.join("; ")), commands }
    }

    /// `help`, followed by these commands.
    pub(crate) fn by<S: Into<String>>(help: &str, commands: impl IntoIterator<Item = S>) -> Self {
        let commands: Vec<String> = commands.into_iter().map(Into::into).collect();
        Self { text: format!("{help}: `{}`", commands.join("; ")), commands }
    }

    /// Move the file at `path` out of the way.
    pub(crate) fn move_away(help: &str, path: &std::path::Path) -> Self {
        let path = path.to_string_lossy();
        Self::by(help, [format!("mv {} {}", quote(&path), quote(&format!("{path}.old")))])
    }

    /// The default of a kind.
    pub(super) fn of_kind(text: &str, commands: &[&str]) -> Self {
        Self { text: text.to_owned(), commands: commands.iter().map(|&command| command.to_owned()).collect() }
    }

    /// The text, including the commands.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The commands, one per line, as they can be pasted into a shell.
    #[must_use]
    pub fn commands(&self) -> &[String] {
        &self.commands
    }
}

/// A remedy without commands.
impl<S: Into<String>> From<S> for Remedy {
    fn from(text: S) -> Self {
        Self { text: text.into(), commands: Vec::new() }
    }
}
