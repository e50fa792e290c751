//! Parts of a text that are the same in every language: inline code, numbers, and targets of links.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::editions::{edition, file_name};
use super::links;

static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").unwrap());
static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[([^]]*)\]\([^)]*\)").unwrap());
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9.,:/_-]*[0-9][A-Za-z0-9.,:/_-]*").unwrap());

/// Inline code, and words with a digit other than single digits: both are the same in every language.
pub(crate) fn marked(text: &str) -> BTreeSet<String> {
    let text = &text.replace("```", "");
    let prose = CODE.replace_all(text, " ");
    let prose = LINK.replace_all(&prose, "$1 ");
    let numbers = NUMBER.find_iter(&prose).map(|found| found.as_str().trim_end_matches(['.', ',', ':', '-']));
    let spans = CODE.captures_iter(text).map(|found| {
        let words: Vec<&str> = found[1].split_whitespace().collect();
        format!("`{}`", words.join(" "))
    });
    numbers.filter(|number| number.len() > 1).map(str::to_owned).chain(spans).collect()
}

/// The number of words of the English text without code and links.
pub(crate) fn words(text: &str) -> usize {
    let prose = CODE.replace_all(text, " ");
    let prose = LINK.replace_all(&prose, " ");
    prose.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count()
}

/// The links that the Japanese text must have: to the same heading of the Japanese page, if the page has an edition.
/// `texts` are the texts of the page in both languages.
pub(crate) fn translated_links(path: &str, english: &str, texts: (&str, &str)) -> BTreeSet<String> {
    if english.starts_with("[日本語](") {
        return [file_name(path).to_owned()].into();
    }
    links::targets(english).into_iter().map(|target| translated(path, &target, texts)).collect()
}

fn translated(path: &str, target: &str, texts: (&str, &str)) -> String {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let linked = links::plain(&Path::new(path).parent().unwrap_or(Path::new("")).join(file));
    let linked = linked.to_string_lossy();
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok();
    let other = read(&edition(&linked)).filter(|_| linked.ends_with(".md"));
    let (english, japanese) = match (file, other) {
        ("", _) => (texts.0.to_owned(), texts.1.to_owned()),
        (_, Some(japanese)) => (read(&linked).unwrap_or_default(), japanese),
        (_, None) => return target.to_owned(),
    };
    let slugs = links::slugs(&english).into_iter().zip(links::slugs(&japanese));
    let anchor =
        slugs.into_iter().find(|(slug, _)| slug == anchor).map_or(anchor.to_owned(), |(_, slug)| slug);
    edition(file) + if anchor.is_empty() { "" } else { "#" } + &anchor
}
