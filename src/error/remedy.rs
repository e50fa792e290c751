//! What a person can do about a failure.

use crate::shell::quote;

/// In words for people, and the commands among them as data: nobody has to find them in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    text: String,
    commands: Vec<String>,
}

impl Remedy {
    /// To run these, in this order.
    pub(crate) fn run<S: Into<String>>(commands: impl IntoIterator<Item = S>) -> Self {
        let commands: Vec<String> = commands.into_iter().map(Into::into).collect();
        Self { text: format!("Run `{}`", commands.join("; ")), commands }
    }

    /// To do what `help` says, which ends in these.
    pub(crate) fn by<S: Into<String>>(help: &str, commands: impl IntoIterator<Item = S>) -> Self {
        let commands: Vec<String> = commands.into_iter().map(Into::into).collect();
        Self { text: format!("{help}: `{}`", commands.join("; ")), commands }
    }

    /// To move what lies at `path` out of the way.
    pub(crate) fn move_away(help: &str, path: &std::path::Path) -> Self {
        let path = path.to_string_lossy();
        Self::by(help, [format!("mv {} {}", quote(&path), quote(&format!("{path}.old")))])
    }

    /// The kind's own.
    pub(super) fn of_kind(text: &str, commands: &[&str]) -> Self {
        Self { text: text.to_owned(), commands: commands.iter().map(|&command| command.to_owned()).collect() }
    }

    /// All of it in words.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What can be pasted into a shell as it stands, line by line.
    #[must_use]
    pub fn commands(&self) -> &[String] {
        &self.commands
    }
}

/// One without a command.
impl<S: Into<String>> From<S> for Remedy {
    fn from(text: S) -> Self {
        Self { text: text.into(), commands: Vec::new() }
    }
}
