//! `flatnet gateway watch`.

use clap::Args;
use serde_json::json;

use crate::faces::cli::{Options, output, stop};
use crate::routes::summary;
use crate::routes::sync::SyncOutcome;
use crate::routes::watch::{WatchEvent, watch};

/// Keep the gateway's routes up to date until stopped.
///
/// It follows Podman's events and Flatnet's receipts, probes new containers until they answer HTTP, and checks everything
/// once a minute with the current configuration. It prints each change. While Podman fails, the routes stay as they are,
/// and it tries again. `flatnet init` writes a systemd unit that runs it.
///
/// With an overlay it serves the routes of this host's containers to other hosts, at the bridge's address, TCP port 8787, and
/// adds theirs. Then it must run on each host, also where no gateway is installed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway watch\n  systemctl enable --now flatnet-gateway-watch.service\n  journalctl -fu flatnet-gateway-watch"
)]
pub(super) struct Watch {}

impl Watch {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let stop = stop::signals()?;
        let is_json = options.json;
        watch(&|| options.engine_to_look(), options.patient_executor(), &stop, &mut |said| {
            say(&said, is_json);
        })?;
        Ok(0)
    }
}

fn say(said: &WatchEvent<'_>, is_json: bool) {
    match said {
        WatchEvent::News(SyncOutcome { table, before, written, conflicts }) => {
            let changes = if *written { summary::changes(before.as_ref(), table) } else { Vec::new() };
            if is_json {
                let line =
                    json!({"generation": table.generation, "changes": changes, "conflicts": conflicts});
                return output::print(&format!("{line}\n"));
            }
            let lines = changes.iter().map(|change| format!("{change}\n"));
            output::print(&lines.collect::<String>());
            for conflict in conflicts {
                output::note(&format!("flatnet: warning: {conflict}"));
            }
        }
        WatchEvent::Failed(error) => output::note(&format!("flatnet: warning: {}", error.to_line())),
        WatchEvent::Recovered => output::note("flatnet: recovered"),
    }
}
