//! `flatnet names`: who is called what, and what a question is answered.

use std::net::Ipv4Addr;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Options, output};
use crate::engine::{Engine, Names};
use crate::error::{Error, Kind, Result};
use crate::model::types::HostName;
use crate::names::ask::OtherHosts;
use crate::names::lookup::{LookupResult, look_up};
use crate::routes::publish::published;
use crate::routes::table::Route;
use crate::state::names::{NameEntry, NamesFile};
use crate::state::receipt::Receipt;

/// List the names of containers, or show what a question for NAME is answered.
///
/// Each name is also found in the zone: web.direct.flatnet.internal. With NAME, the exit status is 1 if there is no
/// such name; a name that is forwarded is not looked up. A container on another host is found by its host's number: web.h2 or web.host2.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet names\n  flatnet names web\n  flatnet names web.direct.flatnet.internal\n  flatnet names web.h2\n  flatnet names --all-hosts\n  flatnet names --json"
)]
pub(super) struct NamesCommand {
    /// The name, with or without the zone.
    name: Option<String>,
    /// List the names of other hosts' containers as well, which their resolvers are asked for.
    #[arg(long, conflicts_with = "name")]
    all_hosts: bool,
}

/// One name.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    address: Ipv4Addr,
    why: &'static str,
    container: Option<String>,
    container_id: Option<String>,
    /// The number of the host, for a container of another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<u16>,
}

impl NamesCommand {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let engine = options.engine_to_look()?;
        let names = engine.names()?;
        let Some(file) = names.files.first() else {
            return Err(no_names(&engine).into());
        };
        output::note_unread(&engine);
        let others = OtherHosts::of(&engine.config);
        let answer = self.name.as_deref().map(|name| answer(&names, others.as_ref(), name)).transpose()?;
        let mut rows: Vec<Row> =
            rows(&engine, file)?.into_iter().filter(|row| self.concerns(&row.name, file)).collect();
        if self.all_hosts {
            rows.extend(rows_of_others(others.as_ref())?);
        }
        if options.json {
            output::print_json(&json!({
                "network": file.network,
                "zone": file.zone,
                "resolver": {"address": file.listen, "answers": names.answers, "forwards_to": names.servers},
                "names": rows,
                "answer": answer.as_ref().map(|found| as_json(found, &names)),
            }));
        } else {
            output::print(&self.text(&rows, answer.as_ref(), &names, file));
        }
        if !names.answers {
            output::note(&format!(
                "Note: the resolver does not answer at {}; `flatnet doctor` says why",
                file.listen
            ));
        }
        Ok(u8::from(answer == Some(LookupResult::Nothing)))
    }

    /// Whether a row is about the name that was asked for.
    fn concerns(&self, row: &str, file: &NamesFile) -> bool {
        let Some(asked) = &self.name else { return true };
        let asked = asked.trim_end_matches('.').to_ascii_lowercase();
        let row = row.to_ascii_lowercase();
        let in_domain = row.strip_prefix("*.").is_some_and(|domain| {
            asked.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        asked == row || asked == format!("{row}.{}", file.zone) || in_domain
    }

    fn text(&self, rows: &[Row], answer: Option<&LookupResult>, names: &Names, file: &NamesFile) -> String {
        let head = ["NAME", "ADDRESS", "WHY", "CONTAINER"].map(str::to_owned).to_vec();
        let cells = |row: &Row| {
            let container = row.container.clone().unwrap_or_else(|| "-".to_owned());
            vec![row.name.clone(), row.address.to_string(), row.why.to_owned(), container]
        };
        let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
        let table = if rows.is_empty() { String::new() } else { output::columns(&lines) + "\n" };
        let servers = names.servers.join(", ");
        let asked = if servers.is_empty() { "no server is known" } else { servers.as_str() };
        match (&self.name, answer) {
            (Some(name), Some(found)) => {
                let said = match found {
                    LookupResult::Addresses(addresses) => {
                        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                    }
                    LookupResult::Nothing | LookupResult::OtherHost(_) => "no such name".to_owned(),
                    // A name with a dot may be a public one.
                    LookupResult::Forwarded if rows.iter().any(|row| row.container.is_some()) => {
                        format!("forwarded: {asked}; the container is found as {name}.{}", file.zone)
                    }
                    LookupResult::Forwarded => format!("forwarded: {asked}"),
                };
                format!("{table}{name}: {said}\n")
            }
            _ => format!(
                "{table}Answered at {}, also in the zone {}. All other names are forwarded: {asked}.\n",
                file.listen, file.zone
            ),
        }
    }
}

fn no_names(engine: &Engine) -> Error {
    if engine.config.names.enabled {
        let what = format!("network {} has no file of names", engine.config.network);
        return Error::new(Kind::Unavailable, what).remedy("Run `flatnet up`, which writes it");
    }
    Error::new(
        Kind::Unavailable,
        "containers have no names: the configuration says `names: {enabled: false}`",
    )
    .remedy("Write `names: {enabled: true}`, then run `flatnet up`")
}

/// Checks the name, then looks it up, on another host if it is there.
fn answer(names: &Names, others: Option<&OtherHosts>, name: &str) -> Result<LookupResult> {
    let bad = |why: &str, remedy: String| {
        let what = format!("\"{}\" is not a name: {why}", crate::model::types::shown(name));
        Err(Error::new(Kind::BadValue, what).remedy(remedy))
    };
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return bad("it is an address", format!("`flatnet inspect {address}` shows who holds it"));
    }
    match look_up(names.files.clone(), name) {
        Some(LookupResult::OtherHost(host)) => {
            let others = others.ok_or_else(|| Error::new(Kind::Internal, "this host has no others"))?;
            let found = others.addresses(host, name.trim_end_matches('.'));
            let addresses = found.map_err(|cause| no_answer(host, cause))?;
            Ok(if addresses.is_empty() { LookupResult::Nothing } else { LookupResult::Addresses(addresses) })
        }
        Some(found) if !name.is_empty() => Ok(found),
        _ => bad(
            "a part between dots is empty, or has more than 63 characters",
            "Give a name such as web, or web.direct.flatnet.internal".to_owned(),
        ),
    }
}

