//! `flatnet overlay block` and `trust`: which certificates count on this host.

use std::path::PathBuf;

use clap::Args;

use super::host::{absolute, carry_out, this_host};
use crate::faces::cli::{Options, output};
use crate::overlay::membership::ThisHost;
use crate::overlay::nebula;
use crate::overlay::papers::{Fingerprint, certificates_in};
use crate::setup::task::Task;

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
        reload(&host, &host.block(&self.revoked)?, self.dry_run, options)
    }
}

/// Accept certificates of another authority, too.
///
/// So one authority replaces another: first all hosts accept both, then they get certificates of the new one, then they accept it alone (--only). No
/// packet is lost.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay trust new-ca.crt\n  flatnet overlay trust --only new-ca.crt"
)]
pub(super) struct Trust {
    /// The file with the authority's certificate: its ca.crt.
    #[arg(value_name = "FILE", value_parser = crate::faces::cli::path)]
    authority: PathBuf,
    /// Accept no other authority any longer.
    #[arg(long)]
    only: bool,
    /// Print the commands without running them.
    #[arg(long)]
    dry_run: bool,
}

impl Trust {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let path = absolute(&options.config)?;
        let authorities = certificates_in(&self.authority)?;
        let mut executor = options.patient_executor();
        nebula::refuse_hosts(&authorities, &mut executor)?;
        let host = this_host(options, &config, &path)?;
        reload(&host, &host.trust(&authorities, self.only, &mut executor)?, self.dry_run, options)
    }
}

/// Runs or prints `tasks`, which change what Nebula has to read again.
fn reload(host: &ThisHost<'_>, tasks: &[Task], dry_run: bool, options: &Options) -> eyre::Result<u8> {
    if carry_out(tasks, dry_run, options)? && !host.has_systemd {
        output::print(
            "There is no systemd here: make Nebula read its configuration (kill -HUP of its process).\n",
        );
    }
    Ok(0)
}
