//! Patterns that names must match.
//!
//! Each is written as a regular expression, which errors show, and checked by a few comparisons: compiling the expressions
//! took longer than everything else that a command does with its input. Each pattern's test compares the two.

use crate::error::{Error, Kind, Result};

/// A pattern.
pub(super) struct Pattern {
    pub(super) what: &'static str,
    /// The regular expression.
    pub(super) text: &'static str,
    pub(super) longest: usize,
    /// Whether a value matches `text`.
    pub(super) matches: fn(&str) -> bool,
}

impl Pattern {
    /// Checks `value`.
    pub(super) fn check(&self, value: &str) -> Result<()> {
        let Self { what, text, longest, matches } = self;
        if value.len() <= *longest && matches(value) {
            return Ok(());
        }
        Err(bad(what, value, &format!("it must match {text} and have at most {longest} characters")))
    }
}

/// Whether `text` consists of letters and digits of ASCII and `signs`, and is not empty.
pub(super) fn is_made_of(text: &str, signs: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || signs.as_bytes().contains(&byte);
    !text.is_empty() && text.bytes().all(may_stand)
}

/// Whether `text` consists of letters and digits of ASCII and `signs`, and begins with none of the signs but `first`.
pub(super) fn is_name(text: &str, first: &str, signs: &str) -> bool {
    is_made_of(text, signs) && text.get(..1).is_some_and(|begin| is_made_of(begin, first))
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

/// Compares `pattern` with its regular expression for values that match it, such values with one character replaced, and
/// values of the characters that patterns treat specially.
#[cfg(test)]
pub(super) fn assert_matches_its_text(pattern: &Pattern) {
    use proptest::prelude::*;

    let expression = regex::Regex::new(pattern.text).unwrap();
    let signs = "[aZf09_./~:+ \\n\"é-]";
    let matching = proptest::string::string_regex(pattern.text.trim_matches(['^', '$'])).unwrap().boxed();
    let replaced = (matching.clone(), any::<prop::sample::Index>(), signs).prop_map(|(value, at, sign)| {
        let mut characters: Vec<char> = value.chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..=at, sign.chars());
        characters.into_iter().collect::<String>()
    });
    let special = proptest::string::string_regex(&format!("{signs}{{0,4}}")).unwrap();
    proptest!(|(value in prop_oneof![matching, replaced, special])| {
        prop_assert_eq!((pattern.matches)(&value), expression.is_match(&value), "{:?} and {}", value, pattern.text);
    });
}

macro_rules! pattern {
    ($name:ident, $what:literal, $text:literal, $longest:literal, $matches:expr) => {
        static $name: $crate::model::types::pattern::Pattern = $crate::model::types::pattern::Pattern {
            what: $what,
            text: $text,
            longest: $longest,
            matches: $matches,
        };

        #[cfg(test)]
        mod of_pattern {
            #[test]
            fn value_matches_as_the_expression_says() {
                $crate::model::types::pattern::assert_matches_its_text(&super::$name);
            }
        }
    };
}
pub(super) use pattern;
