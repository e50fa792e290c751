//! Which network backend Podman uses, and whether it can call Flatnet at all.

use std::path::Path;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::setup::podman::Podman;
use crate::setup::{PLUGINS, packaged};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "podman-backend",
    group: Group::Podman,
    looks_at: "Podman's version and network backend, and whether it finds the plugin",
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
        Podman::NotAsked | Podman::Missing => Finding::not_applicable("there is no Podman on this host"),
        Podman::Unknown { why } => Finding::failure(format!("Podman does not answer: {why}"))
            .help("Mend that first: Flatnet is called by it"),
        Podman::Cni { version, .. } => Finding::good(format!("Podman {version} calls Flatnet as CNI plugin")),
        Podman::Netavark { version, finds_plugin: true, .. } => {
            Finding::good(format!("Podman {version} calls Flatnet as netavark plugin"))
        }
        Podman::Netavark { version, .. } if !is_plugin_there => Finding::not_looked(format!(
            "Podman {version} uses netavark, and there is no plugin that it could find: see plugin"
        )),
        Podman::Netavark { version, .. } => Finding::failure(format!(
            "Podman {version} uses netavark, and does not find the plugin"
        ))
        .commands([DROP_IN])
        .help("Another file may set `netavark_plugin_dirs`, too: containers.conf(5) says which one counts"),
        Podman::TooOld { version } => Finding::failure(format!(
            "Podman {version} uses a netavark that knows no plugins"
        ))
        .help(
            "With its other backend, CNI, it can use Flatnet: `flatnet init` says how, and what that costs",
        ),
    }
}

/// Last of all in its folder, so that it counts.
const DROP_IN: &str = r#"mkdir -p /etc/containers/containers.conf.d && printf '[network]\nnetavark_plugin_dirs = ["/usr/local/libexec/netavark", "/usr/libexec/netavark", "/usr/lib/podman"]\n' > /etc/containers/containers.conf.d/zz-flatnet.conf"#;
