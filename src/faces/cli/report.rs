//! Error reports for the terminal.

use std::fmt::Write as _;

use crate::error::Error;
use crate::error::line::one_line;

/// What failed, the causes, and what to do, each on its own line. Other errors than Flatnet's are printed by color-eyre.
pub(super) fn text(report: &eyre::Report, colour: bool) -> String {
    report.downcast_ref::<Error>().map_or_else(|| format!("error: {report:?}"), |error| of(error, colour))
}

/// The same for one of Flatnet's errors.
pub(super) fn of(error: &Error, colour: bool) -> String {
    let paint = |code: &str, word: &str| {
        if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    };
    let head = paint("1;31", &format!("error[{}]:", error.codes()));
    let mut text = format!("{head} {}", one_line(error.message()));
    for line in error.causes().into_iter().chain(error.outcome_text().map(one_line)) {
        let _ = write!(text, "\n  {line}");
    }
    for remedy in error.remedies() {
        let _ = write!(text, "\n{} {}", paint("1;32", "help:"), one_line(remedy.text()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn report_shows_error_cause_and_help_in_order() {
        let inner = Error::new(Kind::ToolMissing, "the program nft is missing")
            .remedy("Run `apt-get install nftables`");
        let outer =
            Error::new(Kind::Unavailable, "ADD is unavailable").source(inner).outcome("all is as before");
        let report = eyre::Report::from(outer);
        assert_eq!(
            text(&report, false),
            "error[FLAT-E091, FLAT-E061]: ADD is unavailable\n  the program nft is missing\n  all is as before\n\
             help: Run `apt-get install nftables`"
        );
        assert!(text(&report, true).starts_with("\u{1b}[1;31merror[FLAT-E091, FLAT-E061]:\u{1b}[0m ADD"));
    }
}
