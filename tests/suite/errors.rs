//! Error codes: each is documented and used, and its message needs no other source.

use std::path::Path;

use flatnet::error::{Kind, manual};
use serde_json::{Value, json};

/// The maximum length of a message in characters: a line in a log, or of Podman, must stay readable.
const LONGEST: usize = 2000;

/// Checks that `msg`, which is all that Podman shows, is one line with the text of its code and a remedy. Returns its
/// kind, or the problem.
pub(crate) fn stands_alone(msg: &str, cni_code: &Value) -> Result<Kind, String> {
    if msg.chars().any(char::is_control) || msg.chars().count() > LONGEST {
        return Err("is more than one line, or too long".to_owned());
    }
    let (text, codes) = msg.rsplit_once(" (").ok_or("has no code")?;
    let first = codes.trim_end_matches(')').split(", ").next().unwrap_or_default();
    let kind = Kind::of_code(first).ok_or_else(|| format!("ends in the code {first}, which is none"))?;
    if *cni_code != json!(kind.cni_code()) {
        return Err(format!("has the code {first}, and not the runtime's {}", kind.cni_code()));
    }
    if !kind.seen().iter().any(|pattern| looks_like(text, pattern)) {
        return Err(format!("does not look as docs/operations/errors.md says of {first}: {:?}", kind.seen()));
    }
    match text.rsplit_once(". ") {
        Some((_, remedy)) if !remedy.is_empty() => Ok(kind),
        _ => Err("has no remedy".to_owned()),
    }
}

/// Whether `text` has the parts of `pattern`, separated by `..`, in their order.
pub(crate) fn looks_like(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split("..").all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn errors_page_matches_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations/errors.md");
    let mut differences = Vec::new();
    crate::golden_file::compare(&path, &manual::page(), &mut differences);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Otherwise the errors page would describe an error that never occurs.
#[test]
fn every_error_kind_is_used() {
    let mut source = String::new();
    read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    let is_made = |kind: &Kind| {
        let name = format!("Kind::{kind:?}");
        source
            .match_indices(&name)
            .any(|(at, _)| !source[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let dead: Vec<&Kind> = Kind::ALL.iter().filter(|kind| !is_made(kind)).collect();
    assert!(dead.is_empty(), "nothing makes {dead:?}");
}

/// Collects the source of all files, without their tests.
fn read_all(folder: &Path, source: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, source);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            source.push_str(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
        }
    }
}

#[test]
fn explain_prints_the_section_of_a_code() {
    let sandbox = crate::sandbox::Sandbox::podman4().start();
    for code in ["FLAT-E045", "e045"] {
        sandbox.sh(&format!("flatnet explain {code}")).prints_exactly(&manual::section(Kind::PortTaken));
    }
    let all = sandbox.sh("flatnet explain").succeeds();
    assert_eq!(all.stdout.lines().count(), Kind::ALL.len(), "{all}");
    sandbox
        .sh("flatnet explain FLAT-E000")
        .exits_with(2)
        .complains("unknown code; `flatnet explain` lists all codes");
}
