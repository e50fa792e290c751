//! The error type: what failed, why, the outcome, what to do.
//!
//! Each [`Kind`] has a fixed code; [`manual`] is the page about all of them.

mod kind;
pub(crate) mod line;
pub mod manual;
mod remedy;
mod table;

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use rustix::io::Errno;

use crate::shell::quote;

pub use remedy::Remedy;
pub use table::Kind;

pub(crate) use line::parser_says;
use line::{one_line, shortened};

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest message, outcome and remedy, in characters, of an error on one line.
const LONGEST: (usize, usize, usize) = (700, 500, 500);

/// A failure. `Display` says what failed and what to do, on one line; [`std::error::Error::source`] is the cause, which
/// `Display` does not repeat.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    outcome: Option<String>,
    remedy: Option<Remedy>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `message` says what failed and why.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), outcome: None, remedy: None, source: None }
    }

    /// Sets the remedy, if it is better than the kind's default.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<Remedy>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Prefixes the message.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Adds the outcome: what happened to the work done before the failure.
    #[must_use]
    pub fn outcome(mut self, what: impl fmt::Display) -> Self {
        self.outcome = Some(match self.outcome {
            Some(before) => format!("{before}; {what}"),
            None => what.to_string(),
        });
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What failed and why, without the remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What happened to the work done before the failure.
    #[must_use]
    pub fn outcome_text(&self) -> Option<&str> {
        self.outcome.as_deref()
    }

    /// The causes, outermost first, each on one line.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let own = |cause: &Self| match &cause.outcome {
            Some(outcome) => format!("{}; {outcome}", cause.message),
            None => cause.message.clone(),
        };
        let text = |cause: &Cause| cause.downcast_ref::<Self>().map_or_else(|| cause.to_string(), own);
        self.chain().skip(1).map(|cause| one_line(&text(cause))).collect()
    }

    /// The remedies of this error and its causes, else the kind's default.
    #[must_use]
    pub fn remedies(&self) -> Vec<Remedy> {
        let known = |cause| <Cause>::downcast_ref::<Self>(cause).and_then(|own| own.remedy.clone());
        let mut all: Vec<Remedy> = self.chain().filter_map(known).collect();
        all.dedup();
        if all.is_empty() { vec![self.kind.remedy()] } else { all }
    }

    /// All remedies as text on one line.
    #[must_use]
    pub fn advice(&self) -> String {
        let texts: Vec<String> = self.remedies().iter().map(|remedy| one_line(remedy.text())).collect();
        texts.join(". ")
    }

    /// The commands of all remedies.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.remedies().iter().flat_map(|remedy| remedy.commands().to_vec()).collect()
    }

    /// The codes of this error and its causes.
    #[must_use]
    pub fn codes(&self) -> String {
        let code = |cause| <Cause>::downcast_ref::<Self>(cause).map(|own| own.kind.code());
        let mut all: Vec<&str> = self.chain().filter_map(code).collect();
        all.dedup();
        all.join(", ")
    }

    /// The whole error on one line of bounded length: message, causes, outcome, remedies, codes.
    #[must_use]
    pub fn to_line(&self) -> String {
        let [what, outcome] = self.message_and_outcome();
        let (longest_what, longest_outcome, longest_remedy) = LONGEST;
        let remedies = shortened(&self.advice(), longest_remedy);
        let failure = shortened(&what, longest_what) + &shortened(&outcome, longest_outcome);
        format!("{failure}. {remedies} ({})", self.codes())
    }

    /// Message, causes and outcome in full, if [`Error::to_line`] truncates them.
    #[must_use]
    pub fn in_full(&self) -> Option<String> {
        let [what, outcome] = self.message_and_outcome();
        let is_cut = what.chars().count() > LONGEST.0 || outcome.chars().count() > LONGEST.1;
        is_cut.then(|| what + &outcome)
    }

    /// Message with causes, and outcome, each on one line.
    fn message_and_outcome(&self) -> [String; 2] {
        let parts: Vec<String> = std::iter::once(one_line(&self.message)).chain(self.causes()).collect();
        let outcome = self.outcome.as_ref().map_or(String::new(), |what| format!("; {}", one_line(what)));
        [parts.join(": ").trim_end_matches('.').to_owned(), outcome]
    }

    /// This error, then its causes.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Cause> {
        std::iter::successors(Some(self as &Cause), |cause| cause.source())
    }
}

