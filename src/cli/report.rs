//! How a failure is told to the person at the terminal.

use std::fmt::Write as _;

use crate::error::Error;

/// What was wanted and failed, then its causes, then what to do, each on a line of its own. What is no error of
/// Flatnet's own keeps the words of color-eyre.
pub(super) fn text(report: &eyre::Report, colour: bool) -> String {
    let Some(error) = report.downcast_ref::<Error>() else { return format!("error: {report:?}") };
    let paint = |code: &str, word: &str| {
        if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    };
    let mut text = format!("{} {}", paint("1;31", "error:"), error.message());
    let mut remedies: Vec<&str> = error.remedy_text().into_iter().collect();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        // An error of our own says its remedy in its `Display`; here it has its line below.
        let own = inner.downcast_ref::<Error>();
        let _ = write!(text, "\n  {}", own.map_or_else(|| inner.to_string(), |own| own.message().to_owned()));
        remedies.extend(own.and_then(Error::remedy_text));
        cause = inner.source();
    }
    remedies.dedup();
    for remedy in remedies {
        let _ = write!(text, "\n{} {remedy}", paint("1;32", "help:"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn first_what_then_why_then_what_to_do() {
        let inner =
            Error::new(Kind::Tool, "the program nft is missing").remedy("Run `apt-get install nftables`");
        let outer = Error::new(Kind::Unavailable, "ADD could not work now").source(inner);
        let report = eyre::Report::from(outer);
        assert_eq!(
            text(&report, false),
            "error: ADD could not work now\n  the program nft is missing\nhelp: Run `apt-get install nftables`"
        );
        assert!(text(&report, true).starts_with("\u{1b}[1;31merror:\u{1b}[0m ADD"));
    }
}
