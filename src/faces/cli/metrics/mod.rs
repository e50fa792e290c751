//! `flatnet metrics`: the state of this host as a page for Prometheus.

mod families;
mod page;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Options, output};
use crate::doctor::examine;
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::nginx::install;
use crate::routes::publish;
use crate::setup::units;

/// The directory of Debian's `node_exporter` for pages of other programs.
const NODE_EXPORTER: &str = "/var/lib/prometheus/node-exporter";
/// What `node_exporter`'s textfile collector reads.
const EXTENSION: &str = "prom";

/// Print this host's metrics for Prometheus.
///
/// Addresses, containers, drops by chain, the resolver, the gateway's routes, the duration of ADD and DEL, and findings of
/// the doctor, in Prometheus' text format. docs/operations/metrics.md explains each of them, with alerts. Containers' names are
/// not among them.
///
/// flatnet-metrics.timer runs `flatnet metrics --publish`. The gateway's own metrics are at its /_flatnet/metrics.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet metrics\n  flatnet metrics --publish\n  flatnet metrics --textfile /var/lib/node_exporter/flatnet.prom"
)]
pub(super) struct Metrics {
    /// Write the page to FILE, for the node exporter's textfile collector. FILE ends in .prom.
    #[arg(long, value_name = "FILE", value_parser = textfile)]
    textfile: Option<PathBuf>,
    /// Write the page to the directory of Debian's node exporter (/var/lib/prometheus/node-exporter), and to the gateway's, which serves it as
    /// /_flatnet/metrics/host; to each that exists.
    #[arg(long)]
    publish: bool,
    /// Run all checks of the doctor instead of the quick ones, which takes seconds.
    #[arg(long)]
    all_checks: bool,
}

impl Metrics {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        if options.json {
            let what = "--json: metrics are in Prometheus' text format";
            return Err(Error::new(Kind::BadValue, what)
                .remedy("`flatnet status --json` has the state of this host as JSON")
                .into());
        }
        let config = options.config()?;
        let places = self.places(&config)?;
        let mut context = options.context();
        let findings = examine(&mut context, !self.all_checks);
        let page = families::page(&mut context, &findings);
        if !context.unread.is_empty() {
            output::note(&format!(
                "Note: left out, since this user may not read it: {}",
                context.unread.join(", ")
            ));
        }
        if places.is_empty() {
            output::print(&page);
        }
        for place in &places {
            publish::replace(place, page.as_bytes())?;
        }
        Ok(0)
    }

    /// Where the page is written; none to print it.
    fn places(&self, config: &Config) -> Result<Vec<PathBuf>> {
        let mut places = Vec::new();
        if let Some(file) = &self.textfile {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                let what =
                    format!("cannot write {}: there is no directory {}", file.display(), folder.display());
                return Err(Error::new(Kind::Io, what).remedy(
                    "Create it, or name the directory that the node exporter reads (its --collector.textfile.directory)",
                ));
            }
            places.push(file.clone());
        }
        if self.publish {
            let found = published_at(config);
            if found.is_empty() {
                let gateway = config.gateway.directory.display();
                let what = format!("there is no gateway in {gateway}, and no directory {NODE_EXPORTER}");
                return Err(Error::new(Kind::GatewayMissing, what).remedy(
                    "Install prometheus-node-exporter, or name another directory with --textfile DIR/flatnet.prom",
                ));
            }
            places.extend(found);
        }
        Ok(places)
    }
}

/// Parses the path of a file that `node_exporter` reads.
fn textfile(text: &str) -> Result<PathBuf, &'static str> {
    let file = super::path(text)?;
    match file.extension() {
        Some(extension) if extension == EXTENSION => Ok(file),
        _ => Err("its name must end in .prom: node_exporter reads no other file"),
    }
}

/// Where the page is collected on this host.
fn published_at(config: &Config) -> Vec<PathBuf> {
    let exporter = Path::new(NODE_EXPORTER);
    let file = format!("{}.{EXTENSION}", units::name("flatnet", &config.network));
    let gateway = &config.gateway.directory;
    let places = [
        exporter.is_dir().then(|| exporter.join(file)),
        install::platform(gateway).map(|_| gateway.join("state/host.prom")),
    ];
    places.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_node_exporter_reads_are_accepted() {
        assert_eq!(textfile("/x/flatnet.prom").unwrap(), Path::new("/x/flatnet.prom"));
        for bad in ["flatnet.txt", "/x/.prom", "prom", "/x/prom/", "", "a\nb.prom"] {
            assert!(textfile(bad).is_err(), "{bad:?}");
        }
    }
}
