//! `docs/operations/troubleshooting.md`: every error code has its place, and the tree leads to every section.

use std::collections::BTreeSet;

use flatnet::error::Kind;
use regex::Regex;

use crate::reliability::file;

const PAGE: &str = "docs/operations/troubleshooting.md";

/// The sections that begin with `### B1: ..`, by label.
fn sections(page: &str) -> Vec<(&str, &str)> {
    let sections = page.split("\n### ").skip(1);
    sections.map(|section| section.split_once(':').unwrap_or((section, ""))).collect()
}

/// Unknown error codes, and codes that are not in exactly one section.
fn misplaced(page: &str) -> Vec<String> {
    let code = Regex::new("FLAT-E[0-9]{3}").unwrap();
    let all: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    let named: BTreeSet<&str> = code.find_iter(page).map(|found| found.as_str()).collect();
    let mut wrong: Vec<String> = named.difference(&all).map(|code| format!("unknown code {code}")).collect();
    for code in all {
        let places: Vec<&str> =
            sections(page).iter().filter(|(_, text)| text.contains(code)).map(|(label, _)| *label).collect();
        if places.len() != 1 {
            wrong.push(format!("{code} is in {places:?}"));
        }
    }
    wrong
}

/// The labels at the ends of the tree.
fn leaves(page: &str) -> Vec<&str> {
    let tree = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    tree.lines().filter_map(|line| line.rsplit_once(".. ").map(|(_, label)| label)).collect()
}

#[test]
fn every_error_code_has_one_section() {
    let page = file(PAGE);
    assert_eq!(misplaced(&page), Vec::<String>::new());
    let first = Kind::ALL[0].code();
    let without = page.replace(first, "FLAT-E000");
    assert_eq!(misplaced(&without), ["unknown code FLAT-E000".to_owned(), format!("{first} is in []")]);
    let twice = format!("{page}\n### Z1: more\n{first}\n");
    assert_eq!(misplaced(&twice), [format!("{first} is in [\"F3\", \"Z1\"]")]);
}

#[test]
fn the_tree_leads_to_every_section() {
    let page = file(PAGE);
    let labels: Vec<&str> = sections(&page).iter().map(|(label, _)| *label).collect();
    assert!(labels.len() >= 30, "only {} sections were found", labels.len());
    assert_eq!(leaves(&page), labels);
}
