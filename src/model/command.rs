//! Commands: what is printed is what runs. [`crate::kernel::render`] makes them, [`crate::kernel::execute`] runs them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::types::NetnsPath;
use crate::shell::quote;

/// A program with its arguments and input. `Display` prints what to paste into a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program, then its arguments.
    pub argv: Vec<String>,
    /// Its standard input, ending in a newline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The network namespace that is open as its descriptor 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<NetnsPath>,
}

/// The descriptor of [`Command::netns`] in the command. Shells accept one digit.
pub const NETNS_DESCRIPTOR: i32 = 9;
/// The same as a path.
pub const NETNS_DESCRIPTOR_PATH: &str = "/proc/self/fd/9";

impl Command {
    /// A command without input.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), stdin: None, netns: None }
    }

    /// The command with `stdin` as input.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<String>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// The program's name without its directory.
    #[must_use]
    pub fn program(&self) -> &str {
        self.argv.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default()
    }

    /// The whole command on one line for a message; it can be pasted too.
    #[must_use]
    pub fn one_line(&self) -> String {
        match &self.stdin {
            None => self.line(),
            Some(stdin) => {
                let lines: Vec<String> = stdin.lines().map(quote).collect();
                format!("printf '%s\\n' {} | {}", lines.join(" "), self.line())
            }
        }
    }

    /// The first line: program, arguments and namespace, without the input.
    #[must_use]
    pub fn line(&self) -> String {
        let words = self.argv.iter().map(|word| quote(word));
        let netns = self.netns.as_ref().map(|path| format!("{NETNS_DESCRIPTOR}<{path}"));
        words.chain(netns).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())?;
        match &self.stdin {
            Some(stdin) => write!(f, " <<'EOF'\n{stdin}EOF"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displayed_command_can_be_pasted() {
        let command = Command::new(["ip", "link", "set", "dev", "x", "alias", "a b'c"]);
        assert_eq!(command.to_string(), r"ip link set dev x alias 'a b'\''c'");
        let batch = Command::new(["ip", "-batch", "-"]).stdin("link del dev x\n");
        assert_eq!(batch.to_string(), "ip -batch - <<'EOF'\nlink del dev x\nEOF");
        assert_eq!(batch.one_line(), r"printf '%s\n' 'link del dev x' | ip -batch -");
        let inside = Command { netns: "/proc/42/ns/net".parse().ok(), ..batch };
        assert_eq!(inside.to_string(), "ip -batch - 9</proc/42/ns/net <<'EOF'\nlink del dev x\nEOF");
    }
}
