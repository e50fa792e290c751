//! `flatnet overlay peers`.

use std::path::PathBuf;

use clap::Args;

use super::authority::text_of;
use super::host::{absolute, carry_out, this_host};
use crate::faces::cli::Options;
use crate::overlay::vxlan::hosts_in;

/// Tell this host which hosts there are, with VXLAN.
///
/// Writes the file with the hosts, and runs `flatnet up`. Every host must be told of a new one, and of one that has left: nothing finds
/// them. With Nebula this is not needed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay peers carol.invitation     # the invitation of the newest host\n  flatnet overlay peers peers.yaml           # the file of another host\n  flatnet overlay peers --dry-run peers.yaml"
)]
pub(super) struct Peers {
    /// The newest host's invitation, or another host's file. Default: standard input.
    #[arg(value_name = "FILE", value_parser = crate::faces::cli::path)]
    file: Option<PathBuf>,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
    /// Also with hosts outside of private networks, where anybody on the way can read and forge packets.
    #[arg(long)]
    force: bool,
}

impl Peers {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let peers = hosts_in(&text_of(self.file.as_ref())?)?;
        let config = options.config()?;
        let path = absolute(&options.config)?;
        let tasks = this_host(options, &config, &path)?.peers(&peers, self.force)?;
        carry_out(&tasks, self.dry_run, options)?;
        Ok(0)
    }
}
