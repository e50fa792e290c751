//! `flatnet gateway install`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::error::{Result, io};
use crate::faces::cli::{Options, output};
use crate::model::config::{Config, drive};
use crate::nginx::install::{
    FileOutcome, InstalledFile, Platform, Target, USER, files, hand_over_state, has_http2_directive, install,
    put_all,
};
use crate::routes::containers::host_name;
use crate::setup::install::Item;
use crate::setup::{executable, or_packaged, units};

/// Write the gateway's files: nginx configuration, Lua and pages.
///
/// DIR defaults to `gateway.directory` of the configuration. Put your own additions into DIR/conf/local.d/, which is never
/// changed. Other files that you edited are kept, and reported. After a change of the configuration or an upgrade of
/// Flatnet or nginx, run it again and reload nginx. Run `flatnet up` to let containers reach a gateway on this host. With
/// systemd it also writes units for `gateway watch` and (on linux) for the gateway; you enable them.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway install                                    # on this host\n  flatnet gateway install /mnt/c/flatnet/gateway             # OpenResty on Windows, seen from WSL2\n  flatnet gateway install DIR --platform windows --force     # overwrite edited files"
)]
pub(super) struct Install {
    /// The gateway's directory.
    #[arg(value_name = "DIR", value_parser = crate::faces::cli::path)]
    directory: Option<PathBuf>,
    /// The system that runs nginx. Default: windows for a directory on a Windows disk (/mnt/c/..), else linux.
    #[arg(long)]
    platform: Option<Platform>,
    /// Overwrite edited files.
    #[arg(long)]
    force: bool,
}

impl Install {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let wanted = self.directory.as_ref().unwrap_or(&config.gateway.directory);
        let directory = std::path::absolute(wanted).map_err(io("find", wanted))?;
        let platform = self.platform.unwrap_or_else(|| Platform::of(&directory));
        let has_http2 = has_http2_directive(platform, &directory, &mut options.executor(&config));
        let files = files(&config, Target { platform, name: &host_name(&config), has_http2 })?;
        let mut installed = install(&directory, &files, platform, &config.network, self.force)?;
        let is_root = rustix::process::geteuid().is_root();
        if platform == Platform::Linux && is_root {
            hand_over_state(&directory, USER)?;
        }
        let has_units = units::is_booted() && is_root;
        if has_units {
            let items = unit_files(&config, &directory, platform, &options.config)?;
            installed.extend(put_all(items, self.force)?);
        }
        if options.json {
            output::print_json(&json!({"directory": directory, "platform": platform, "files": installed}));
            return Ok(0);
        }
        output::print(&table(&installed));
        if directory != config.gateway.directory {
            output::note(&format!(
                "Note: routes are written to {}. To change that, write in section gateway of {}: `directory: {}`",
                config.gateway.directory.display(),
                options.config.display(),
                directory.display()
            ));
        }
        let next =
            Next { config: &config, directory: &directory, platform, flatnet: options.program(), has_units };
        output::print(&next.text());
        Ok(0)
    }
}

/// The unit of watch, which `init` writes too, and on linux that of the gateway.
fn unit_files(
    config: &Config,
    directory: &Path,
    platform: Platform,
    config_path: &Path,
) -> Result<Vec<Item>> {
    let path = std::path::absolute(config_path).map_err(io("find", config_path))?;
    let mut items = vec![units::watch(&config.network, &executable()?, &path)];
    if platform == Platform::Linux {
        items.push(units::gateway(&config.network, directory));
    }
    items.into_iter().map(or_packaged).collect()
}

/// Changed files line by line, and the count of unchanged ones.
fn table(installed: &[InstalledFile]) -> String {
    let line = |one: &InstalledFile| {
        let hint =
            if one.outcome == FileOutcome::Kept { " (edited; use --force to overwrite it)" } else { "" };
        format!("{:<12}{}{hint}\n", one.outcome.word(), one.path.display())
    };
    let changed: String =
        installed.iter().filter(|one| one.outcome != FileOutcome::AlreadySo).map(line).collect();
    let same = installed.iter().filter(|one| one.outcome == FileOutcome::AlreadySo).count();
    if same > 0 { format!("{changed}{same} files are unchanged\n") } else { changed }
}

/// The next commands.
struct Next<'a> {
    config: &'a Config,
    directory: &'a Path,
    platform: Platform,
    /// `flatnet` with its options.
    flatnet: String,
    /// Whether the units are there.
    has_units: bool,
}

impl Next<'_> {
    fn text(&self) -> String {
        let Self { config, directory, platform, .. } = self;
        let here = directory.display().to_string();
        let (seen, nginx) = match platform {
            Platform::Linux => (here, "nginx"),
            Platform::Windows => (drive(directory).unwrap_or(here), "openresty\\nginx.exe"),
        };
        let mut lines = vec![format!("{nginx} -t -p {seen} -c conf/nginx.conf")];
        if *platform == Platform::Linux {
            let packages = "nginx-light libnginx-mod-http-lua lua-cjson lua-resty-core";
            lines.insert(0, format!("apt-get install {packages}   # if they are missing"));
        }
        if *platform == Platform::Windows || !self.has_units {
            lines.push(format!("{nginx} -p {seen} -c conf/nginx.conf"));
        }
        if *platform == Platform::Linux {
            lines.push(format!("{} up   # opens the gateway's ports to containers", self.flatnet));
        }
        lines.push(self.watch());
        let domains: Vec<&str> =
            config.gateway.domains.iter().map(crate::model::types::HostName::as_str).collect();
        format!(
            "\nNext:\n  {}\nNames in {} must resolve to the gateway, in the LAN's DNS or in each client's hosts file.\n",
            lines.join("\n  "),
            domains.join(", ")
        )
    }

    /// The command that keeps the routes up to date, and on linux starts the gateway.
    fn watch(&self) -> String {
        let Self { flatnet, config, .. } = self;
        let unit = |stem| format!("{}.service", units::name(stem, &config.network));
        let (gateway, watch) = (unit("flatnet-gateway"), unit("flatnet-gateway-watch"));
        match (self.has_units, self.platform) {
            (true, Platform::Linux) => format!("systemctl enable --now {gateway} {watch}"),
            (true, Platform::Windows) => format!("systemctl enable --now {watch}"),
            (false, _) => format!("{flatnet} gateway watch   # keeps the routes up to date"),
        }
    }
}
