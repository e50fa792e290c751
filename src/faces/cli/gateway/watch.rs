//! `flatnet gateway watch`.

use std::os::unix::net::UnixStream;

use clap::Args;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Kind, Result};
use crate::faces::cli::{Options, output};
use crate::routes::summary;
use crate::routes::sync::SyncOutcome;
use crate::routes::watch::{WatchEvent, watch};

/// Keep the gateway's routes up to date until stopped.
///
/// It follows Podman's events and Flatnet's receipts, probes new containers until they answer HTTP, and checks everything
/// once a minute with the current configuration. It prints each change. While Podman fails, the routes stay as they are,
/// and it tries again. `flatnet init` writes a systemd unit that runs it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway watch\n  systemctl enable --now flatnet-gateway-watch.service\n  journalctl -fu flatnet-gateway-watch"
)]
pub(super) struct Watch {}

impl Watch {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let stop = stop_signals()?;
        let is_json = options.json;
        watch(&|| options.engine_to_look(), options.patient_executor(), &stop, &mut |said| {
            say(&said, is_json);
        })?;
        Ok(0)
    }
}

/// A socket that becomes readable on SIGTERM or SIGINT.
fn stop_signals() -> Result<UnixStream> {
    let failed = |cause| Error::new(Kind::Internal, "cannot wait for signals").source(cause);
    let (stop, signalled) = UnixStream::pair().map_err(failed)?;
    for signal in [SIGTERM, SIGINT] {
        let signalled = signalled.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, signalled).map_err(failed)?;
    }
    Ok(stop)
}

fn say(said: &WatchEvent<'_>, is_json: bool) {
    match said {
        WatchEvent::News(SyncOutcome { table, before, written: _, conflicts }) => {
            let changes = summary::changes(before.as_ref(), table);
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
