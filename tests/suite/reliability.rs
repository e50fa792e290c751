//! `docs/reliability.md` names tests and rows of the soak: all of them are there.

use std::collections::BTreeSet;
use std::path::Path;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks in the page, but for blocks of code.
fn names(page: &str) -> Vec<&str> {
    page.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test binary itself says which tests it has")]
fn every_test_that_the_page_names_is_there() {
    let myself = std::env::current_exe().unwrap();
    let list = std::process::Command::new(myself).arg("--list").output().unwrap().stdout;
    let list = String::from_utf8(list).unwrap();
    let page = file("docs/reliability.md");
    let named: BTreeSet<&str> = names(&page).into_iter().filter(|name| name.contains("::")).collect();
    assert!(named.len() > 30, "the page names tests by their paths: {named:?}");
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| {
            !list.lines().any(|test| {
                let test = test.trim_end_matches(": test");
                if name.ends_with("::") { test.starts_with(**name) } else { test == **name }
            })
        })
        .collect();
    assert_eq!(missing, Vec::<&&str>::new(), "these tests are not in the suite");
}

#[test]
fn the_page_has_every_row_of_the_soak() {
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
