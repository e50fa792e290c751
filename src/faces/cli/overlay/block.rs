//! `flatnet overlay block`.

use clap::Args;

use super::host::{absolute, carry_out, this_host};
use crate::faces::cli::{Options, output};
use crate::overlay::papers::Fingerprint;

/// Refuse hosts with these certificates: `flatnet overlay revoke` prints the command.
///
/// Their tunnels are closed at once.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay block 0054f1a9c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccdd"
)]
pub(super) struct Block {
    /// The certificates' fingerprints.
    #[arg(value_name = "FINGERPRINT", required = true)]
    revoked: Vec<Fingerprint>,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl Block {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let path = absolute(&options.config)?;
        let host = this_host(options, &config, &path)?;
        let tasks = host.block(&self.revoked)?;
        if carry_out(&tasks, self.dry_run, options)? && !host.has_systemd {
            output::print(
                "There is no systemd here: make Nebula read its configuration (kill -HUP of its process).\n",
            );
        }
        Ok(0)
    }
}
