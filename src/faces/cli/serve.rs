//! `flatnet serve`.

use std::os::fd::AsFd;

use clap::Args;

use super::stop;
use crate::faces::rootless::{runner, service};

/// Attach and detach containers for users' rootless Podman.
///
/// Without --listen it handles one request, which arrives over the socket that is its standard input: so systemd starts it
/// for each connection to `flatnet-serve.socket`. `flatnet init --rootless USER` writes the units.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  systemctl enable --now flatnet-serve.socket\n  flatnet serve --listen      # without systemd"
)]
pub(super) struct Serve {
    /// Make the socket, and start a process for each connection, until stopped.
    #[arg(long)]
    listen: bool,
}

impl Serve {
    pub(super) fn run(&self) -> eyre::Result<u8> {
        if self.listen {
            runner::listen(&stop::signals()?)?;
        } else {
            service::serve(std::io::stdin().as_fd())?;
        }
        Ok(0)
    }
}
