//! `flatnet init`: writes the configuration, the conflist and the plugin links.

mod advice;
mod rootless;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Options, output};
use crate::engine::Engine;
use crate::error::{Result, io};
use crate::faces::plugin;
use crate::kernel::observe::host::wsl_mode;
use crate::log::Log;
use crate::model::config::{self, Config};
use crate::model::types::{IfName, NetworkName};
use crate::setup::install::{Content, FileOutcome, Item, install};
use crate::setup::podman::Podman;
use crate::setup::unmanaged::Program;
use crate::setup::{self, executable, machine, templates, units};

/// Write the configuration, register the network with Podman, and print the next steps.
///
/// Writes the configuration (to the path of --config) and the conflist /etc/cni/net.d/NETWORK.conflist, and links this
/// program as a plugin into /opt/cni/bin (Podman 4) and /usr/local/libexec/netavark (Podman 5). With systemd it also writes
/// units that run `up` and `repair` at boot and `gc` every hour; you enable them. With systemd-networkd or `NetworkManager`
/// it writes a file that makes it ignore containers' links. Files that the Debian package installed are not written again.
/// It does not need Podman, does not change Podman's own files, and overwrites nothing unless --force is given.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet init\n  flatnet init --host 7            # this host's subnet is 10.87.7.0/24\n  flatnet init --force             # overwrite files that differ\n  flatnet init --rootless alice    # containers of alice's rootless Podman, too; --remove takes it back\n  flatnet init --network lab --bridge lab-br0 --host 8 --config /etc/flatnet/lab.yaml   # a second network"
)]
pub(super) struct Init {
    /// Set this host's subnet to 10.87.N.0/24.
    #[arg(long, value_name = "N", default_value_t = 1)]
    host: u8,
    /// The network's name, as used in `podman run --network`.
    #[arg(long, value_name = "NAME", default_value = "flatnet")]
    network: NetworkName,
    /// The bridge's name on this host.
    #[arg(long, value_name = "NAME", default_value = "flatnet-br0")]
    bridge: IfName,
    /// Overwrite existing files that differ.
    #[arg(long)]
    force: bool,
    /// Write below DIR instead of /, for packages and images. Podman is not queried then.
    #[arg(long, value_name = "DIR", value_parser = super::path)]
    root: Option<PathBuf>,
    #[command(flatten)]
    rootless: rootless::Rootless,
}

impl Init {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let path = std::path::absolute(&options.config).map_err(io("find", &options.config))?;
        // The plugin reads this path from the conflist. And nothing may be written outside of --root.
        let path = plugin::config_path(Some(&path.to_string_lossy()))?;
        if self.root.is_none() {
            machine::refuse_outside()?;
        }
        if let Some(status) = self.rootless.run(&path, options)? {
            return Ok(status);
        }
        let yaml = templates::yaml(self.host, &self.network, &self.bridge);
        let config = self.effective(&path, &yaml)?;
        let items = self.items(&path, yaml, &config)?;
        let outcomes = install(&items, self.force)?;
        if self.root.is_none() {
            note_writable_by_others()?;
            // Needs root. A failure is reported by the command that needs the owner mark.
            let _ = Engine::open(config.clone(), Log::silent()).and_then(|engine| engine.mark());
        }
        let podman = if self.root.is_some() {
            Podman::NotAsked
        } else {
            Podman::ask(&mut Podman::executor(config.limits.command_seconds), &config.network)
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
                output::print(&advice::reload(&to_reload(&items, &outcomes, &config)));
                output::print(&advice::at_boot(units::is_booted(), &config.network));
                let mut executor = Podman::executor(config.limits.command_seconds);
                output::print(&advice::in_machine(machine::user(), &wsl_mode(&mut executor)));
            }
        }
        Ok(0)
    }

    /// The configuration after this run: an existing file that is kept, else the new one.
    fn effective(&self, path: &Path, yaml: &str) -> Result<Config> {
        let placed = self.placed(path);
        if !self.force && placed.exists() { config::load(&placed) } else { config::parse(yaml, path) }
    }

    fn items(&self, path: &Path, yaml: String, config: &Config) -> Result<Vec<Item>> {
        let exe = executable()?;
        // A package's program is below the root too; the link must point to its final path.
        let target = match &self.root {
            Some(root) => {
                let root = std::path::absolute(root).map_err(io("find", root))?;
                exe.strip_prefix(root).map_or(exe.clone(), |inside| Path::new("/").join(inside))
            }
            None => exe,
        };
        let yaml = Item { path: path.to_owned(), content: Content::File(yaml) };
        let mut items = vec![yaml, setup::conflist(&config.network, path)];
        items.extend(setup::plugin_links(&target));
        if self.root.is_some() || units::is_booted() {
            items.extend(units::units(&config.network, &target, path));
        }
        let programs = Program::ALL.into_iter().filter(|program| self.root.is_some() || program.is_here());
        items.extend(programs.map(|program| program.file(&config.network, &config.bridge)));
        if self.root.is_none() {
            return items.into_iter().map(setup::or_packaged).collect();
        }
        let placed = |item: Item| Item { path: self.placed(&item.path), ..item };
        Ok(items.into_iter().map(placed).collect())
    }

    /// Where to write the file whose final path is `path`.
    fn placed(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}

/// The commands that make running programs reload their changed file.
fn to_reload(items: &[Item], outcomes: &[FileOutcome], config: &Config) -> Vec<&'static str> {
    let is_new =
        |path: &Path| items.iter().zip(outcomes).any(|(item, outcome)| item.path == path && outcome.writes());
    let new = |program: &Program| is_new(&program.file(&config.network, &config.bridge).path);
    Program::ALL.into_iter().filter(new).filter_map(Program::reload).collect()
}

/// Podman runs the plugin as root, so a user who can write to it gains root.
fn note_writable_by_others() -> Result<()> {
    let exe = executable()?;
    if setup::is_writable_by_others(&exe)? {
        output::note(&format!(
            "Note: {} is writable by users other than root, and Podman runs it as root: run `install -m 755 {} /usr/local/bin/`, then init from there",
            exe.display(),
            exe.display()
        ));
    }
    Ok(())
}

fn table(items: &[Item], outcomes: &[FileOutcome]) -> String {
    let mut text = String::new();
    for (Item { path, content }, outcome) in items.iter().zip(outcomes) {
        let what = match content {
            Content::File(_) => path.display().to_string(),
            Content::Link(target) => format!("{} -> {}", path.display(), target.display()),
        };
        let hint = if *outcome == FileOutcome::Kept { " (differs; use --force to overwrite it)" } else { "" };
        let _ = writeln!(text, "{:<12}{what}{hint}", outcome.word());
    }
    text
}
