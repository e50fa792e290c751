//! `flatnet config`: checks a configuration, prints the schema.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Options, output};
use crate::error::Result;
use crate::model::config;

/// Check the configuration, or print its schema.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet config check\n  flatnet config check new.yaml\n  flatnet config schema > /etc/flatnet/flatnet.schema.json"
)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration, and print it with all defaults filled in.
    #[command(
        after_help = "Examples:\n  flatnet config check\n  flatnet config check new.yaml\n  flatnet config check --json"
    )]
    Check {
        /// Check FILE instead of the file that --config names.
        #[arg(value_parser = super::path)]
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of the configuration, for editors that complete and check it.
    #[command(after_help = "Examples:\n  flatnet config schema > /etc/flatnet/flatnet.schema.json")]
    Schema,
}

impl Config {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        match &self.command {
            Command::Check { file } => output::print(&check(file.as_ref(), options)?),
            Command::Schema => output::print_json(&config::schema()),
        }
        Ok(0)
    }
}

fn check(file: Option<&PathBuf>, options: &Options) -> Result<String> {
    let config = match file {
        Some(file) => config::load(file)?,
        None => options.config()?,
    };
    let resolved = config.resolved();
    if options.json { Ok(format!("{:#}\n", json!(resolved))) } else { config::to_yaml(&resolved) }
}
