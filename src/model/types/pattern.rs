//! Patterns that names must match.

use std::sync::LazyLock;

use regex::Regex;

use crate::error::{Error, Kind, Result};

/// A pattern, compiled on first use.
pub(super) struct Pattern {
    regex: LazyLock<Result<Regex, regex::Error>>,
    what: &'static str,
    text: &'static str,
    longest: usize,
}

impl Pattern {
    pub(super) const fn new(
        what: &'static str,
        text: &'static str,
        longest: usize,
        compile: fn() -> Result<Regex, regex::Error>,
    ) -> Self {
        Self { regex: LazyLock::new(compile), what, text, longest }
    }

    /// Checks `value`.
    pub(super) fn check(&self, value: &str) -> Result<()> {
        let Self { regex, what, text, longest } = self;
        // The length is not part of the expression: a bounded repetition is slow to compile and to match.
        if value.len() <= *longest && regex.as_ref().is_ok_and(|regex| regex.is_match(value)) {
            return Ok(());
        }
        Err(bad(what, value, &format!("it must match {text} and have at most {longest} characters")))
    }
}

/// The error for an invalid `value`.
pub(super) fn bad(what: &str, value: &str, why: &str) -> Error {
    Error::new(Kind::BadValue, format!("\"{}\" is not a valid {what}: {why}", shown(value)))
}

/// `value` escaped and truncated for an error message, because it may be hostile.
#[must_use]
pub fn shown(value: &str) -> String {
    let mut shown: String = value.escape_debug().take(64).collect();
    if shown.len() < value.len() {
        shown.push_str("..");
    }
    shown
}

macro_rules! pattern {
    ($name:ident, $what:literal, $text:literal, $longest:literal) => {
        static $name: $crate::model::types::pattern::Pattern =
            $crate::model::types::pattern::Pattern::new($what, $text, $longest, || regex::Regex::new($text));
    };
}
pub(super) use pattern;
