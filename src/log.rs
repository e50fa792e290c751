//! The log: one line per operation, to journald or else to a file of JSON lines.

use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::line::one_line;
use crate::file::WARILY;

/// Where journald listens (`sd_journal_send`'s protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The destination of log lines.
#[derive(Clone, Debug)]
pub struct Log {
    file: PathBuf,
    quiet: bool,
}

impl Log {
    /// Logs to journald, else to `file`; warnings also go to standard error.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), quiet: false }
    }

    /// Logs nothing, for commands that change nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { file: PathBuf::new(), quiet: true }
    }

    /// Logs one operation. A failure to log is ignored.
    pub fn operation(
        &self,
        operation: &str,
        outcome: Result<(), &crate::error::Error>,
        mut fields: Map<String, Value>,
    ) {
        fields.insert("operation".to_owned(), json!(operation));
        let message = match outcome {
            Ok(()) => {
                fields.insert("outcome".to_owned(), json!("ok"));
                format!("{operation}: ok")
            }
            Err(error) => {
                fields.insert("outcome".to_owned(), json!("failed"));
                fields.insert("error".to_owned(), json!(error.to_line()));
                fields.insert("code".to_owned(), json!(error.codes()));
                format!("{operation}: {}", error.to_line())
            }
        };
        self.write(if outcome.is_ok() { 6 } else { 3 }, &message, fields);
    }

    /// Logs a warning for people.
    pub fn warn(&self, message: &str) {
        if self.quiet {
            return;
        }
        let _ = writeln!(std::io::stderr(), "flatnet: warning: {message}");
        self.write(4, message, Map::new());
    }

    fn write(&self, priority: u8, message: &str, fields: Map<String, Value>) {
        if !self.quiet && !to_journal(priority, message, &fields) {
            let _ = self.to_file(priority, message, fields);
        }
    }

    fn to_file(&self, priority: u8, message: &str, fields: Map<String, Value>) -> std::io::Result<()> {
        if let Some(directory) = self.file.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let mut line = Map::new();
        line.insert("time".to_owned(), json!(jiff::Timestamp::now().to_string()));
        line.insert("priority".to_owned(), json!(priority));
        line.insert("message".to_owned(), json!(message));
        line.extend(fields);
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(WARILY)
            .open(&self.file)?;
        file.write_all(text.as_bytes())
    }
}

/// Sends one entry; a value is one line, for JSON text holds no newline.
fn to_journal(priority: u8, message: &str, fields: &Map<String, Value>) -> bool {
    let mut entry =
        format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=flatnet\nMESSAGE={}\n", one_line(message));
    for (name, value) in fields {
        let text = value.as_str().map_or_else(|| value.to_string(), one_line);
        let _ = writeln!(entry, "FLATNET_{}={text}", name.to_uppercase());
    }
    // A journald that does not read is not waited for.
    let send = |socket: UnixDatagram| {
        socket.set_nonblocking(true)?;
        socket.send_to(entry.as_bytes(), JOURNAL)
    };
    UnixDatagram::unbound().and_then(send).is_ok()
}