fn no_answer(host: Ipv4Addr, cause: std::io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("the resolver of another host does not answer at {host}"))
        .source(cause)
        .remedy("Run `flatnet overlay status`, which shows the hosts that can be reached")
}

/// The names of containers on other hosts.
fn rows_of_others(others: Option<&OtherHosts>) -> Result<Vec<Row>> {
    let others = others.ok_or_else(|| {
        Error::new(Kind::BadValue, "this host is connected with no others")
            .remedy("docs/setup/second-host.md says how hosts are connected")
    })?;
    let failed = |cause| Error::new(Kind::Io, "other hosts cannot be asked for names").source(cause);
    let mut rows = Vec::new();
    for number in others.present(&others.all()).map_err(failed)?.into_keys() {
        match others.names(number) {
            Ok(names) => rows.extend(names.into_iter().map(|(name, address)| Row {
                name: format!("{name}.h{number}"),
                address,
                why: "other host",
                container: None,
                container_id: None,
                host: Some(number),
            })),
            Err(cause) => output::note(&format!(
                "Warning: {}",
                no_answer(others.numbers.bridge_address_of(number), cause).to_line()
            )),
        }
    }
    Ok(rows)
}

fn as_json(found: &LookupResult, names: &Names) -> serde_json::Value {
    match found {
        LookupResult::Addresses(addresses) => json!({"addresses": addresses, "by": "flatnet"}),
        LookupResult::Nothing | LookupResult::OtherHost(_) => json!({"addresses": [], "by": "flatnet"}),
        LookupResult::Forwarded => json!({"addresses": null, "by": names.servers}),
    }
}

/// All names of the network: containers' by address, then the others.
fn rows(engine: &Engine, file: &NamesFile) -> Result<Vec<Row>> {
    let receipts = engine.store.receipts()?;
    let mut rows = Vec::new();
    for entry in &file.entries {
        let receipt = receipts.iter().find(|receipt| receipt.id == entry.id);
        rows.extend(of_container(entry, receipt));
    }
    let other = |name: String, address, why| Row {
        name,
        address,
        why,
        container: None,
        container_id: None,
        host: None,
    };
    // A container of such a name comes first.
    let is_hidden =
        |host: &HostName| rows.iter().any(|row: &Row| row.name.eq_ignore_ascii_case(host.as_str()));
    let shown: Vec<_> = file.hosts.iter().filter(|(host, _)| !is_hidden(host)).collect();
    rows.extend(shown.into_iter().map(|(host, address)| {
        let why = match host.as_str() {
            "gateway" => "HTTP gateway",
            "windows" => "Windows",
            _ => "this host",
        };
        other(host.to_string(), *address, why)
    }));
    let domain = |(domain, address): &(_, _)| other(format!("*.{domain}"), *address, "HTTP gateway");
    rows.extend(file.domains.iter().map(domain));
    if let Some(table) = published(&engine.config.gateway.directory) {
        rows.extend(table.routes.iter().flat_map(|route| of_route(route, file, &receipts)));
    }
    Ok(rows)
}

/// The names of a route, which lead to the HTTP gateway: one row for each container behind it.
fn of_route(route: &Route, file: &NamesFile, receipts: &[Receipt]) -> Vec<Row> {
    let mut rows = Vec::new();
    for host in &route.hosts {
        let Ok(name) = HostName::parse(host.as_str()) else { continue };
        let domains = file.domains.iter().filter(|(domain, _)| name.is_in(domain));
        let Some((_, address)) = domains.max_by_key(|(domain, _)| domain.as_str().len()) else { continue };
        for endpoint in &route.endpoints {
            let receipt = receipts.iter().find(|receipt| receipt.id.container_id.in_routes() == endpoint.id);
            rows.push(Row {
                name: host.to_string(),
                address: *address,
                why: "route",
                container: Some(endpoint.container.to_string()),
                container_id: receipt.map(|receipt| receipt.id.container_id.to_string()),
                host: None,
            });
        }
    }
    rows
}

fn of_container(entry: &NameEntry, receipt: Option<&Receipt>) -> Vec<Row> {
    let id = &entry.id.container_id;
    let own = receipt.map_or("", |receipt| receipt.name.as_str());
    let by_id = id.name();
    let container = if own.is_empty() { &by_id } else { own };
    let row = |name: &str, why| Row {
        name: name.to_owned(),
        address: entry.address,
        why,
        container: Some(container.to_owned()),
        container_id: Some(id.to_string()),
        host: None,
    };
    let given = entry
        .names
        .iter()
        .map(|name| row(name.as_str(), if name.as_str() == own { "container" } else { "alias" }));
    given.chain([row(&by_id, "ID")]).collect()
}
