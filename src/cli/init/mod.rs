//! `flatnet init`: the configuration, the conflist and the plugin's links, for this host.

mod advice;
mod install;
mod podman;
mod templates;
mod units;

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use self::install::{Content, Item, Outcome, install};
use self::podman::Podman;
use super::{Options, output};
use crate::config::{self, Config};
use crate::error::{Result, io};
use crate::execute::HostExecutor;
use crate::types::{IfName, NetworkName};

/// Where a Podman with CNI looks for networks.
const CONFLISTS: &str = "/etc/cni/net.d";
/// Where a Podman with CNI, and one with netavark, look for plugins.
const PLUGINS: [&str; 2] = ["/opt/cni/bin/flatnet", "/usr/local/libexec/netavark/flatnet"];

/// Write the configuration, tell Podman of the network, and say what comes next.
///
/// Writes the YAML (--config says where), the conflist /etc/cni/net.d/NETWORK.conflist, and links this program as
/// plugin into /opt/cni/bin (Podman 4) and /usr/local/libexec/netavark (Podman 5); where systemd runs, units that bring
/// this host up and repair it at boot and collect garbage every hour, to be enabled. It asks nothing, works without
/// Podman, changes nothing of Podman's own, and overwrites nothing unless told to.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet init\n  flatnet init --host 7            # this host's share is 10.87.7.0/24\n  flatnet init --force             # overwrite what differs\n  flatnet init --network lab --bridge lab-br0 --host 8 --config /etc/flatnet/lab.yaml   # a second network"
)]
pub(super) struct Init {
    /// Give this host the subnet 10.87.N.0/24.
    #[arg(long, value_name = "N", default_value_t = 1)]
    host: u8,
    /// The name people use after `podman run --network`.
    #[arg(long, value_name = "NAME", default_value = "flatnet")]
    network: NetworkName,
    /// The bridge on this host.
    #[arg(long, value_name = "NAME", default_value = "flatnet-br0")]
    bridge: IfName,
    /// Overwrite what is there and differs.
    #[arg(long)]
    force: bool,
    /// Write below DIR instead of /, for packages and images; Podman is then not looked at.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let path = std::path::absolute(&options.config).map_err(io("find", &options.config))?;
        let yaml = templates::yaml(self.host, &self.network, &self.bridge);
        let config = self.effective(&path, &yaml)?;
        let items = self.items(&path, yaml, &config)?;
        let outcomes = install(&items, self.force)?;
        if self.root.is_none() {
            note_writable_by_others()?;
        }
        let podman = if self.root.is_some() {
            Podman::NotAsked
        } else {
            Podman::ask(&mut executor(), &config.network)
        };
        if options.json {
            let files: Vec<_> = items
                .iter()
                .zip(&outcomes)
                .map(|(item, outcome)| json!({"path": item.path, "outcome": outcome}))
                .collect();
            output::print(&format!("{:#}\n", json!({"files": files, "podman": podman})));
        } else {
            output::print(&table(&items, &outcomes));
            output::print(&advice::advice(&podman, &config.network, &path));
            if self.root.is_none() {
                output::print(&advice::at_boot(units::is_booted(), &config.network));
            }
        }
        Ok(0)
    }

    /// The configuration that will hold: one that is there and stays is read.
    fn effective(&self, path: &Path, yaml: &str) -> Result<Config> {
        let placed = self.placed(path);
        if !self.force && placed.exists() { config::load(&placed) } else { config::parse(yaml, path) }
    }

    fn items(&self, path: &Path, yaml: String, config: &Config) -> Result<Vec<Item>> {
        let exe = executable()?;
        // A package's program lies below the root too, and is linked to as it will be found later.
        let target = match &self.root {
            Some(root) => {
                let root = std::path::absolute(root).map_err(io("find", root))?;
                exe.strip_prefix(root).map_or(exe.clone(), |inside| Path::new("/").join(inside))
            }
            None => exe,
        };
        let conflist = Path::new(CONFLISTS).join(format!("{}.conflist", config.network));
        let mut items = vec![
            Item { path: self.placed(path), content: Content::File(yaml) },
            Item {
                path: self.placed(&conflist),
                content: Content::File(templates::conflist(&config.network, path)),
            },
        ];
        items.extend(
            PLUGINS.map(|link| Item {
                path: self.placed(Path::new(link)),
                content: Content::Link(target.clone()),
            }),
        );
        if self.root.is_some() || units::is_booted() {
            let units = units::units(&config.network, &target, path);
            items.extend(units.into_iter().map(|(name, text)| Item {
                path: self.placed(&Path::new(units::DIRECTORY).join(name)),
                content: Content::File(text),
            }));
        }
        Ok(items)
    }

    /// Where the file that is called `path` later lies now.
    fn placed(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}

/// This program, without links on the way.
fn executable() -> Result<PathBuf> {
    std::env::current_exe().and_then(std::fs::canonicalize).map_err(io("find", Path::new("/proc/self/exe")))
}

/// Podman runs the plugin as root, so who may write it may do anything.
fn note_writable_by_others() -> Result<()> {
    let exe = executable()?;
    let found = std::fs::metadata(&exe).map_err(io("look at", &exe))?;
    if found.uid() != 0 || found.mode() & 0o022 != 0 {
        output::note(&format!(
            "Note: {} may be written by others than root, and Podman now runs it as root: `install -m 755 {} /usr/local/bin/` and init from there",
            exe.display(),
            exe.display()
        ));
    }
    Ok(())
}

fn executor() -> HostExecutor {
    // Podman's storage may have to be set up first.
    HostExecutor::new(Duration::from_secs(30))
}

fn table(items: &[Item], outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (Item { path, content }, outcome) in items.iter().zip(outcomes) {
        let what = match content {
            Content::File(_) => path.display().to_string(),
            Content::Link(target) => format!("{} -> {}", path.display(), target.display()),
        };
        let hint = if *outcome == Outcome::Kept { " (differs; overwrite it with --force)" } else { "" };
        let _ = writeln!(text, "{:<12}{what}{hint}", outcome.word());
    }
    text
}
