//! What a repair leaves to a person.

use serde::Serialize;

use crate::error::Error;
use crate::model::types::AttachmentId;

/// Something that a repair leaves, since its owner is unknown or fixing it could do harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// What it is, and why it is left.
    #[serde(rename = "what")]
    pub subject: String,
    /// Commands for a shell, to run after following `help`.
    pub commands: Vec<String>,
    /// What a person checks or decides first.
    pub help: String,
    /// What it concerns.
    #[serde(skip)]
    pub concern: Concern,
}

/// The subject of something that a repair does, leaves or fails at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The bridge, the rules and the settings of this host.
    Host,
    /// An attachment.
    Attachment(AttachmentId),
    /// Rules of another program.
    ForeignRules,
    /// Things without an owner, or with an unknown one.
    Unowned,
}

impl Leftover {
    /// A failure as a leftover, with its reason.
    pub(super) fn of_error(concern: Concern, what: &str, error: &Error) -> Self {
        Self {
            subject: format!("{what}: {}", error.message()),
            commands: error.commands(),
            help: error.advice(),
            concern,
        }
    }
}
