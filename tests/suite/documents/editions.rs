//! Japanese editions: `NAME.ja.md` has the parts of `NAME.md` in the same order, with the same commands, marks, inline
//! code, numbers and links. Their commands are not run again.
//!
//! Below each heading is the checksum of the English text that was translated:
//!
//! ```text
//! <!-- english: 3f2a9c01 -->
//! ```
//!
//! `FLATNET_GOLDEN=write` copies commands and outputs from the English page; `FLATNET_GOLDEN=translated` writes the
//! checksums too: use it only after the Japanese text was updated.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices};

use super::equal::{marked, translated_links, words};
use super::links;
use super::parts::{Kind, Part, parts};

/// A page in both languages.
struct Pair<'a> {
    path: &'a str,
    english: Vec<Part>,
    japanese: Vec<Part>,
    /// The checksum below each Japanese heading.
    stamps: Vec<Option<String>>,
}

/// The path of a page's Japanese edition.
pub(crate) fn edition(path: &str) -> String {
    path.replace(".md", ".ja.md")
}

pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The differences of the Japanese text from the English text of the page at `path`.
pub(crate) fn differences(path: &str, english: &str, japanese: &str) -> Vec<String> {
    let pair = Pair::new(path, english, japanese);
    let found = pair.outline();
    if !found.is_empty() {
        return vec![format!(
            "{} has not the parts of {path} (-), or others (+):\n{}",
            edition(path),
            found.join("\n")
        )];
    }
    let texts = (english, japanese);
    let pairs = pair.english.iter().zip(&pair.japanese);
    let mut found: Vec<String> = pairs.filter_map(|(one, other)| pair.unequal(one, other, texts)).collect();
    let link = format!("[日本語]({})", file_name(&edition(path)));
    if pair.english.get(1).is_none_or(|first| first.text != link) {
        found.push(format!("{path}: its title is not followed by {link}"));
    }
    found.extend(pair.outdated());
    found
}

/// The Japanese text with the commands, outputs and marks of the English text, and new checksums if `is_translated`.
pub(crate) fn follow(path: &str, english: &str, japanese: &str, is_translated: bool) -> String {
    let pair = Pair::new(path, english, japanese);
    let mut lines: Vec<String> = japanese.lines().map(str::to_owned).collect();
    if pair.outline().is_empty() {
        let stamps = pair.wanted_stamps();
        let mut heading = stamps.len();
        for (one, other) in pair.english.iter().zip(&pair.japanese).rev() {
            if one.kind == Kind::Verbatim {
                lines.splice(other.lines.clone(), one.text.lines().map(str::to_owned));
            } else if one.kind == Kind::Heading && is_translated {
                heading -= 1;
                let below = other.lines.end..other.lines.end + usize::from(pair.stamps[heading].is_some());
                lines.splice(below, [stamp_line(&stamps[heading])]);
            }
        }
    }
    lines.join("\n") + "\n"
}

impl<'a> Pair<'a> {
    fn new(path: &'a str, english: &str, japanese: &str) -> Self {
        let mut stamps = Vec::new();
        let mut kept: Vec<Part> = Vec::new();
        for part in parts(japanese) {
            let stamp = part.text.strip_prefix("<!-- english: ").and_then(|rest| rest.strip_suffix(" -->"));
            if let (Some(stamp), Some(Part { kind: Kind::Heading, .. })) = (stamp, kept.last()) {
                stamps.pop();
                stamps.push(Some(stamp.to_owned()));
            } else {
                stamps.extend((part.kind == Kind::Heading).then_some(None));
                kept.push(part);
            }
        }
        Self { path, english: parts(english), japanese: kept, stamps }
    }

    /// The parts that only one of the two texts has.
    fn outline(&self) -> Vec<String> {
        let shapes = |parts: &'_ [Part]| parts.iter().map(|part| part.shape.clone()).collect::<Vec<_>>();
        let tell = |sign: char, parts: &[Part]| {
            let tell = |part: &Part| {
                let first: String = part.text.lines().next().unwrap_or_default().chars().take(60).collect();
                format!("{sign} line {}, {}: {first}", part.lines.start + 1, part.shape)
            };
            parts.iter().map(tell).collect::<Vec<_>>()
        };
        capture_diff_slices(Algorithm::Patience, &shapes(&self.english), &shapes(&self.japanese))
            .iter()
            .filter(|change| !matches!(change, DiffOp::Equal { .. }))
            .flat_map(|change| {
                [tell('-', &self.english[change.old_range()]), tell('+', &self.japanese[change.new_range()])]
            })
            .flatten()
            .collect()
    }

    /// How two parts of the same shape differ.
    fn unequal(&self, one: &Part, other: &Part, texts: (&str, &str)) -> Option<String> {
        let place = format!("{}:{}", edition(self.path), other.lines.start + 1);
        if one.kind == Kind::Verbatim {
            return (one.text != other.text).then(|| {
                let difference = TextDiff::from_lines(&one.text, &other.text);
                format!("{place}\n{}", difference.unified_diff().header("English", "Japanese"))
            });
        }
        let mut said = Vec::new();
        let wanted = translated_links(self.path, &one.text, texts);
        let links: BTreeSet<String> = links::targets(&other.text).into_iter().collect();
        for (wanted, found) in [(marked(&one.text), marked(&other.text)), (wanted, links)] {
            said.extend(wanted.difference(&found).map(|word| format!("lacks {word}")));
            said.extend(
                found.difference(&wanted).map(|word| format!("has {word}, the English text has not")),
            );
        }
        let is_same = one.text == other.text && words(&one.text) > 2;
        said.extend(is_same.then(|| "is not translated".to_owned()));
        (!said.is_empty()).then(|| {
            format!("{place} (line {} of the English page): {}", one.lines.start + 1, said.join("; "))
        })
    }

