//! What goes to the terminal.

use std::io::{IsTerminal, Write};

use color_eyre::config::Theme;

/// Writes `text`, which ends in a newline or is empty, to standard output. A reader that went away (`| head`) is
/// nobody's fault.
pub(super) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a line to standard error.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether standard output is a person's terminal that wants colour.
pub(super) fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// `text` in bold where there is colour.
pub(super) fn bold(text: &str) -> String {
    if has_colour() { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Error reports have colour on a terminal only.
pub(super) fn theme() -> Theme {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if colour { Theme::dark() } else { Theme::new() }
}
