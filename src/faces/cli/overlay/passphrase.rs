//! The passphrase of the authority's key.

use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Kind, Result};
use crate::overlay::papers::Paper;

/// Where the passphrase is.
#[derive(Debug, Args)]
pub(super) struct Passphrase {
    /// Read the passphrase of the authority's key from the first line of FILE (`/dev/stdin` for standard input).
    #[arg(long, value_name = "FILE", value_parser = crate::faces::cli::path)]
    passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    /// The passphrase, if a file was named.
    pub(super) fn read(&self) -> Result<Option<String>> {
        let Some(path) = &self.passphrase_file else { return Ok(None) };
        let text = Paper::Passphrase.text(Some(path))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Some(line.to_owned())),
            _ => Err(Error::new(Kind::Authority, format!("the first line of {} is empty", path.display()))
                .remedy("Write the passphrase into its first line")),
        }
    }

    /// The passphrase of a key that needs one or not.
    pub(super) fn of_key(&self, needs_one: bool) -> Result<Option<String>> {
        if !needs_one {
            return Ok(None);
        }
        self.read()?.map(Some).ok_or_else(|| {
            Error::new(Kind::Authority, "the authority's key is encrypted")
                .remedy("Name its passphrase with --passphrase-file FILE")
        })
    }
}
