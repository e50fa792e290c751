//! `flatnet overlay status`.

use std::net::IpAddr;

use clap::Args;
use serde_json::json;

use super::host::absolute;
use crate::faces::cli::{Options, output};
use crate::overlay::nebula::HostFiles;
use crate::overlay::status::{HostPath, HostStatus, NebulaStatus, OverlayStatus};

/// Show the other hosts: which are there, how packets get to them, how long that takes, and when certificates end.
///
/// It asks all hosts, which makes tunnels to those that are there, and then Nebula's console, by ssh at a loopback address. That takes two
/// seconds. Hosts that are away are listed if `flatnet gateway watch` knows them or, with VXLAN, the file of hosts. The exit status is 1
/// if there is no tunnel to any lighthouse.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet overlay status\n  flatnet overlay status --json")]
pub(super) struct Status {}

impl Status {
    #[expect(clippy::unused_self, reason = "as every command")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let files = HostFiles::beside(&absolute(&options.config)?);
        let status = OverlayStatus::find(&config, &files, &mut options.patient_executor())?;
        if options.json {
            output::print_json(&json!(status));
        } else {
            output::print(&text(&status, config.bridge_address().into()));
        }
        let Some(nebula) = &status.nebula else { return Ok(0) };
        if let Some(why) = &nebula.no_tunnels {
            output::note(&format!("Warning: {why}"));
        }
        Ok(u8::from(nebula.lighthouses.is_empty()))
    }
}

fn text(status: &OverlayStatus, own: IpAddr) -> String {
    let head = ["HOST", "NAME", "ADDRESS", "WAY", "ROUND TRIP", "CERTIFICATE ENDS", "FLATNET"];
    let (nebula, dash) = (status.nebula.as_ref(), || "-".to_owned());
    let mut own_row = vec![dash(); head.len()];
    own_row[0] = status.number.to_string();
    own_row[2] = own.to_string();
    "this host".clone_into(&mut own_row[3]);
    env!("CARGO_PKG_VERSION").clone_into(&mut own_row[6]);
    if let Some(NebulaStatus { certificate, .. }) = nebula {
        own_row[1].clone_from(&certificate.name);
        own_row[5] = date(&certificate.ends);
    }
    let mut rows: Vec<(Option<u16>, Vec<String>)> = vec![(Some(status.number), own_row)];
    rows.extend(status.hosts.iter().map(|host| (host.number, row(host))));
    rows.sort_by_key(|(number, _)| *number);
    rows.extend(nebula.iter().flat_map(|nebula| &nebula.lighthouses).map(|host| (None, row(host))));
    rows.extend(nebula.iter().flat_map(|nebula| &nebula.silent_lighthouses).map(|address| {
        let mut silent = vec![dash(); head.len()];
        "lighthouse".clone_into(&mut silent[0]);
        silent[2] = address.to_string();
        "does not answer".clone_into(&mut silent[3]);
        (None, silent)
    }));
    let lines: Vec<Vec<String>> = std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows.into_iter().map(|(_, row)| row))
        .collect();
    let words = match nebula {
        None => "VXLAN: packets between hosts are not encrypted.".to_owned(),
        Some(NebulaStatus { version, lighthouses, no_tunnels, .. }) => {
            let is_known = no_tunnels.is_none();
            let lights = if lighthouses.is_empty() && is_known { " No lighthouse answers." } else { "" };
            format!("Nebula {version}.{lights}")
        }
    };
    format!(
        "{}\n{words} Hosts that do not answer and are not known are not listed.\n",
        output::columns(&lines)
    )
}

fn row(host: &HostStatus) -> Vec<String> {
    let HostStatus { number, name, address, path, certificate, round_trip, version, away_since } = host;
    let dash = || "-".to_owned();
    let way = match (away_since, path) {
        (Some(since), _) => format!("away since {since}"),
        (None, None) => "unknown".to_owned(),
        (None, Some(HostPath::Direct { to })) => format!("direct, {to}"),
        (None, Some(HostPath::Relayed { by })) => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            format!("relayed by {}", by.join(" or "))
        }
    };
    vec![
        number.map_or_else(|| "lighthouse".to_owned(), |number| number.to_string()),
        name.clone().unwrap_or_else(dash),
        address.to_string(),
        way,
        round_trip.map_or_else(dash, |milliseconds| format!("{milliseconds:.1} ms")),
        certificate.as_ref().map_or_else(dash, |one| date(&one.ends)),
        version.clone().unwrap_or_else(dash),
    ]
}

/// The date, which is enough for people.
fn date(time: &str) -> String {
    time.split('T').next().unwrap_or_default().to_owned()
}
