//! `flatnet gateway install`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::{Options, output};
use crate::config::Config;
use crate::error::io;
use crate::gateway::install::{Became, Installed, Platform, USER, files, hand_over_state, install};
use crate::gateway::look::host_name;
use crate::setup::units;

/// Write the gateway's files: nginx's configuration, Lua, pages.
///
/// DIR is `gateway.directory` of the configuration unless given. What you add goes into DIR/conf/local.d/, which is never
/// touched; of the other files those that you have edited stay, and are named. Run it again after a change of the
/// configuration or an upgrade of Flatnet, and reload nginx.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet gateway install                                    # on this host\n  flatnet gateway install /mnt/c/flatnet/gateway             # OpenResty on Windows, seen from WSL2\n  flatnet gateway install DIR --platform windows --force     # overwrite what was edited, too"
)]
pub(super) struct Install {
    /// Where to.
    #[arg(value_name = "DIR", value_parser = crate::cli::path)]
    directory: Option<PathBuf>,
    /// What runs it; unless given, windows for a directory on a disk of Windows (/mnt/c/..), else linux.
    #[arg(long)]
    platform: Option<Platform>,
    /// Overwrite what was edited.
    #[arg(long)]
    force: bool,
}

impl Install {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let config = options.config()?;
        let wanted = self.directory.as_ref().unwrap_or(&config.gateway.directory);
        let directory = std::path::absolute(wanted).map_err(io("find", wanted))?;
        let platform = self.platform.unwrap_or_else(|| platform_of(&directory));
        let files = files(&config, platform, &host_name(&config), USER)?;
        let installed = install(&directory, &files, self.force)?;
        if platform == Platform::Linux && rustix::process::geteuid().is_root() {
            hand_over_state(&directory, USER)?;
        }
        if options.json {
            output::print_json(&json!({"directory": directory, "platform": platform, "files": installed}));
            return Ok(0);
        }
        output::print(&table(&installed));
        if directory != config.gateway.directory {
            output::note(&format!(
                "Note: routes are written to {}: in the section gateway of {} write `directory: {}`",
                config.gateway.directory.display(),
                options.config.display(),
                directory.display()
            ));
        }
        output::print(&next(&config, &directory, platform, &options.program()));
        Ok(0)
    }
}

/// On a disk of Windows the gateway is `OpenResty`'s.
fn platform_of(directory: &Path) -> Platform {
    if drive(directory).is_some() { Platform::Windows } else { Platform::Linux }
}

/// `C:/flatnet/gateway` for `/mnt/c/flatnet/gateway`.
fn drive(directory: &Path) -> Option<String> {
    let rest = directory.to_str()?.strip_prefix("/mnt/")?;
    let (letter, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_letter.then(|| format!("{}:/{path}", letter.to_ascii_uppercase()))
}

/// What is not as it was, file by file; the rest is counted.
fn table(installed: &[Installed]) -> String {
    let line = |one: &Installed| {
        let hint = if one.outcome == Became::Kept { " (edited; overwrite it with --force)" } else { "" };
        format!("{:<12}{}{hint}\n", one.outcome.word(), one.path.display())
    };
    let changed: String = installed.iter().filter(|one| one.outcome != Became::AlreadySo).map(line).collect();
    let same = installed.iter().filter(|one| one.outcome == Became::AlreadySo).count();
    if same > 0 { format!("{changed}{same} files are already so\n") } else { changed }
}

fn next(config: &Config, directory: &Path, platform: Platform, flatnet: &str) -> String {
    let here = directory.display();
    let (seen, nginx, packages) = match platform {
        Platform::Linux => (
            here.to_string(),
            "nginx",
            "  apt-get install nginx-light libnginx-mod-http-lua lua-cjson lua-resty-core   # where they are missing\n",
        ),
        Platform::Windows => {
            (drive(directory).unwrap_or_else(|| here.to_string()), "openresty\\nginx.exe", "")
        }
    };
    let watch = units::name("flatnet-gateway-watch", &config.network);
    let domains: Vec<&str> = config.gateway.domains.iter().map(crate::types::HostName::as_str).collect();
    format!(
        "\nNext:\n{packages}  {nginx} -t -p {seen} -c conf/nginx.conf\n  {nginx} -p {seen} -c conf/nginx.conf\n  {flatnet} gateway sync\n\
         To keep the routes as the containers are: systemctl enable --now {watch}.service\n\
         Names in {} must lead to the gateway: in the LAN's DNS, or in each client's hosts file.\n",
        domains.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_of_windows_is_known() {
        let drive = |path: &str| drive(Path::new(path));
        assert_eq!(drive("/mnt/c/flatnet/gateway").as_deref(), Some("C:/flatnet/gateway"));
        assert_eq!(drive("/mnt/d").as_deref(), Some("D:/"));
        for path in ["/mnt/wsl/x", "/mnt", "/var/lib/flatnet-gateway", "/mnt/data/gateway"] {
            assert_eq!(drive(path), None, "{path}");
        }
    }
}
