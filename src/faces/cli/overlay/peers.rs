//! `flatnet overlay peers`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::host::{absolute, this_host};
use crate::faces::cli::{Options, output};
use crate::overlay::vxlan::{PeerTerms, hosts_in};
use crate::setup::task;

/// Tell this host which hosts there are, with VXLAN.
///
/// Writes the file with the hosts, and runs `flatnet up`. Every host must be told of a new one, and of one that has left: nothing finds
/// them. It prints which hosts are added, changed and dropped. With Nebula this is not needed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet overlay peers carol.invitation     # the invitation of the newest host\n  flatnet overlay peers peers.yaml           # the file of another host\n  flatnet overlay peers --dry-run peers.yaml\n  flatnet overlay peers --drop peers.yaml    # of `flatnet overlay revoke`: the host that it lacks is cut off"
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
    /// Drop hosts that this host knows and the file does not have. Without it such a file is refused: it may be an older one.
    #[arg(long)]
    drop: bool,
}

impl Peers {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let peers = hosts_in(self.file.as_deref())?;
        let config = options.config()?;
        let path = absolute(&options.config)?;
        let host = this_host(options, &config, &path)?;
        let tasks = host.peers(&peers, PeerTerms { force: self.force, drop: self.drop })?;
        let changes = host.peer_changes(&peers, self.drop)?;
        if !self.dry_run {
            task::run(&tasks, &mut options.patient_executor())?;
        }
        match (self.dry_run, options.json) {
            (true, true) => output::print_json(&json!({"tasks": tasks, "hosts": changes})),
            (false, true) => output::print_json(&json!({"hosts": changes})),
            (true, false) => output::print(&format!("{}\n{}", changes.text(), task::text(&tasks))),
            (false, false) => output::print(&changes.text()),
        }
        Ok(0)
    }
}
