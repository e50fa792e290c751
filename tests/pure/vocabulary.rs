//! The vocabulary: no file or public type has a retired name, and code and docs/glossary.md have the same terms.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::floors::{root, sources};

/// Retired words, rejected in any part of a name: each was replaced by another word, or does not describe the content.
const RETIRED: [&str; 20] = [
    "asked",
    "became",
    "face",
    "heard",
    "helper",
    "laid",
    "looked",
    "manager",
    "mend",
    "nobody",
    "said",
    "seal",
    "somebody",
    "surroundings",
    "told",
    "treatment",
    "util",
    "wanted",
    "whoever",
    "whose",
];
/// Words that are rejected as a whole name, but allowed in a longer one: `marked_links`, `FileOutcome`.
const TOO_SHORT: [&str; 17] = [
    "changed", "choose", "done", "fail", "found", "gone", "kept", "left", "look", "made", "marked",
    "outcome", "seen", "taken", "tell", "whole", "why",
];
/// Terms of the glossary that are types in `src/`.
const TYPES: [(&str, &str); 20] = [
    ("attachment", "Attachment"),
    ("bridging", "Bridging"),
    ("caller", "Caller"),
    ("element", "Element"),
    ("endpoint", "Endpoint"),
    ("finding", "Finding"),
    ("fix", "Fix"),
    ("gateway", "Gateway"),
    ("host record", "HostRecord"),
    ("lease", "Lease"),
    ("link group", "LinkGroup"),
    ("overlay", "Overlay"),
    ("plan", "Plan"),
    ("receipt", "Receipt"),
    ("repair", "Repair"),
    ("request", "Request"),
    ("route", "Route"),
    ("step", "Step"),
    ("undo", "Undo"),
    ("uplink", "Uplink"),
];

/// The words of a name in any case style: `left_over` and `LeftOver` have two each.
fn words(name: &str) -> Vec<String> {
    let word = Regex::new("[A-Z]?[a-z0-9]+").unwrap();
    word.find_iter(name).map(|found| found.as_str().to_lowercase()).collect()
}

fn is_retired(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| RETIRED.contains(&word.as_str()))
        || matches!(&words[..], [word] if TOO_SHORT.contains(&word.as_str()))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The public types of the Rust files below `folder`.
fn types(folder: &str) -> BTreeSet<String> {
    let definition = Regex::new(r"(?m)^ *pub(?:\([a-z:]+\))? (?:struct|enum|trait|type) (\w+)").unwrap();
    let texts: Vec<String> = sources(&root().join(folder)).iter().map(|path| read(path)).collect();
    let names = texts.iter().flat_map(|text| definition.captures_iter(text));
    names.map(|found| found[1].to_owned()).collect()
}

/// The first column of the glossary's table; its terms may be followed by their kinds.
fn terms() -> BTreeSet<String> {
    let text = read(&root().join("docs/glossary.md"));
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.map(|cell| cell.split(',').next().unwrap_or_default().to_owned()).collect()
}

/// The names of files without their extensions.
fn stems(files: impl Iterator<Item = PathBuf>) -> BTreeSet<String> {
    files.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn no_file_or_public_type_has_a_retired_name() {
    let mut names = stems(sources(&root().join("src")).into_iter());
    let scripts = std::fs::read_dir(root().join("ops/windows/lib")).unwrap().map(|file| file.unwrap().path());
    names.extend(stems(scripts));
    names.extend(types("src"));
    assert!(names.len() > 300, "only {} names were found", names.len());
    let retired: Vec<&String> = names.iter().filter(|name| is_retired(name)).collect();
    assert!(retired.is_empty(), "these names are retired, see CONTRIBUTING.md, Language: {retired:?}");
    for name in ["why", "Told", "look_told", "NobodyElse", "seen"] {
        assert!(is_retired(name), "{name}");
    }
    assert!(!is_retired("marked_links") && !is_retired("FileOutcome"));
}

#[test]
fn terms_of_the_glossary_are_types_of_that_name() {
    let (terms, all) = (terms(), types("src"));
    for (term, name) in TYPES {
        assert!(terms.contains(term), "docs/glossary.md has no term {term}");
        assert!(all.contains(name), "src has no type {name} for the term {term}");
    }
    let known: BTreeSet<&str> = TYPES.iter().map(|(_, name)| *name).collect();
    let model = types("src/model").into_iter().chain(types("src/state"));
    let missing: Vec<String> = model
        .filter(|name| terms.contains(&words(name).join(" ")) && !known.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "add these terms of the glossary to TYPES: {missing:?}");
}

#[test]
fn commands_in_the_glossary_exist() {
    let glossary = read(&root().join("docs/glossary.md"));
    let commands = read(&root().join("src/faces/cli/mod.rs"));
    let named = Regex::new(r"`flatnet ([a-z]+)").unwrap();
    let mut count = 0;
    for found in named.captures_iter(&glossary) {
        let (first, rest) = found[1].split_at(1);
        let variant = format!("    {}{rest}(", first.to_uppercase());
        assert!(
            commands.contains(&variant),
            "the glossary names `flatnet {}`, which does not exist",
            &found[1]
        );
        count += 1;
    }
    assert!(count > 2, "only {count} commands were found");
}
