//! `flatnet down`.

use clap::Args;

use super::{Options, output};

/// Undo `flatnet up`: remove the bridge and the ruleset, and restore kernel settings.
///
/// Fails while containers are attached. Leases are kept, so that containers get their addresses back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet down\n  flatnet down --force   # cut off attached containers")]
pub(super) struct Down {
    /// Detach all containers first. They lose their network.
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
