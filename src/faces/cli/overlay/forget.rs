//! `flatnet overlay forget`.

use clap::Args;
use serde_json::json;

use crate::error::{Error, Kind};
use crate::faces::cli::{Options, output};
use crate::routes::sync::{forget, forgettable};
use crate::routes::{others, publish, summary};

/// Forget the routes of a host that has left for ever.
///
/// The gateway here keeps the routes of a host that does not answer, because it may come back. This takes them out, on this host only: run
/// it on each host with a gateway. `flatnet gateway watch` need not be stopped. If the host answers again, its routes are back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet overlay forget 7\n  flatnet overlay forget --dry-run 7")]
pub(super) struct Forget {
    /// The host's number.
    #[arg(value_name = "N")]
    number: u16,
    /// Print which routes would be forgotten, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Forget {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let engine = options.engine_to_look()?;
        let directory = &engine.config.gateway.directory;
        if !publish::has_gateway(directory) {
            let what = format!("there is no gateway in {}", directory.display());
            return Err(Error::new(Kind::GatewayMissing, what)
                .remedy("Nothing is to be done: only hosts with a gateway keep other hosts' routes")
                .into());
        }
        if self.dry_run {
            let table = publish::published(directory);
            let others = table.map(|table| others::read_back(&table, &engine.config)).unwrap_or_default();
            let other = forgettable(&others, self.number)?;
            let names: Vec<String> = other.routes.iter().map(|route| route.name.to_string()).collect();
            if options.json {
                output::print_json(&json!({"number": self.number, "name": other.name, "routes": names}));
            } else {
                let routes = if names.is_empty() { "no routes".to_owned() } else { names.join(", ") };
                output::print(&format!(
                    "Host {} ({}), which has not answered since {}, would be forgotten: {routes}\nundo: if it answers, it is known again\n",
                    self.number, other.name, other.since
                ));
            }
            return Ok(0);
        }
        let synced = forget(&engine, &mut options.patient_executor(), self.number)?;
        if options.json {
            output::print_json(&json!(synced.table));
        } else {
            let changes = summary::changes(synced.before.as_ref(), &synced.table);
            let lines: Vec<String> = changes.into_iter().map(|line| format!("{line}\n")).collect();
            output::print(&format!("Host {} is forgotten.\n{}", self.number, lines.concat()));
        }
        Ok(0)
    }
}
