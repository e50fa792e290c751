//! `docs/architecture/` and its diagrams: the names in the pages exist, and Mermaid can render the diagrams.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Deserialize;

use crate::reliability::{file, missing_tests, names};
use crate::sandbox::Sandbox;

const PAGES: &str = "docs/architecture";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown below `folder`, as paths from the root of the source tree.
fn pages(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A diagram, and its page and line.
struct Diagram {
    place: String,
    text: String,
}

fn diagrams() -> Vec<Diagram> {
    let block = Regex::new("(?ms)^```mermaid\n(.*?)^```$").unwrap();
    let mut all = pages("docs");
    all.push("README.md".to_owned());
    let mut found = Vec::new();
    for page in all {
        let text = file(&page);
        found.extend(block.captures_iter(&text).map(|one| Diagram {
            place: format!("{page}:{}", text[..one.get(1).unwrap().start()].lines().count()),
            text: one[1].to_owned(),
        }));
    }
    found
}

/// The result of rendering a diagram in the browser.
#[derive(Debug, Deserialize)]
struct Drawn {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    /// The text of the picture.
    #[serde(default)]
    words: String,
}

impl Drawn {
    /// The problem with the picture of `text`, if any.
    fn problem(&self, text: &str) -> Option<String> {
        let lost = || labels(text).into_iter().find(|label| !self.words.contains(label));
        match self {
            Self { error: Some(error), .. } => Some(error.clone()),
            Self { width: ..100, .. } | Self { height: ..100, .. } => {
                Some(format!("is no picture: {self:?}"))
            }
            _ => lost().map(|label| format!("lacks \"{label}\"")),
        }
    }
}

/// The quoted labels of a flow chart. The picture's text has no space at a line break.
fn labels(text: &str) -> Vec<String> {
    let quoted = Regex::new("\"([^\"]+)\"").unwrap();
    let is_chart = text.starts_with("flowchart");
    let all = quoted.captures_iter(text).filter(|_| is_chart).map(|one| one[1].to_owned());
    all.collect()
}

/// Draws all of `texts` in a browser, in a sandbox without a network.
fn draw(texts: &[&str]) -> Vec<Drawn> {
    let page = include_str!("drive/diagrams.html");
    // A `</script>` in a text would end the script.
    let list = serde_json::to_string(texts).unwrap().replace('<', "\\u003c");
    let sandbox = Sandbox::trixie().copy(&mermaid(), "/srv/mermaid.min.js").start();
    sandbox.write("/srv/diagrams.html", &page.replacen("DIAGRAMS", &list, 1));
    let dump = "/usr/local/lib/flatnet-test/chromium --virtual-time-budget=60000 --dump-dom file:///srv/diagrams.html";
    let document = sandbox.sh(dump).succeeds();
    let (_, after) = document.stdout.split_once("<pre id=\"drawn\">").unwrap_or_else(|| panic!("{document}"));
    let json = after.split("</pre>").next().unwrap_or_default();
    let json = json.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// The path of Mermaid, which is downloaded once.
#[expect(clippy::disallowed_methods, reason = "duct has no say in what a test starts")]
fn mermaid() -> PathBuf {
    let fetched = std::process::Command::new(root().join("ops/lib/mermaid.sh")).output().unwrap();
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    PathBuf::from(String::from_utf8(fetched.stdout).unwrap().trim())
}

#[test]
fn every_diagram_is_drawn() {
    let diagrams = diagrams();
    assert!(diagrams.len() >= 12, "only {} diagrams were found", diagrams.len());
    // Control: the last three diagrams are invalid, and must be reported.
    let broken =
        ["flowchart TB\n  a[\"no end --> b\n", "sequenceDiagram\n  a->>b\n", "flowchrat TB\n  a --> b\n"];
    let texts: Vec<&str> = diagrams.iter().map(|one| one.text.as_str()).chain(broken).collect();
    let drawn = draw(&texts);
    assert_eq!(drawn.len(), texts.len());
    let problems: Vec<String> = diagrams
        .iter()
        .zip(&drawn)
        .filter_map(|(one, drawn)| Some(format!("{} {}", one.place, drawn.problem(&one.text)?)))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(drawn[diagrams.len()..].iter().all(|one| one.error.is_some()), "{drawn:?}");
}

/// Files and folders of the source tree, in backticks.
#[test]
fn files_named_in_pages_exist() {
    let begins = ["src/", "templates/", "tests/", "ops/", "docs/"];
    let mut missing = Vec::new();
    let mut count = 0;
    for page in pages(PAGES).into_iter().chain(["CONTRIBUTING.md".to_owned(), "SECURITY.md".to_owned()]) {
        let text = file(&page);
        let paths =
            names(&text).into_iter().filter(|name| begins.iter().any(|begin| name.starts_with(begin)));
        // GROUP is a placeholder.
        let paths: Vec<&str> = paths.filter(|name| !name.contains("GROUP")).collect();
        count += paths.len();
        let lost = paths.into_iter().filter(|path| !root().join(path).exists());
        missing.extend(lost.map(|path| format!("{page}: {path}")));
    }
    assert!(count > 50, "only {count} paths were found");
    assert_eq!(missing, Vec::<String>::new(), "these are not there");
}

/// Every page is linked from another one.
#[test]
fn every_docs_page_is_reachable_from_readme() {
    let link = Regex::new(r"\]\(([^)#\s]+\.md)").unwrap();
    let mut reached = BTreeSet::from([root().join("README.md")]);
    let mut waiting: Vec<PathBuf> = reached.iter().cloned().collect();
    while let Some(page) = waiting.pop() {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            // Skip links to pages that do not exist.
            let Ok(linked) = page.with_file_name("").join(&found[1]).canonicalize() else { continue };
            if reached.insert(linked.clone()) {
                waiting.push(linked);
            }
        }
    }
    let lost: Vec<String> =
        pages("docs").into_iter().filter(|page| !reached.contains(&root().join(page))).collect();
    assert_eq!(lost, Vec::<String>::new(), "no link leads to these");
}

/// The table of components lists exactly the modules of the crate.
#[test]
fn components_page_lists_every_module() {
    let page = file(&format!("{PAGES}/components.md"));
    let shown: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(names)
        .filter_map(|name| Some(name.strip_prefix("src/")?.split('/').next()?.to_owned()))
        .collect();
    let there: BTreeSet<String> = std::fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(shown, there);
}

#[test]
fn tests_named_in_architecture_pages_exist() {
    let mut missing = Vec::new();
    for page in pages(PAGES) {
        missing.extend(missing_tests(&file(&page)).into_iter().map(|name| format!("{page}: {name}")));
    }
    assert_eq!(missing, Vec::<String>::new(), "these tests are not in the suite");
}

#[test]
fn every_threat_names_a_test() {
    let page = file(&format!("{PAGES}/security.md"));
    let (_, threats) = page.split_once("## Threats").unwrap();
    let rows: Vec<&str> = threats
        .split("\n## ")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2)
        .collect();
    assert!(rows.len() >= 20, "only {} threats were found", rows.len());
    let untested = |row: &&str| {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        cells.len() != 4 || !cells[3].contains("::")
    };
    let untested: Vec<&str> = rows.into_iter().filter(untested).collect();
    assert_eq!(untested, Vec::<&str>::new(), "these name no test");
}
