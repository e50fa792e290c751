//! `flatnet windows`: what Windows' scripts ask.

use std::io::Read;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Options, output};
use crate::error::{Error, Kind, io};
use crate::windows::decide::{Verb, decide};
use crate::windows::{facts, seen};

/// Answer the scripts in ops/windows: on WSL2 they look and act, and what is to be done is decided here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet windows facts\n  flatnet windows decide up < seen.json\n\nBoth print JSON in ASCII, since what Windows makes of other characters depends on its language."
)]
pub(super) struct Windows {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Tell what Windows must know of this distribution.
    #[command(after_help = "Examples:\n  flatnet windows facts")]
    Facts,
    /// Decide by what Windows saw, on standard input, what it must do.
    #[command(after_help = "Examples:\n  flatnet windows decide up < seen.json")]
    Decide {
        /// look, up or down.
        verb: Verb,
    },
}

impl Windows {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        match &self.question {
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