type Cause = dyn std::error::Error + 'static;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(outcome) = &self.outcome {
            write!(f, "; {outcome}")?;
        }
        match &self.remedy {
            Some(remedy) => write!(f, ". {}", remedy.text()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&Cause> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// Converts an I/O error, naming the file.
pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    let message = format!("cannot {what} {}", path.display());
    move |source| {
        // The file may not exist, but its directory does.
        let place = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(&path).display();
        let error = match source.kind() {
            ErrorKind::PermissionDenied => Error::new(Kind::NotAllowed, message),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::new(Kind::DiskFull, message)
                .remedy(format!("Free some space: `df -h {place}; df -i {place}` shows what is full")),
            ErrorKind::ReadOnlyFilesystem => {
                let place = quote(&place.to_string());
                let remount = format!("mount -o remount,rw \"$(findmnt -no TARGET --target {place})\"");
                let see =
                    format!("Find the reason with `findmnt -T {place}` and `dmesg | tail`, then remount it");
                Error::new(Kind::ReadOnly, message).remedy(Remedy::by(&see, [remount]))
            }
            _ if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                Error::new(Kind::ForeignFile, message)
                    .remedy(Remedy::move_away("Flatnet does not follow links here; move it away", &path))
            }
            _ => Error::new(Kind::Io, message),
        };
        error.source(source)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn message_has_all_parts_and_display_omits_source() {
        let boom = std::io::Error::other("boom\nand\u{7}more");
        let error = Error::new(Kind::Io, "cannot read /x").source(boom).remedy("Create it");
        assert_eq!(error.to_string(), "cannot read /x. Create it");
        assert_eq!(error.to_line(), "cannot read /x: boom and more. Create it (FLAT-E081)");
        let outer = Error::new(Kind::Unavailable, "ADD is unavailable")
            .source(error.outcome("everything was rolled back"));
        assert_eq!(
            outer.to_line(),
            "ADD is unavailable: cannot read /x; everything was rolled back: boom and more. Create it (FLAT-E091, FLAT-E081)"
        );
    }

    #[test]
    fn error_without_remedy_uses_that_of_its_kind() {
        let error = Error::new(Kind::PortTaken, "port 80");
        assert_eq!(error.to_line(), format!("port 80. {} (FLAT-E045)", Kind::PortTaken.remedy().text()));
    }

    #[test]
    fn long_message_is_truncated_but_keeps_code() {
        let long = "x".repeat(10_000);
        let error = Error::new(Kind::Io, long.clone()).outcome(long.clone()).remedy(long);
        let whole = error.to_line();
        assert!(whole.len() < 2000 && whole.ends_with("x [..] (FLAT-E081)"), "{whole}");
        assert_eq!(error.in_full().unwrap().len(), 20_002);
        assert_eq!(Error::new(Kind::Io, "short").in_full(), None);
    }

    #[test]
    fn codes_are_unique_sorted_and_can_be_looked_up() {
        let codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert!(codes.is_sorted());
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        for (kind, code) in Kind::ALL.iter().zip(codes) {
            let number = code.strip_prefix("FLAT-E").unwrap();
            assert!(number.len() == 3 && number.parse::<u32>().is_ok(), "{code}");
            assert_eq!(Kind::of_code(code), Some(*kind));
            assert_eq!(Kind::of_code(&format!("e{number}")), Some(*kind));
        }
        assert_eq!(Kind::of_code("FLAT-E000"), None);
    }

    /// CNI keeps 0 to 99 to itself: <https://www.cni.dev/docs/spec/#error>.
    #[test]
    fn cni_codes_are_from_specification_or_our_range() {
        for kind in Kind::ALL {
            let code = kind.cni_code();
            assert!(
                [1, 2, 3, 4, 5, 6, 7, 8, 11, 50].contains(&code) || (100..=109).contains(&code),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn texts_are_one_line_and_end_without_a_full_stop() {
        for kind in Kind::ALL {
            let remedy = kind.remedy();
            for text in [kind.title(), remedy.text()].into_iter().chain(kind.seen().iter().copied()) {
                assert_eq!(one_line(text), text, "{kind:?}");
            }
            assert!(!remedy.text().ends_with('.') && !kind.title().ends_with('.'), "{kind:?}");
            for command in remedy.commands() {
                assert!(remedy.text().contains(&format!("`{command}`")), "{kind:?}: {command}");
                assert!(
                    !command.split(' ').any(|word| word.len() > 1 && word == word.to_uppercase()),
                    "{command}"
                );
            }
        }
    }
}
