//! The one error type: what was wanted, why it failed, what to do.

use std::fmt;

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is: decides the CNI error code and the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A CNI version this plugin does not speak (CNI code 1).
    Version,
    /// A field of the request that Flatnet does not support (CNI code 2).
    Unsupported,
    /// The container is not known (CNI code 3).
    UnknownContainer,
    /// `CNI_*` environment variables are missing or malformed (CNI code 4).
    Environment,
    /// A file could not be read or written (CNI code 5).
    Io,
    /// Text that does not parse (CNI code 6).
    Decode,
    /// Configuration that parses and yet cannot work (CNI code 7).
    Config,
    /// The network namespace is the plugin's own (CNI code 8).
    OwnNetns,
    /// Somebody holds a lock: the same call may work in a moment (CNI code 11).
    TryLater,
    /// STATUS: ADD could not work now (CNI code 50).
    Unavailable,
    /// No address is left (code 100).
    Exhausted,
    /// The address or MAC asked for cannot be had (code 101).
    AddressRefused,
    /// No root, or a capability is missing (code 102).
    NotAllowed,
    /// The namespace is missing or is none (CNI code 8 too).
    Netns,
    /// A name is taken, or an object belongs to somebody else (code 104).
    Conflict,
    /// A program is missing or too old (code 105).
    Tool,
    /// A command failed (code 106).
    Command,
    /// CHECK found a difference (code 107).
    Differs,
}

impl Kind {
    /// The code of the CNI specification, or one of our own from 100 on.
    #[must_use]
    pub fn cni_code(self) -> u32 {
        match self {
            Self::Version => 1,
            Self::Unsupported => 2,
            Self::UnknownContainer => 3,
            Self::Environment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::Config => 7,
            Self::OwnNetns | Self::Netns => 8,
            Self::TryLater => 11,
            Self::Unavailable => 50,
            Self::Exhausted => 100,
            Self::AddressRefused => 101,
            Self::NotAllowed => 102,
            Self::Conflict => 104,
            Self::Tool => 105,
            Self::Command => 106,
            Self::Differs => 107,
        }
    }
}

/// A failure. `Display` says what happened and what to do, on one line;
/// [`std::error::Error::source`] leads to the cause, which `Display` never repeats.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    remedy: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `message` says what was wanted and what stood in the way.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: None, source: None }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure, with words put before its message.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same failure, with words put behind its message: what became of it.
    #[must_use]
    pub fn outcome(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{}; {what}", self.message);
        self
    }

    /// Which kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened, without the remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, where that is known.
    #[must_use]
    pub fn remedy_text(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Message, causes and remedy in one string, for protocols that carry one string.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        match &self.remedy {
            Some(remedy) => format!("{text}. {remedy}"),
            None => text,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, ". {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Turns an I/O error into ours, naming the file.
pub(crate) fn io(what: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    let message = format!("cannot {what} {}", path.display());
    move |source| {
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => Error::new(Kind::NotAllowed, message)
                .remedy("Flatnet works as root only: use sudo; rootless Podman cannot use it"),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::new(Kind::Io, message).remedy(
                    "Free some space there; `df -h` and, for the number of files, `df -i` show what is full",
                )
            }
            std::io::ErrorKind::ReadOnlyFilesystem => Error::new(Kind::Io, message).remedy(
                "Mount that disk to be written again; `findmnt --target PATH` and `dmesg` tell why it is not",
            ),
            _ => Error::new(Kind::Io, message),
        }
        .source(source)
    }
}

/// Characters that are kept of each end of what a parser says.
const END: usize = 150;

/// What a parser says of a text that may be hostile: on one line, and its middle left out where it quotes too much.
pub(crate) fn parser_says(cause: &impl fmt::Display) -> String {
    let one_line: Vec<char> =
        cause.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match (one_line.get(..END), one_line.len().checked_sub(END).and_then(|tail| one_line.get(tail..))) {
        (Some(head), Some(tail)) if one_line.len() > 2 * END => {
            head.iter().chain(&['.', '.']).chain(tail).collect()
        }
        _ => one_line.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_joins_causes_and_remedy_and_display_does_not_repeat_the_source() {
        let error =
            Error::new(Kind::Io, "cannot read /x").source(std::io::Error::other("boom")).remedy("Create it");
        assert_eq!(error.to_string(), "cannot read /x. Create it");
        assert_eq!(error.whole(), "cannot read /x: boom. Create it");
    }

    #[test]
    fn what_a_parser_quotes_is_neither_long_nor_able_to_steer_a_terminal() {
        assert_eq!(parser_says(&"invalid\u{1b} x"), "invalid  x");
        let said = parser_says(&format!("invalid type: {}, expected u16", "é".repeat(10_000)));
        assert!(said.starts_with("invalid type: é") && said.ends_with(", expected u16"), "{said}");
        assert_eq!(said.chars().count(), 2 * END + 2);
    }
}
