//! `flatnet gateway routes`.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::error::{Error, Kind, io};
use crate::faces::cli::{Options, output};
use crate::routes::table::{Route, Table, Unrouted};
use crate::routes::{publish, summary};

/// List the gateway's routes (URL, container, state, address), and containers without a route with the reason.
///
/// It only reads the file that `sync` and `watch` write.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway routes\n  flatnet gateway routes --json | jq '.unrouted[] | select(.warning)'"
)]
pub(super) struct Routes {}

impl Routes {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let directory = &config.gateway.directory;
        let table = publish::published(directory).ok_or_else(|| none(&publish::path(directory)))?;
        if options.json {
            output::print_json(&json!(table));
        } else {
            output::print(&listing(&table, config.gateway.listen));
        }
        Ok(0)
    }
}

/// The error for a missing table.
fn none(path: &Path) -> Error {
    match File::open(path) {
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied => io("read", path)(cause),
        _ => Error::new(Kind::NoRoutes, format!("there is no table of routes at {}", path.display())),
    }
}

fn listing(table: &Table, listen: u16) -> String {
    let head = ["URL", "CONTAINER", "STATE", "ADDRESS", "SINCE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    rows.extend(table.routes.iter().flat_map(|route| lines(route, listen)));
    let mut text = if table.routes.is_empty() { "No routes.\n".to_owned() } else { output::columns(&rows) };
    if !table.unrouted.is_empty() {
        let mut rows = vec![["NO ROUTE", "STATE", "ADDRESS", "WHY"].map(str::to_owned).to_vec()];
        rows.extend(table.unrouted.iter().map(unrouted));
        text = format!("{text}\n{}", output::columns(&rows));
    }
    format!("{text}\nGeneration {}, written {}: {}\n", table.generation, table.written, summary::count(table))
}

/// The URLs and the containers of a route side by side.
fn lines(route: &Route, listen: u16) -> Vec<Vec<String>> {
    let urls = summary::urls(route, listen);
    let line = |index: usize| {
        let url = urls.get(index).cloned().unwrap_or_default();
        let cells = route.endpoints.get(index).map(|one| {
            let address = format!("{}:{}", one.address, one.port);
            [one.container.to_string(), one.state.word().to_owned(), address, one.since.clone()]
        });
        std::iter::once(url).chain(cells.unwrap_or_default()).collect()
    };
    (0..urls.len().max(route.endpoints.len())).map(line).collect()
}

fn unrouted(one: &Unrouted) -> Vec<String> {
    let address = one.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let why = if one.warning { format!("warning: {}", one.why) } else { one.why.clone() };
    vec![one.container.to_string(), one.state.word().to_owned(), address, why]
}
