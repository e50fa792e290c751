//! What a repair leaves to a person.

use serde::Serialize;

use crate::error::Error;
use crate::model::types::AttachmentId;

/// Something that stays as it is, since it cannot be told whose it is or how to mend it without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// What it is, and why it stays.
    #[serde(rename = "what")]
    pub subject: String,
    /// What to paste into a shell, line by line, once it was done what `help` says.
    pub commands: Vec<String>,
    /// What a person looks at or decides first.
    pub help: String,
    /// What it concerns.
    #[serde(skip)]
    pub concern: Concern,
}

/// What something that a repair does, leaves or fails at is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The bridge, the rules and the settings of this host.
    Host,
    /// An attachment.
    Attachment(AttachmentId),
    /// Rules of another program.
    ForeignRules,
    /// What belongs to nobody, or cannot be told whose it is.
    Nobody,
}

impl Leftover {
    /// A failure that says what stands in the way.
    pub(super) fn of_error(concern: Concern, what: &str, error: &Error) -> Self {
        Self {
            subject: format!("{what}: {}", error.message()),
            commands: error.commands(),
            help: error.advice(),
            concern,
        }
    }
}
