//! Output to the terminal.

use std::io::{BufRead, ErrorKind, IsTerminal, Write, stdin};
use std::sync::atomic::{AtomicBool, Ordering};

use color_eyre::config::Theme;
use serde_json::Value;

use crate::engine::Engine;
use crate::error::{Error, Kind, Result};

/// Whether output was lost.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes `text`, which ends in a newline or is empty, to standard output. A closed pipe (`| head`) is ignored. Any other
/// failure, such as a full disk, is reported and makes the exit status 1.
pub(super) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) => {
            note(&format!("flatnet: cannot write the output: {cause}"));
        }
        _ => {}
    }
}

/// `status`, or 1 if it is 0 and output was lost.
pub(super) fn status(status: u8) -> u8 {
    if status == 0 && LOST.load(Ordering::Relaxed) { 1 } else { status }
}

/// Writes a line to standard error.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Reports unreadable and unusable leases and receipts on standard error.
pub(super) fn note_unread(engine: &Engine) {
    for (path, why) in engine.store.unusable().unwrap_or_default() {
        note(&format!("Note: {} is unusable and is treated as absent: {why}", path.display()));
    }
    if let Some(error) = engine.store.refused() {
        note(&format!("Note: leases and receipts are treated as absent: {error}"));
    }
}

/// Asks a yes-or-no question; `None` without a terminal.
pub(super) fn ask(question: &str) -> Result<Option<bool>> {
    let has_person =
        stdin().is_terminal() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    if !has_person {
        return Ok(None);
    }
    let _ = write!(std::io::stderr(), "\n{question} [y/N] ");
    let mut answer = String::new();
    let failed = |cause| Error::new(Kind::Io, "the answer cannot be read").source(cause);
    stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(Some(["y", "yes"].contains(&answer.trim().to_lowercase().as_str())))
}

/// Whether standard output is a terminal that shows colour.
pub(super) fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// `text` in bold, if standard output shows colour.
pub(super) fn bold(text: &str) -> String {
    if has_colour() { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// `text` in red, if standard output shows colour.
pub(super) fn red(text: &str) -> String {
    if has_colour() { format!("\u{1b}[31m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// `text` in green, if standard output shows colour.
pub(super) fn green(text: &str) -> String {
    if has_colour() { format!("\u{1b}[32m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Whether standard error is a terminal that shows colour.
pub(super) fn errors_have_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The theme of error reports, with colour only on a terminal.
pub(super) fn theme() -> Theme {
    if errors_have_colour() { Theme::dark() } else { Theme::new() }
}

pub(super) fn print_json(value: &Value) {
    print(&format!("{value:#}\n"));
}

/// Rows as aligned columns, two blanks apart.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Milliseconds since 1970 as an RFC 3339 time in UTC.
pub(super) fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |time| time.to_string())
}

/// Roughly how long ago that was.
pub(super) fn ago(milliseconds: i64) -> String {
    let seconds = (jiff::Timestamp::now().as_millisecond() - milliseconds).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let rows = [["A", "LONG", "C"], ["xyz", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), "A    LONG  C\nxyz  b\n");
    }

    #[test]
    fn ago_is_shown_in_one_rounded_unit() {
        let now = jiff::Timestamp::now().as_millisecond();
        for (seconds, text) in
            [(5, "5 s ago"), (600, "10 min ago"), (10_800, "3 h ago"), (900_000, "10 d ago")]
        {
            assert_eq!(ago(now - seconds * 1000), text);
        }
    }
}
