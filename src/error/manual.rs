//! The manual of errors: `docs/operations/errors.md` and `flatnet explain`.

use std::fmt::Write as _;

use super::Kind;

const HEAD: &str = "\
# Errors

Every error of Flatnet ends in a code, such as `(FLAT-E045)`. A code never changes its meaning. `flatnet explain FLAT-E045`
prints its section of this page. In the messages below `..` stands for text that varies.

This page is generated from `src/error/table.rs`. To update it, run `FLATNET_GOLDEN=write cargo test --features faults --test suite errors`.

| code | what happened | what to do |
| --- | --- | --- |
";

/// The whole of `docs/operations/errors.md`.
#[must_use]
pub fn page() -> String {
    let mut text = HEAD.to_owned();
    for kind in Kind::ALL {
        let code = kind.code();
        let remedy = kind.remedy().text().replace('|', "\\|");
        let _ = writeln!(text, "| [{code}](#{code}) | {} | {remedy} |", kind.title());
    }
    for kind in Kind::ALL {
        let _ = write!(text, "\n<a id=\"{}\"></a>\n\n{}", kind.code(), section(*kind));
    }
    text
}

/// The section of one kind.
#[must_use]
pub fn section(kind: Kind) -> String {
    let entry = kind.entry();
    let mut text = format!("## {}: {}\n\n{}\n\n", entry.code, entry.title, entry.means);
    text.push_str("What you see:\n\n");
    for seen in entry.seen {
        let _ = writeln!(text, "    {seen}");
    }
    let _ =
        write!(text, "\nWhat to do: {}.\n\n{}\n\nCNI error code: {}.\n", entry.remedy, entry.more, entry.cni);
    text
}