    /// The sections whose English text has changed since they were translated.
    fn outdated(&self) -> Option<String> {
        let wanted = self.wanted_stamps();
        let headings = self.japanese.iter().filter(|part| part.kind == Kind::Heading);
        let sections: Vec<String> = headings
            .zip(self.stamps.iter().zip(&wanted))
            .filter(|(_, (stamp, wanted))| stamp.as_ref() != Some(wanted))
            .map(|(heading, (_, wanted))| {
                format!("line {}, {}: {}", heading.lines.end, heading.text, stamp_line(wanted))
            })
            .collect();
        (!sections.is_empty()).then(|| {
            format!(
                "{}: the English text was another one when these sections were translated. See what changed (git log -p {}), \
                 translate it, and write below the heading what stands behind it here:\n{}",
                edition(self.path),
                self.path,
                sections.join("\n")
            )
        })
    }

    /// Checksums of each section's text to translate; line breaks do not count.
    fn wanted_stamps(&self) -> Vec<String> {
        let mut sections: Vec<String> = Vec::new();
        for part in self.english.iter().filter(|part| part.kind != Kind::Verbatim) {
            if part.kind == Kind::Heading {
                sections.push(String::new());
            }
            if let Some(section) = sections.last_mut() {
                section.extend(part.text.split_whitespace().flat_map(|word| [word, " "]));
            }
        }
        let sum =
            |text: &String| Sha256::digest(text)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        sections.iter().map(sum).collect()
    }
}

fn stamp_line(stamp: &str) -> String {
    format!("<!-- english: {stamp} -->")
}

#[test]
fn differing_edition_is_detected() {
    let english = "# Work\n\n[日本語](a.ja.md)\n\nUse `x -a` and [the rest](#the-rest) of 10.87.1.0/24.\n\n```sh\nx -a\n```\n\n\
        ## The rest\n\n| a | b |\n| --- | --- |\n| some of `y` and words | 1,023 |\n";
    let japanese = "# 作業\n\n[English](a.md)\n\n10.87.1.0/24 の[残り](#残り)には `x -a` を\n使います。\n\n```sh\nx -a\n```\n\n\
        ## 残り\n\n| あ | い |\n| --- | --- |\n| `y` など | 1,023 個 |\n";
    let japanese = follow("docs/a.md", english, japanese, true);
    assert_eq!(japanese.matches("<!-- english: ").count(), 2, "{japanese}");
    assert_eq!(differences("docs/a.md", english, &japanese), [""; 0]);
    assert_eq!(follow("docs/a.md", english, &japanese, true), japanese);
    for (there, instead, said) in [
        (
            "[English](a.md)",
            "[English](b.md)",
            &["docs/a.ja.md:4 (line 3 of", "lacks a.md", "has b.md"] as &[_],
        ),
        ("`x -a` を", "`x -b` を", &["docs/a.ja.md:6 (line 5 of", "lacks `x -a`", "has `x -b`"]),
        ("10.87.1.0/24", "10.87.2.0/24", &["lacks 10.87.1.0/24"]),
        ("(#残り)", "(#the-rest)", &["lacks #残り"]),
        ("1,023", "1,024", &["lacks 1,023"]),
        ("```sh\nx -a", "```sh\nx -b", &["docs/a.ja.md:9\n", "-x -a\n+x -b"]),
        ("| い |", "| い | う |", &["- line 13, row of 2: | a | b |\n+ line 16, row of 3: | あ | い | う |"]),
        ("## 残り", "### 残り", &["- line 11, ##: ## The rest\n+ line 13, ###: ### 残り"]),
        ("| `y` など | 1,023 個 |", "| some of `y` and words | 1,023 |", &["is not translated"]),
        ("## 残り\n<!-- english:", "## 残り\n<!-- english: 0", &["line 13, ## 残り: <!-- english: "]),
    ] {
        let changed = japanese.replacen(there, instead, 1);
        assert_ne!(changed, japanese, "{there}");
        let found = differences("docs/a.md", english, &changed).join("\n");
        assert!(said.iter().all(|said| found.contains(said)), "{there}: {found}");
    }
    // A changed line break does not change the text; a changed word does.
    assert_eq!(differences("docs/a.md", &english.replace("and [", "and\n["), &japanese), [""; 0]);
    let changed = english.replace("Use `x", "Never use `x").replace("\nx -a", "\nx -c");
    let found = differences("docs/a.md", &changed, &japanese);
    assert!(found.len() == 2 && found[1].contains("line 1, # 作業: <!-- english: "), "{found:#?}");
    let followed = follow("docs/a.md", &changed, &japanese, false);
    assert_eq!(differences("docs/a.md", &changed, &followed).len(), 1, "commands follow, checksums stay");
}

/// The headings of the Japanese troubleshooting page quote the gateway's Japanese pages.
#[test]
fn japanese_headings_quote_gateway_pages() {
    let texts = include_str!("../../../templates/gateway/lua/flatnet/texts.lua");
    let page = include_str!("../../../docs/operations/troubleshooting.ja.md");
    let headings = page.lines().filter(|line| line.starts_with("### B"));
    let quoted =
        headings.flat_map(|line| line.split('「').skip(1)).filter_map(|rest| rest.split('」').next());
    let quoted: Vec<&str> = quoted.map(|words| words.trim_start_matches(".. ")).collect();
    assert!(quoted.len() >= 8, "{quoted:?}");
    let unknown: Vec<&&str> = quoted.iter().filter(|words| !texts.contains(**words)).collect();
    assert!(unknown.is_empty(), "no page of the gateway says {unknown:?}");
}
