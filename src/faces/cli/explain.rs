//! `flatnet explain`.

use clap::Args;

use super::{Options, output};
use crate::error::{Kind, manual};

/// Explain an error code: what it means, what you see, what to do.
///
/// Without a code, list all codes with their titles.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet explain FLAT-E045\n  flatnet explain e045\n  flatnet explain")]
pub(super) struct Explain {
    /// The code at the end of an error message.
    #[arg(value_name = "CODE", value_parser = parse)]
    code: Option<Kind>,
}

impl Explain {
    #[expect(clippy::unnecessary_wraps, reason = "each command has the same signature")]
    pub(super) fn run(&self, _: &Options) -> eyre::Result<u8> {
        let row = |kind: &Kind| vec![kind.code().to_owned(), kind.title().to_owned()];
        output::print(&self.code.map_or_else(
            || output::columns(&Kind::ALL.iter().map(row).collect::<Vec<_>>()),
            manual::section,
        ));
        Ok(0)
    }
}

fn parse(text: &str) -> Result<Kind, &'static str> {
    Kind::of_code(text).ok_or("unknown code; `flatnet explain` lists all codes")
}
