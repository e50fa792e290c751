//! Untrusted text on one line.

/// `text` with each run of white space, control characters and bidirectional controls replaced by one space.
pub(crate) fn one_line(text: &str) -> String {
    let is_gap = |c: char| c.is_whitespace() || steers(c);
    text.split(is_gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether `c` controls a terminal: a control character, or one that changes the direction of text.
pub(crate) fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text`, truncated to `limit` characters.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{} [..]", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How many characters of each end of a parser's message are kept.
const END: usize = 150;

/// A parser's message about untrusted text, on one line, without its middle if it is long.
pub(crate) fn parser_says(cause: &impl std::fmt::Display) -> String {
    let said = one_line(&cause.to_string());
    let count = said.chars().count();
    if count <= 2 * END {
        return said;
    }
    let (head, tail) = (said.chars().take(END), said.chars().skip(count - END));
    head.chain("..".chars()).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_line_is_sanitised_and_shortened() {
        assert_eq!(one_line(" a\n\tb\u{1b}[31m\u{0}c\u{2028}d\u{202e}e "), "a b [31m c d e");
        assert_eq!(one_line("naïve ünits"), "naïve ünits");
        assert_eq!(parser_says(&"invalid\u{1b} x"), "invalid x");
        let said = parser_says(&format!("invalid type: {}, expected u16", "é".repeat(10_000)));
        assert!(said.starts_with("invalid type: é") && said.ends_with(", expected u16"), "{said}");
        assert_eq!(said.chars().count(), 2 * END + 2);
        assert_eq!((shortened("äöü", 2), shortened("äöü", 3)), ("äö [..]".to_owned(), "äöü".to_owned()));
    }
}
