//! Text of others on one line.

/// `text` without control characters, line ends and what turns the direction of writing: each run of these and of
/// spaces becomes one space.
pub(crate) fn one_line(text: &str) -> String {
    let is_gap = |c: char| c.is_whitespace() || steers(c);
    text.split(is_gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a terminal takes `c` for a command: control characters, and what turns the direction of writing.
pub(crate) fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `limit` characters of `text`.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{} [..]", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Characters that are kept of each end of what a parser says.
const END: usize = 150;

/// What a parser says of a text that may be hostile: on one line, and its middle left out where it quotes too much.
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
    fn nothing_breaks_the_line_or_the_terminal() {
        assert_eq!(one_line(" a\n\tb\u{1b}[31m\u{0}c\u{2028}d\u{202e}e "), "a b [31m c d e");
        assert_eq!(one_line("naïve ünits"), "naïve ünits");
        assert_eq!(parser_says(&"invalid\u{1b} x"), "invalid x");
        let said = parser_says(&format!("invalid type: {}, expected u16", "é".repeat(10_000)));
        assert!(said.starts_with("invalid type: é") && said.ends_with(", expected u16"), "{said}");
        assert_eq!(said.chars().count(), 2 * END + 2);
        assert_eq!((shortened("äöü", 2), shortened("äöü", 3)), ("äö [..]".to_owned(), "äöü".to_owned()));
    }
}
