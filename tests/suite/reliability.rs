//! All tests and soak rows that `docs/reliability.md` names exist.

use std::collections::BTreeSet;
use std::path::Path;

pub(crate) fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text between backticks in the page, without code blocks.
pub(crate) fn names(page: &str) -> Vec<&str> {
    page.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The tests that `page` names, by path or by the beginning of a path, but that exist neither in the suite nor in
/// `tests/pure`.
#[expect(clippy::disallowed_methods, reason = "the test binary itself says which tests it has")]
pub(crate) fn missing_tests(page: &str) -> Vec<&str> {
    let myself = std::env::current_exe().unwrap();
    let list = std::process::Command::new(myself).arg("--list").output().unwrap().stdout;
    let list = String::from_utf8(list).unwrap();
    let pure = tests_of_source("tests/pure");
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let tests: Vec<&str> = tests.chain(pure.iter().map(String::as_str)).collect();
    let is_there = |name: &&str| {
        let is_it = |test: &&str| if name.ends_with("::") { test.starts_with(name) } else { *test == *name };
        tests.iter().any(is_it)
    };
    names(page).into_iter().filter(|name| is_test(name) && !is_there(name)).collect()
}

/// `MODULE::TEST` of each file of `folder`.
fn tests_of_source(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap();
        let names = text.split("#[test]\n").skip(1).filter_map(|after| {
            after.lines().find_map(|line| line.trim().strip_prefix("fn ")?.split('(').next())
        });
        found.extend(names.map(|name| format!("{module}::{name}")));
    }
    found
}

fn is_test(name: &str) -> bool {
    name.contains("::") && name.starts_with(|first: char| first.is_ascii_lowercase())
}

#[test]
fn tests_named_in_reliability_page_exist() {
    let page = file("docs/reliability.md");
    let named: BTreeSet<&str> = names(&page).into_iter().filter(|name| is_test(name)).collect();
    assert!(named.len() > 30, "the page names tests by their paths: {named:?}");
    assert_eq!(missing_tests(&page), Vec::<&str>::new(), "these tests are not in the suite");
}

#[test]
fn reliability_page_lists_every_soak_row() {
    let rows = file("ops/lib/soak/rows.py");
    let rows: BTreeSet<&str> =
        rows.lines().filter_map(|line| line.trim().strip_prefix("Row(\"")?.split('"').next()).collect();
    let page = file("docs/reliability.md");
    // The fourth column of the table.
    let shown: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.split(" | ").nth(3))
        .flat_map(names)
        .filter(|name| !name.starts_with("./"))
        .collect();
    assert_eq!(shown, rows);
}
