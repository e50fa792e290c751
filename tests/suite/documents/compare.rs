//! Compares a command's output with its page, without parts that vary between runs.

use regex::Regex;

/// Patterns that vary between runs, and their replacements. Runs of blanks become one, because column widths vary.
const VARIES: [(&str, &str); 14] = [
    (r"\bnetns-[0-9a-f-]{36}\b", "<netns>"),
    (r"\b[0-9a-f]{64}\b", "<id>"),
    (r"\bfn[0-9a-f]{12}\b", "<link>"),
    (r"\b[0-9a-f]{12}\b", "<id>"),
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z", "<time>"),
    (r"\b[0-9]+ (s|min|h) ago\b", "<ago>"),
    (r"\bpackets [0-9]+ bytes [0-9]+\b", "packets N bytes N"),
    // nft 1.0.6 prints the name, nft 1.1 the number.
    (r"\bicmp code 4\b", "icmp code frag-needed"),
    // The message before curl 8.18, and since.
    (r"\bFailed to connect to ([0-9a-z.]+) port ([0-9]+)", "Failed to connect to $1:$2"),
    (r"\b[0-9]+(\.[0-9]+)? ms\b", "<ms>"),
    (r#""milliseconds": [0-9.]+"#, "<ms>"),
    (r"\b[Pp]odman( version)? [0-9]+\.[0-9.]+\b", "Podman <version>"),
    (r"\btrace id [0-9a-f]{8}\b", "trace id <id>"),
    (r"[ \t]+", " "),
];

#[derive(Debug)]
pub(crate) struct Compare {
    varies: Vec<(Regex, &'static str)>,
}

impl Compare {
    pub(crate) fn new() -> Self {
        Self { varies: VARIES.iter().map(|(pattern, name)| (Regex::new(pattern).unwrap(), *name)).collect() }
    }

    /// `...` matches any text within a line; alone on a line, it matches any lines.
    pub(crate) fn agree<T: AsRef<str>>(&self, shown: &[T], printed: &[T]) -> bool {
        let shapes =
            |lines: &[T]| sets_in_order(lines.iter().map(|line| self.shape(line.as_ref())).collect());
        lines_agree(&shapes(shown), &shapes(printed))
    }

    /// A line with the parts that vary replaced.
    pub(crate) fn shape(&self, line: &str) -> String {
        let mut text = line.trim_end().to_owned();
        for (pattern, name) in &self.varies {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        text
    }
}

/// Sorts the elements of a set: nft 1.1.7 lists them in another order than older versions.
fn sets_in_order(mut lines: Vec<String>) -> Vec<String> {
    const BEGIN: &str = " elements = { ";
    const END: &str = " }";
    let mut from = 0;
    while let Some(first) = lines[from..].iter().position(|line| line.starts_with(BEGIN)).map(|at| from + at)
    {
        let Some(last) = lines[first..].iter().position(|line| line.ends_with(END)).map(|at| first + at)
        else {
            break;
        };
        let set = &mut lines[first..=last];
        for line in &mut *set {
            let element = line.trim_start_matches(BEGIN).trim_end_matches(END).trim_matches([' ', ',']);
            *line = element.to_owned();
        }
        set.sort();
        set[0].insert_str(0, BEGIN);
        set[last - first].push_str(END);
        from = last + 1;
    }
    lines
}

fn lines_agree(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=printed.len()).any(|skipped| lines_agree(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_agrees(first, line) && lines_agree(rest, others)),
    }
}

/// Matches the parts between `...` in order: the line begins with the first part and ends with the last.
fn line_agrees(shown: &str, printed: &str) -> bool {
    let Some((first, rest)) = shown.split_once("...") else { return shown == printed };
    let Some(mut left) = printed.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split("...").collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[test]
fn only_varying_output_is_ignored() {
    let compare = Compare::new();
    let agree = |shown: &str, printed: &str| {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        compare.agree(&lines(shown), &lines(printed))
    };
    for (shown, printed) in [
        ("web  da436e88f9f6  fn81f647398c2a  2 s ago", "web   000000000000  fn000000000000   13 s ago"),
        ("counter packets 7 bytes 84 drop", "counter packets 0 bytes 0 drop"),
        ("a\n...\nz", "a\nz"),
        ("a\n...\nz", "a\nb\nc\nz"),
        ("nginx ... by ... end", "nginx 1.22 by x by y end"),
        ("Failed to connect to a.b port 80...", "Failed to connect to a.b:80 after 1 ms"),
        ("{\n\telements = { 1 . 2,\n\t\t3 . 4 }\n}", "{\n\telements = { 3 . 4,\n\t\t1 . 2 }\n}"),
    ] {
        assert!(agree(shown, printed), "{shown:?} and {printed:?}");
    }
    for (shown, printed) in [
        ("10.87.1.2", "10.87.1.3"),
        ("counter packets 7 bytes 84 drop", "counter packets 7 bytes 84 accept"),
        ("a\n...\nz", "a\nb"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("nginx ... end", "nginx 1.22 end of it"),
        ("Failed to connect to a.b port 80...", "Failed to connect to a.b:81 after 1 ms"),
        ("\telements = { 1 . 2,\n\t\t3 . 4 }", "\telements = { 3 . 4,\n\t\t1 . 3 }"),
        ("\telements = { 1 . 2 }\n\t3", "\t3\n\telements = { 1 . 2 }"),
    ] {
        assert!(!agree(shown, printed), "{shown:?} and {printed:?}");
    }
}
