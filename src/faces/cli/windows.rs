//! `flatnet windows`: Windows' scripts, and what they ask.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{Options, output};
use crate::error::{Error, Kind, io};
use crate::windows::decide::{Verb, decide};
use crate::windows::{facts, install, observed};

/// Write the scripts for Windows, and answer their queries: they observe and act, this program decides.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet windows install\n  flatnet windows facts\n  flatnet windows decide up < seen.json\n\nThe last two print ASCII-only JSON, since Windows decodes other characters by its language."
)]
pub(super) struct Windows {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Write the scripts into a folder on Windows, and print the command to run there.
    ///
    /// The scripts get this distribution's settings. Scripts of an older version are removed. Needs no root.
    #[command(
        after_help = "Examples:\n  flatnet windows install\n  flatnet windows install /mnt/c/Users/ann/AppData/Local/flatnet-setup"
    )]
    Install {
        /// The folder. Default: AppData/Local/flatnet-setup of the only Windows user whose files are visible here.
        #[arg(value_name = "FOLDER", value_parser = crate::faces::cli::path)]
        folder: Option<PathBuf>,
    },
    /// Print the facts about this distribution that Windows needs.
    #[command(after_help = "Examples:\n  flatnet windows facts")]
    Facts,
    /// Read what Windows observed from standard input, and print what it must do.
    #[command(after_help = "Examples:\n  flatnet windows decide up < seen.json")]
    Decide {
        /// `look` or `up`.
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
                let path = install::windows_path(&folder)?;
                let distribution = std::env::var("WSL_DISTRO_NAME").ok();
                let count = install::install(&folder, &options.config()?, distribution.as_deref())?;
                let command = format!("cmd /c \"{path}\\flatnet.cmd\" install");
                if options.json {
                    output::print_json(&json!({"folder": folder, "files": count, "command": command}));
                    return Ok(0);
                }
                output::note(&format!(
                    "Wrote {count} files to {}. Run this on Windows, not as administrator:",
                    folder.display()
                ));
                output::print(&(command + "\n"));
            }
            Question::Facts => {
                let config = options.config()?;
                // An unreadable receipt is reported by the doctor, not on Windows.
                let attachments = options.engine_to_look()?.attachments().unwrap_or_default();
                print(&facts::gather(&config, &attachments, &mut options.executor(&config)))?;
            }
            Question::Decide { verb } => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(io("read", "/dev/stdin".as_ref()))?;
                print(&decide(*verb, &observed::parse(&text)?)?)?;
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

/// The same JSON with non-ASCII characters, which occur only in strings, escaped.
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
    fn non_ascii_json_is_escaped_and_round_trips() {
        let value = serde_json::json!({"alias": "イーサネット 🐧", "path": "C:\\x"});
        let text = ascii(&value.to_string());
        assert!(text.is_ascii() && text.contains(r"\ud83d\udc27"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
