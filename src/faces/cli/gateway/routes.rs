//! `flatnet gateway routes`.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::error::{Error, Kind, io};
use crate::faces::cli::{Options, output};
use crate::routes::table::{OtherHost, Route, Table, Unrouted};
use crate::routes::{publish, summary};

/// List the gateway's routes (URL, container, state, address), and containers without a route with the reason.
///
/// With an overlay, also the other hosts, and which of them has a container. It only reads the file that `sync` and `watch`
/// write.
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
        let table = publish::published(directory).ok_or_else(|| none(directory, config.overlay.is_some()))?;
        if options.json {
            output::print_json(&json!(table));
        } else {
            output::print(&listing(&table, config.gateway.listen));
        }
        Ok(0)
    }
}

/// The error for a missing table.
fn none(directory: &Path, has_overlay: bool) -> Error {
    let path = &publish::path(directory);
    match File::open(path) {
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied => io("read", path)(cause),
        _ if has_overlay && !publish::has_gateway(directory) => {
            let what = format!("there is no gateway in {}", directory.display());
            Error::new(Kind::GatewayMissing, what).remedy(
                "Run this on a host with a gateway, which lists this host's containers, too; for a gateway here run `flatnet gateway install`",
            )
        }
        _ => Error::new(Kind::NoRoutes, format!("there is no table of routes at {}", path.display())),
    }
}

fn listing(table: &Table, listen: u16) -> String {
    let has_hosts = !table.hosts.is_empty();
    // Without other hosts all containers are here.
    let columns = |mut rows: Vec<Vec<String>>| {
        for row in rows.iter_mut().filter(|_| !has_hosts) {
            row.remove(HOST);
        }
        output::columns(&rows)
    };
    let heads = |heads: &[&str]| vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    let mut rows = heads(&["URL", "HOST", "CONTAINER", "STATE", "ADDRESS", "SINCE"]);
    rows.extend(table.routes.iter().flat_map(|route| lines(table, route, listen)));
    let mut text = if table.routes.is_empty() { "No routes.\n".to_owned() } else { columns(rows) };
    if !table.unrouted.is_empty() {
        let mut rows = heads(&["NO ROUTE", "HOST", "STATE", "ADDRESS", "WHY"]);
        rows.extend(table.unrouted.iter().map(|one| unrouted(table, one)));
        text = format!("{text}\n{}", columns(rows));
    }
    if has_hosts {
        let mut rows = heads(&["HOST", "NAME", "SUBNET", "STATE", "SINCE"]);
        rows.extend(table.hosts.iter().map(other_host));
        text = format!("{text}\n{}", output::columns(&rows));
    }
    format!("{text}\nGeneration {}, written {}: {}\n", table.generation, table.written, summary::count(table))
}

/// The column of the host's number.
const HOST: usize = 1;

/// The number of the host that has a container.
fn host(table: &Table, other: Option<u16>) -> String {
    other.or(table.host.number).map_or_else(String::new, |number| number.to_string())
}

fn other_host(OtherHost { number, name, subnet, answers, since }: &OtherHost) -> Vec<String> {
    let state = if *answers { "answers" } else { "does not answer" };
    vec![number.to_string(), name.to_string(), subnet.to_string(), state.to_owned(), since.clone()]
}

/// The URLs and the containers of a route side by side.
fn lines(table: &Table, route: &Route, listen: u16) -> Vec<Vec<String>> {
    let urls = summary::urls(route, listen);
    let line = |index: usize| {
        let url = urls.get(index).cloned().unwrap_or_default();
        let cells = route.endpoints.get(index).map(|one| {
            let address = format!("{}:{}", one.address, one.port);
            let host = host(table, route.host);
            [host, one.container.to_string(), one.state.word().to_owned(), address, one.since.clone()]
        });
        let cells = cells.map_or_else(|| vec![String::new()], Vec::from);
        std::iter::once(url).chain(cells).collect()
    };
    (0..urls.len().max(route.endpoints.len())).map(line).collect()
}

fn unrouted(table: &Table, one: &Unrouted) -> Vec<String> {
    let address = one.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let why = if one.warning { format!("warning: {}", one.why) } else { one.why.clone() };
    vec![one.container.to_string(), host(table, one.host), one.state.word().to_owned(), address, why]
}
