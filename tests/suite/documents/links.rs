//! Links of the documents: the file exists, and has the heading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").unwrap());
static SPAN: LazyLock<Regex> = LazyLock::new(|| Regex::new("`[^`]*`").unwrap());

/// The broken links of `path`. Links to other sites are not checked.
pub(crate) fn broken(path: &str, text: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut broken = Vec::new();
    for target in targets(text).into_iter().filter(|target| !target.contains("://")) {
        let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let linked = if file.is_empty() { PathBuf::from(path) } else { plain(&folder.join(file)) };
        if !root.join(&linked).exists() {
            broken.push(format!("{path}: {target} is not there"));
        } else if !anchor.is_empty() {
            let text = std::fs::read_to_string(root.join(&linked)).unwrap_or_default();
            if !anchors(&text).contains(anchor) {
                broken.push(format!("{path}: {} has no heading #{anchor}", linked.display()));
            }
        }
    }
    broken
}

/// Resolves `..`.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    plain
}

/// The targets of `[text](target)`, outside of code.
pub(crate) fn targets(text: &str) -> Vec<String> {
    let prose = SPAN.replace_all(&prose(text), "code").into_owned();
    LINK.captures_iter(&prose).map(|found| found[1].to_owned()).collect()
}

/// All lines except those of fenced blocks.
fn prose(text: &str) -> String {
    let mut inside = false;
    let outside = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// The anchors that GitHub generates for headings, and explicit ones.
fn anchors(text: &str) -> BTreeSet<String> {
    let written = Regex::new(r#"<a id="([^"]+)">"#).unwrap();
    written.captures_iter(text).map(|found| found[1].to_owned()).chain(slugs(text)).collect()
}

/// The anchors of the headings, in order.
pub(crate) fn slugs(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let numbered = headings.map(|line| {
        let slug = slug(line.trim_start_matches('#').trim());
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    });
    numbered.collect()
}

/// Lower case, blanks as `-`, no punctuation except `-` and `_`.
fn slug(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || " -_".contains(c);
    heading.to_lowercase().chars().filter(|&c| kept(c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn broken_link_is_detected() {
    let text = "# A b: `c`\n[x](#a-b-c) [x](#a-b) [x](README.md) [x](nobody.md) `[x](code.md)`\n```text\n[x](block.md)\n```\n";
    assert_eq!(broken("docs/../x.md", text).len(), 3, "{:?}", broken("docs/../x.md", text));
}
