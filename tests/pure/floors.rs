//! The floors of `src/`: a module imports only from lower floors; the page of components has a diagram of the imports.
//!
//! `just golden` rewrites the diagram.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Floors from the top. Modules of one floor may import one another in one direction.
const FLOORS: [&[&str]; 9] = [
    &["faces"],
    &["windows", "doctor"],
    &["nginx", "overlay"],
    &["routes", "names"],
    &["engine", "setup"],
    &["kernel"],
    &["state"],
    &["model"],
    &["log", "error", "file", "hex", "shell"],
];
/// Entry points of the program and its build, which may import from any floor.
const ROOTS: [&str; 3] = ["build", "lib", "main"];
const PAGE: &str = "docs/architecture/components.md";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Pairs of importing and imported module, with the files. Tests and comments do not count.
type Imports = BTreeMap<(String, String), BTreeSet<String>>;

fn imports() -> Imports {
    let named = Regex::new(r"\bcrate::(?:(\w+)|\{([^}]*)\})").unwrap();
    let comment = Regex::new("(?m)//.*$").unwrap();
    let mut found = Imports::new();
    for path in sources(&root().join("src")) {
        let place = path.strip_prefix(root().join("src")).unwrap();
        let module = module_of(place);
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = comment.replace_all(code, "");
        for names in named.captures_iter(&code) {
            let list = names.get(1).or_else(|| names.get(2)).map_or("", |names| names.as_str());
            for name in list.split(',').filter_map(|name| name.trim().split("::").next()) {
                if !name.is_empty() && name != module {
                    let arrow = (module.clone(), name.to_owned());
                    found.entry(arrow).or_default().insert(place.display().to_string());
                }
            }
        }
    }
    found
}

/// `engine` of `engine/attach.rs`, `log` of `log.rs`.
fn module_of(place: &Path) -> String {
    let first = place.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn every_module_has_a_floor() {
    let there: BTreeSet<String> = std::fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .map(|name| module_of(Path::new(&name)))
        .collect();
    let placed: BTreeSet<String> = FLOORS.concat().into_iter().chain(ROOTS).map(str::to_owned).collect();
    assert_eq!(there, placed);
}

#[test]
fn no_floor_imports_from_above() {
    let imports = imports();
    assert!(imports.len() > 30, "only {} imports were found", imports.len());
    let mut up = Vec::new();
    for ((from, to), files) in &imports {
        if ROOTS.contains(&from.as_str()) {
            continue;
        }
        let (Some(lower), Some(upper)) = (floor_of(from), floor_of(to)) else {
            panic!("crate::{to} in {files:?} is not a module of a floor");
        };
        let both_ways = lower == upper && imports.contains_key(&(to.clone(), from.clone()));
        if upper < lower || both_ways {
            up.push(format!("{from} imports {to}: {files:?}"));
        }
    }
    assert_eq!(up, Vec::<String>::new(), "these import from above, or in a circle");
}

/// The imports as a diagram. An arrow that others imply is omitted.
fn picture(imports: &Imports) -> String {
    let arrows: BTreeSet<(&str, &str)> = imports
        .keys()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .filter(|(from, _)| !ROOTS.contains(from))
        .collect();
    let below = |from: &str| -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from.to_owned()];
        while let Some(one) = waiting.pop() {
            for (_, to) in arrows.iter().filter(|(from, _)| *from == one) {
                if reached.insert(*to) {
                    waiting.push((*to).to_owned());
                }
            }
        }
        reached
    };
    let is_implied = |from: &str, to: &str| {
        arrows.iter().any(|&(start, next)| start == from && next != to && below(next).contains(to))
    };
    let mut text = "```mermaid\nflowchart TB\n".to_owned();
    for floor in FLOORS {
        for module in floor {
            let _ = writeln!(text, "    {module}[\"{module}\"]");
        }
    }
    for (from, to) in &arrows {
        if !is_implied(from, to) {
            let _ = writeln!(text, "    {from} --> {to}");
        }
    }
    text + "```\n"
}

#[test]
fn the_page_of_components_shows_the_floors() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let start = page.find("```mermaid\nflowchart").expect("the page has a picture");
    let end = start + page[start..].find("```\n").expect("the picture has an end") + "```\n".len();
    let drawn = picture(&imports());
    if std::env::var("FLATNET_GOLDEN").is_ok_and(|value| value == "write") {
        let text = format!("{}{drawn}{}", &page[..start], &page[end..]);
        std::fs::write(root().join(PAGE), text).unwrap();
        return;
    }
    assert_eq!(&page[start..end], drawn, "`just golden` rewrites it");
}
