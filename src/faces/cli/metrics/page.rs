//! Prometheus' text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write as _};

/// What the values of a family mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It only grows, until it starts at 0 again.
    Counter,
    /// It grows and shrinks.
    Gauge,
    /// Its samples are quantiles, a sum and a count.
    Summary,
}

/// One value with its labels.
#[derive(Debug)]
pub(super) struct Sample {
    suffix: &'static str,
    labels: Vec<(&'static str, String)>,
    value: String,
}

impl Sample {
    /// A value without labels.
    pub(super) fn of(value: impl Display) -> Self {
        Self { suffix: "", labels: Vec::new(), value: value.to_string() }
    }

    /// The same with one more label, whose text may be anything.
    pub(super) fn with(mut self, label: &'static str, text: impl Display) -> Self {
        self.labels.push((label, text.to_string()));
        self
    }

    /// The same for another part of its family: `_sum`, `_count`.
    pub(super) fn part(self, suffix: &'static str) -> Self {
        Self { suffix, ..self }
    }
}

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Adds a family; nothing if it has no samples, which says that they are unknown.
    pub(super) fn family(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for Sample { suffix, labels, value } in samples {
            let labels: Vec<String> =
                labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
            let braces = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "{name}{suffix}{braces} {value}");
        }
    }

    /// Its text.
    pub(super) fn text(self) -> String {
        self.0
    }
}

/// The text of a label. The format has no escape for other control characters, and needs none.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_in_prometheus_format() {
        let mut page = Page::default();
        page.family(Kind::Gauge, "a", "What it is.", [Sample::of(7)]);
        page.family(Kind::Counter, "unknown_total", "Nothing.", []);
        let took = Sample::of(0.000_012).with("x", "1").with("y", "2").part("_sum");
        page.family(Kind::Summary, "b_seconds", "Time.", [took]);
        assert_eq!(
            page.text(),
            "# HELP a What it is.\n# TYPE a gauge\na 7\n# HELP b_seconds Time.\n# TYPE b_seconds summary\n\
             b_seconds_sum{x=\"1\",y=\"2\"} 0.000012\n"
        );
    }

    #[test]
    fn labels_cannot_end_early() {
        let mut page = Page::default();
        let hostile = "a\"} 1\nflatnet_up 1 # \\";
        page.family(Kind::Gauge, "a", "A.", [Sample::of(1).with("name", hostile)]);
        let text = page.text();
        assert_eq!(text.lines().last().unwrap(), r#"a{name="a\"} 1\nflatnet_up 1 # \\"} 1"#);
        assert_eq!(text.lines().count(), 3);
    }
}
