//! `docs/operations/nft-ruleset.md` names each chain, set, map and rule as the template does.

use super::text;

/// A chain, set or map: its kind, name and comment, and the comments of its rules in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    kind: String,
    name: String,
    comment: String,
    rules: Vec<String>,
}

/// All parts of the template, including conditional ones. `bindings` is in both tables.
fn template() -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for line in text("templates/ruleset.nft.j2").lines().map(str::trim) {
        let comment = || line.split_once("comment \"").and_then(|(_, rest)| rest.strip_suffix('"'));
        match line.split_once(' ') {
            Some((kind @ ("chain" | "set" | "map"), name)) if name.ends_with(" {") => {
                let name = name.trim_end_matches(" {").to_owned();
                parts.push(Part { kind: kind.to_owned(), name, ..Part::default() });
            }
            // A table's own comment precedes its parts.
            Some(("comment", _)) => {
                if let (Some(part), Some(comment)) = (parts.last_mut(), comment()) {
                    if part.comment.is_empty() {
                        comment.clone_into(&mut part.comment);
                    }
                }
            }
            _ => {
                if let (Some(part), Some(comment)) = (parts.last_mut(), comment()) {
                    if line.contains("counter ") {
                        part.rules.push(comment.to_owned());
                    }
                }
            }
        }
    }
    let mut once: Vec<Part> = Vec::new();
    for mut part in parts {
        // The template has some rules in two variants.
        part.rules.dedup();
        if !once.contains(&part) {
            once.push(part);
        }
    }
    once
}

/// The first two cells of a table row.
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    Some((cells.next()?, cells.next()?.trim_end_matches(" |")))
}

#[test]
fn ruleset_page_matches_template() {
    let page = text("docs/operations/nft-ruleset.md");
    let parts = template();
    assert!(parts.len() > 15, "the template is read: {parts:?}");
    let (chains, sets): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.kind == "chain");

    let mut shown: Vec<Part> = Vec::new();
    for section in page.split("\n### ").skip(1) {
        let lines: Vec<&str> = section.split("\n## ").next().unwrap_or_default().lines().collect();
        shown.push(Part {
            kind: "chain".to_owned(),
            name: lines[0].to_owned(),
            comment: lines[2].to_owned(),
            rules: lines[4..]
                .iter()
                .filter_map(|line| row(line))
                .skip(2)
                .map(|(rule, _)| rule.to_owned())
                .collect(),
        });
    }
    let by_name = |mut parts: Vec<Part>| {
        parts.sort_by(|one, other| one.name.cmp(&other.name));
        parts
    };
    assert_eq!(by_name(shown), by_name(chains.into_iter().cloned().collect()));

    let section = page.split("\n## ").find(|section| section.starts_with("Sets and maps")).unwrap();
    let rows: Vec<(String, String)> = section
        .lines()
        .filter_map(row)
        .skip(2)
        .map(|(name, comment)| (name.trim_matches('`').to_owned(), comment.to_owned()))
        .collect();
    let wanted: Vec<(String, String)> =
        sets.iter().map(|part| (part.name.clone(), part.comment.clone())).collect();
    assert_eq!(rows, wanted);
}
