//! `flatnet up`.

use clap::Args;

use super::{Options, output};
use crate::overlay::membership;

/// Bring this host to its desired state: bridge, ruleset and kernel settings.
///
/// Running it again changes nothing. `flatnet plan` shows what it would do.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet up\n  flatnet up --verbose   # print each command")]
pub(super) struct Up {}

impl Up {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let mut engine = options.engine()?;
        let change = engine.up()?;
        output::print(&super::plan::done(&change));
        // A warning only: what was asked for is done.
        if let Ok(Some(range)) = engine.cut_off_by() {
            let subnet = engine.config.subnet;
            output::note(&format!("Warning: {}", membership::cut_off(subnet, range)));
        }
        Ok(0)
    }
}
