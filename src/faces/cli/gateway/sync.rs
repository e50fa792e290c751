//! `flatnet gateway sync`.

use clap::Args;
use serde_json::json;

use crate::faces::cli::{Options, output};
use crate::routes::summary;
use crate::routes::sync::{SyncOutcome, sync};

/// Update the gateway's routes from this host's containers, once.
///
/// A container is routed as its labels say (`flatnet.host`, `flatnet.port`, `flatnet.path` ..). Without labels it is routed
/// at `http://NAME.DOMAIN/` if exactly one of its exposed TCP ports answers HTTP. The file is replaced atomically, only
/// if something changed, and never if Podman fails. Of users in `rootless.users`, each one's own Podman is asked, as that user;
/// if it does not answer, that user's routes stay.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway sync\n  flatnet gateway sync --json | jq .routes\n  podman run -d --name git --network flatnet --label flatnet.port=3000 IMAGE && flatnet gateway sync"
)]
pub(super) struct Sync {}

impl Sync {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let engine = options.engine_to_look()?;
        let synced = sync(&engine, &mut options.patient_executor())?;
        let SyncOutcome { table, before, written, conflicts } = synced;
        if options.json {
            output::print_json(&json!(table));
            return Ok(0);
        }
        for line in summary::changes(before.as_ref(), &table).into_iter().filter(|_| written) {
            output::print(&format!("{line}\n"));
        }
        for conflict in conflicts {
            output::note(&format!("flatnet: warning: {conflict}"));
        }
        let how = if written { "is written" } else { "is unchanged" };
        let count = summary::count(&table);
        output::print(&format!("Generation {} {how}: {count}\n", table.generation));
        Ok(0)
    }
}
