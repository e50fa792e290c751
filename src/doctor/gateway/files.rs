//! The gateway's files match this version and configuration.

use std::path::{Path, PathBuf};

use super::{reload, where_installed};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::Engine;
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::nginx::install::{Differences, Platform, differences};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-files",
    group: Group::Gateway,
    looks_at: "nginx's configuration, Lua and pages in `gateway.directory`, compared with what `flatnet gateway install` would write",
    shows: "a change of the configuration, or an upgrade, has no effect on the gateway; or nginx does not start",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let directory = context.engine.config.gateway.directory.clone();
        let look =
            |engine: &Engine, executor: &mut dyn Executor| differences(&engine.config, platform, executor);
        let Differences { missing, older, edited } = context.with_podman(look)?;
        let mut install = vec!["gateway", "install"];
        if platform != Platform::of(&directory) {
            install.extend(["--platform", platform.word()]);
        }
        let reload = format!("nginx loads it on {}", reload(context, platform));
        let mut findings = Vec::new();
        if !missing.is_empty() {
            findings.push(
                Finding::failure(format!("{} lacks {}", directory.display(), listed(&missing)))
                    .fixed_by_flatnet(context, &install)?
                    .help(reload.as_str()),
            );
        }
        if !older.is_empty() {
            let what = "from another version or configuration";
            findings.push(
                Finding::warning(format!("{what}: {} in {}", listed(&older), directory.display()))
                    .fixed_by_flatnet(context, &install)?
                    .help(reload.as_str()),
            );
        }
        if !edited.is_empty() {
            let what = format!("modified locally: {} in {}", listed(&edited), directory.display());
            findings.push(
                Finding::warning(what)
                    .commands([context.flatnet(&format!("{} --force", install.join(" ")))])
                    .help(format!(
                        "First move your changes to conf/local.d/, which is never replaced. {reload}"
                    )),
            );
        }
        if findings.is_empty() {
            findings.push(Finding::good(format!("{} matches this version", directory.display())));
        }
        Ok(findings)
    })
}

/// The first three, and the number of the others.
fn listed(paths: &[PathBuf]) -> String {
    let shown: Vec<String> =
        paths.iter().take(3).map(|path: &PathBuf| Path::display(path).to_string()).collect();
    let more = paths.len().saturating_sub(shown.len());
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    shown.join(", ") + &rest
}
