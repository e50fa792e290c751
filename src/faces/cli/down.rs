//! `flatnet down`.

use clap::Args;

use super::{Options, output};

/// Take back all that `up` did: bridge, settings, ruleset.
///
/// Refuses while containers are attached. Leases stay, so that containers get their addresses back.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet down\n  flatnet down --force   # cut off the containers that are attached"
)]
pub(super) struct Down {
    /// Undo attached containers first: they lose their network.
    #[arg(long)]
    force: bool,
}

impl Down {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let change = options.engine()?.down(self.force)?;
        output::print(&super::plan::done(&change));
        Ok(0)
    }
}
