//! `flatnet windows`: Windows' scripts, and what they ask.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{Options, output};
use crate::error::{Error, Kind, io};
use crate::windows::decide::{Verb, decide};
use crate::windows::{facts, install, seen};

/// Write the scripts for Windows, and answer them: there they look and act, and what is to be done is decided here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet windows install\n  flatnet windows facts\n  flatnet windows decide up < seen.json\n\nThe last two print JSON in ASCII, since what Windows makes of other characters depends on its language."
)]
pub(super) struct Windows {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Write the scripts into a folder of Windows, and print the line to run there.
    ///
    /// Their settings are this distribution's. Scripts of an older version go. Needs no root.
    #[command(
        after_help = "Examples:\n  flatnet windows install\n  flatnet windows install /mnt/c/Users/ann/AppData/Local/flatnet-setup"
    )]
    Install {
        /// Where to; unless given, AppData/Local/flatnet-setup of the one user of Windows whose files are to be seen here.
        #[arg(value_name = "FOLDER", value_parser = crate::faces::cli::path)]
        folder: Option<PathBuf>,
    },
    /// Tell what Windows must know of this distribution.
    #[command(after_help = "Examples:\n  flatnet windows facts")]
    Facts,
    /// Decide by what Windows saw, on standard input, what it must do.
    #[command(after_help = "Examples:\n  flatnet windows decide up < seen.json")]
    Decide {
        /// look or up.
        verb: Verb,
    },
}

impl Windows {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        match &self.question {
            Question::Install { folder } => {
                let folder = match folder {
                    Some(folder) => std::path::absolute(folder).map_err(io("find", folder))?,
                    None => install::folder(install::PROFILES.as_ref())?,
                };
                let path = install::seen_from_windows(&folder)?;
                let distribution = std::env::var("WSL_DISTRO_NAME").ok();
                let count = install::install(&folder, &options.config()?, distribution.as_deref())?;
                let command = format!("cmd /c \"{path}\\flatnet.cmd\" install");
                if options.json {
                    output::print_json(&json!({"folder": folder, "files": count, "command": command}));
                    return Ok(0);
                }
                output::note(&format!(
                    "{count} files are in {}. Run this on Windows, in a window that is not an administrator's:",
                    folder.display()
                ));
                output::print(&(command + "\n"));
            }
            Question::Facts => {
                let config = options.config()?;
                // Windows is not the place to be told of a receipt that cannot be read: the doctor here does.
                let attachments = options.engine_to_look()?.attachments().unwrap_or_default();
                print(&facts::gather(&config, &attachments, &mut options.executor(&config)))?;
            }
            Question::Decide { verb } => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(io("read", "/dev/stdin".as_ref()))?;
                print(&decide(*verb, &seen::parse(&text)?)?)?;
            }
        }
        Ok(0)
    }
}

fn print(value: &impl Serialize) -> eyre::Result<()> {
    let json = serde_json::to_string(value)
        .map_err(|error| Error::new(Kind::Decode, "the answer cannot be written").source(error))?;
    output::print(&(ascii(&json) + "\n"));
    Ok(())
}

/// The same JSON, with what is not ASCII escaped, which can only be in strings.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() {
            text.push(char);
        } else {
            text.extend(char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_characters_are_escaped_and_come_back() {
        let value = serde_json::json!({"alias": "イーサネット 🐧", "path": "C:\\x"});
        let text = ascii(&value.to_string());
        assert!(text.is_ascii() && text.contains(r"\ud83d\udc27"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
