//! Splits the output of `nft list` into comparable lines.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// As nft prints it.
    pub(super) shown: String,
    /// Without counters.
    pub(super) compared: String,
    /// The comment of an element, which identifies its container.
    pub(super) element_of: Option<String>,
}

/// Splits a listing into lines, with one line per element, sorted.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        let Some((before, first)) = line.split_once("elements = {") else {
            lines.push(plain(line));
            continue;
        };
        let mut elements = first.to_owned();
        while !elements.trim_end().ends_with('}') {
            let Some(more) = rest.next() else { break };
            elements.push_str(more);
        }
        let inner = elements.trim_end().trim_end_matches('}');
        lines.push(plain(&format!("{before}elements = {{")));
        let mut each: Vec<Line> =
            split_elements(inner).map(|text| element(&format!("{before}\t{text},"))).collect();
        each.sort_by(|a, b| a.compared.cmp(&b.compared));
        lines.extend(each);
        lines.push(plain(&format!("{before}}}")));
    }
    lines
}

fn plain(line: &str) -> Line {
    Line { shown: line.to_owned(), compared: without_counts(line), element_of: None }
}

fn element(line: &str) -> Line {
    let comment = line.split_once("comment \"").and_then(|(_, after)| after.split_once('"'));
    Line { element_of: comment.map(|(comment, _)| comment.to_owned()), ..plain(line) }
}

/// `counter packets 7 bytes 84` becomes `counter`.
fn without_counts(line: &str) -> String {
    let mut words = line.split(' ').peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        kept.push(word);
        if word.trim_start() == "counter" && words.peek() == Some(&"packets") {
            // packets NUMBER bytes NUMBER
            words.by_ref().take(4).for_each(drop);
        }
    }
    kept.join(" ")
}

/// Splits at commas. Our comments contain none.
fn split_elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_element_has_own_line_with_owner() {
        let text = "\tset bindings {\n\t\telements = { 02:01 . 10.87.1.3 comment \"b\",\n\t\t\t     02:02 . 10.87.1.2 comment \"a\" }\n\t}\n\
                    \tmap m {\n\t\telements = { tcp . 80 comment \"c\" counter packets 5 bytes 300 : 10.87.1.2 . 80 }\n\t}\n";
        let found = lines(text);
        let shown: Vec<&str> = found.iter().map(|line| line.shown.as_str()).collect();
        assert_eq!(
            shown,
            [
                "\tset bindings {",
                "\t\telements = {",
                "\t\t\t02:01 . 10.87.1.3 comment \"b\",",
                "\t\t\t02:02 . 10.87.1.2 comment \"a\",",
                "\t\t}",
                "\t}",
                "\tmap m {",
                "\t\telements = {",
                "\t\t\ttcp . 80 comment \"c\" counter packets 5 bytes 300 : 10.87.1.2 . 80,",
                "\t\t}",
                "\t}"
            ]
        );
        assert_eq!(found[2].element_of.as_deref(), Some("b"));
        assert_eq!(found[8].compared, "\t\t\ttcp . 80 comment \"c\" counter : 10.87.1.2 . 80,");
    }
}
