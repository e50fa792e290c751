//! `flatnet overlay status`.

use clap::Args;
use serde_json::json;

use super::host::absolute;
use crate::faces::cli::{Options, output};
use crate::overlay::nebula::HostFiles;
use crate::overlay::status::{CertificateStatus, HostStatus, OverlayStatus, TunnelPath};

/// Show the other hosts: which are there, how packets get to them, how long that takes, and when certificates end.
///
/// It asks all hosts, which makes tunnels to those that are there, and then Nebula's console, by ssh at a loopback address. That takes two
/// seconds. The exit status is 1 if there is no tunnel to any lighthouse.
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
            output::print(&text(&status, config.bridge_address_of(status.number).into()));
        }
        if let Some(why) = &status.no_tunnels {
            output::note(&format!("Warning: {why}"));
        }
        Ok(u8::from(status.lighthouses.is_empty()))
    }
}

fn text(status: &OverlayStatus, own: std::net::IpAddr) -> String {
    let head =
        ["HOST", "NAME", "ADDRESS", "WAY", "ROUND TRIP", "CERTIFICATE ENDS", "FLATNET"].map(str::to_owned);
    let this = HostStatus {
        number: Some(status.number),
        address: own,
        path: None,
        certificate: Some(status.certificate.clone()),
        round_trip: None,
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let mut rows: Vec<(Option<u16>, Vec<String>)> = vec![(this.number, row(&this, "this host"))];
    rows.extend(status.hosts.iter().map(|host| (host.number, row(host, "no tunnel"))));
    rows.sort_by_key(|(number, _)| *number);
    rows.extend(status.lighthouses.iter().map(|host| (None, row(host, "no tunnel"))));
    let lines: Vec<Vec<String>> =
        std::iter::once(head.to_vec()).chain(rows.into_iter().map(|(_, row)| row)).collect();
    let lights = if status.lighthouses.is_empty() { "No lighthouse answers.\n" } else { "" };
    format!(
        "{}\n{lights}Nebula {}. Hosts without a tunnel and without an answer are not listed.\n",
        output::columns(&lines),
        status.nebula
    )
}

fn row(host: &HostStatus, without_tunnel: &str) -> Vec<String> {
    let HostStatus { number, address, path, certificate, round_trip, version } = host;
    let dash = || "-".to_owned();
    let way = match path {
        None => without_tunnel.to_owned(),
        Some(TunnelPath::Direct { to }) => format!("direct, {to}"),
        Some(TunnelPath::Relayed { by }) => {
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            format!("relayed by {}", by.join(" or "))
        }
    };
    let certificate = certificate.as_ref();
    vec![
        number.map_or_else(|| "lighthouse".to_owned(), |number| number.to_string()),
        certificate.map_or_else(dash, |CertificateStatus { name, .. }| name.clone()),
        address.to_string(),
        way,
        round_trip.map_or_else(dash, |milliseconds| format!("{milliseconds:.1} ms")),
        // The date is enough for people.
        certificate.map_or_else(dash, |one| one.ends.split('T').next().unwrap_or_default().to_owned()),
        version.clone().unwrap_or_else(dash),
    ]
}
