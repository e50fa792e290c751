//! A page as its reader sees it: its parts in order.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A heading, block, comment, paragraph, list item or table row.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) kind: Kind,
    /// Its form, which differences show: `##`, `paragraph`, `- item`, `row of 3`, or the beginning of a block or mark.
    pub(crate) shape: String,
    /// The lines in the page, counted from 0.
    pub(crate) lines: Range<usize>,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Heading,
    /// Input or output of a program, or a mark.
    Verbatim,
    Words,
}

static ITEM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^( *)(-|[0-9]+\.) ").unwrap());

pub(crate) fn parts(text: &str) -> Vec<Part> {
    let lines: Vec<&str> = text.lines().collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let end = end_of_part(&lines, at);
        if !lines[at].trim().is_empty() {
            parts.push(part(&lines, at..end));
        }
        at = end;
    }
    parts
}

/// The line after the part that begins at `start`.
fn end_of_part(lines: &[&str], start: usize) -> usize {
    let find = |is_end: &dyn Fn(&str) -> bool| {
        (start + 1..lines.len()).find(|&at| is_end(lines[at].trim())).map_or(lines.len(), |at| at + 1)
    };
    let text = lines[start].trim();
    if text.starts_with("```") {
        find(&|line| line == "```")
    } else if text.starts_with("<!--") && !text.ends_with("-->") {
        find(&|line| line == "-->")
    } else if is_alone(lines[start]) {
        start + 1
    } else {
        let is_next = |line: &str| is_alone(line) || line.trim().starts_with("```") || item(line).is_some();
        (start + 1..lines.len()).find(|&at| is_next(lines[at])).unwrap_or(lines.len())
    }
}

/// Whether the line is a part by itself.
fn is_alone(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || line.starts_with('#') || text.starts_with('|') || text.starts_with("<!--")
}

fn part(lines: &[&str], range: Range<usize>) -> Part {
    let first = lines[range.start];
    let begins = first.trim();
    let is_verbatim = begins.starts_with("```") || begins.starts_with("<!--");
    let (kind, shape) = if first.starts_with('#') {
        (Kind::Heading, begins.split(' ').next().unwrap_or_default().to_owned())
    } else if is_verbatim {
        // A diagram, or an example that is neither a command nor a file, is translated like words.
        let is_words = ["```text", "```mermaid"].contains(&begins);
        let mark = first.split(':').next().unwrap_or_default();
        (if is_words { Kind::Words } else { Kind::Verbatim }, mark.to_owned())
    } else if begins.starts_with('|') {
        (Kind::Words, format!("row of {}", begins.replace("\\|", "").matches('|').count() - 1))
    } else if let Some(mark) = item(first) {
        (Kind::Words, format!("{mark} item"))
    } else {
        let blanks = first.len() - first.trim_start().len();
        (Kind::Words, " ".repeat(blanks) + "paragraph")
    };
    Part { kind, shape, lines: range.clone(), text: lines[range].join("\n") }
}

/// The mark of a list item, with the blanks before it; every number counts as `1.`.
fn item(line: &str) -> Option<String> {
    let mark = ITEM.captures(line)?;
    let sign = if &mark[2] == "-" { "-" } else { "1." };
    Some(mark[1].to_owned() + sign)
}

#[test]
fn page_is_split_into_parts() {
    let page = "# T\n<!-- a: b -->\nOne\ntwo.\n\n- x\n  y\n- z:\n\n  ```sh\n  # no heading\n  ```\n\n  more\n\
        ## U\n| a | `b \\| c` |\n| --- | --- |\n<!-- setup\nls\n-->\n```text\n+--+\n```\n1. a\n2. b\n";
    let found: Vec<String> = parts(page).into_iter().map(|part| part.shape).collect();
    let wanted = [
        "#",
        "<!-- a",
        "paragraph",
        "- item",
        "- item",
        "  ```sh",
        "  paragraph",
        "##",
        "row of 2",
        "row of 2",
        "<!-- setup",
        "```text",
        "1. item",
        "1. item",
    ];
    assert_eq!(found, wanted);
}
