//! Podman's network backend, and whether it can call Flatnet.

use std::path::Path;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::setup::podman::Podman;
use crate::setup::{PLUGINS, packaged};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "podman-backend",
    group: Group::Podman,
    looks_at: "Podman's version and network backend, and whether Podman finds the plugin",
    shows: "`podman run --network flatnet` fails: \"network not found\", or \"unknown network driver\"",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let plugin = Path::new(PLUGINS[1]);
    let is_there = plugin.exists() || packaged(plugin).is_some_and(|path| path.exists());
    Ok(vec![judge(context.podman(), is_there)])
}

fn judge(podman: &Podman, is_plugin_there: bool) -> Finding {
    match podman {
        Podman::NotAsked | Podman::Missing => Finding::not_applicable("Podman is not installed"),
        Podman::Unknown { why } => Finding::failure(format!("Podman is not working: {why}"))
            .help("Fix Podman first: it calls Flatnet"),
        Podman::Cni { version, .. } => {
            Finding::good(format!("Podman {version} calls Flatnet as a CNI plugin"))
        }
        Podman::Netavark { version, finds_plugin: true, .. } => {
            Finding::good(format!("Podman {version} calls Flatnet as a netavark plugin"))
        }
        Podman::Netavark { version, .. } if !is_plugin_there => Finding::not_looked(format!(
            "Podman {version} uses netavark, and the plugin is not installed: see plugin"
        )),
        Podman::Netavark { version, .. } => Finding::failure(format!(
            "Podman {version} uses netavark and does not find the plugin"
        ))
        .commands([DROP_IN])
        .help(
            "Another file may also set `netavark_plugin_dirs`: containers.conf(5) describes the precedence",
        ),
        Podman::TooOld { version } => Finding::failure(format!(
            "Podman {version} uses a netavark without plugin support"
        ))
        .help(
            "Podman's CNI backend can use Flatnet: `flatnet init` prints how to switch and the consequences",
        ),
    }
}

/// Named to sort last in its folder, so that it takes precedence.
const DROP_IN: &str = r#"mkdir -p /etc/containers/containers.conf.d && printf '[network]\nnetavark_plugin_dirs = ["/usr/local/libexec/netavark", "/usr/libexec/netavark", "/usr/lib/podman"]\n' > /etc/containers/containers.conf.d/zz-flatnet.conf"#;
