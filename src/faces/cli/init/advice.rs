//! The next steps after `flatnet init`.

use std::path::Path;

use crate::kernel::observe::host::WslMode;
use crate::kernel::packages;
use crate::model::config::DEFAULT_PATH;
use crate::model::types::NetworkName;
use crate::setup::podman::Podman;
use crate::setup::{PLUGIN_FOLDERS, units};

/// How this Podman calls Flatnet, and the next commands.
pub(super) fn advice(podman: &Podman, network: &NetworkName, config: &Path) -> String {
    let up = format!(
        "  flatnet{} up",
        if is_default(config) { String::new() } else { format!(" --config {}", config.display()) }
    );
    let run = format!("  podman run --network {network} IMAGE");
    match podman {
        Podman::NotAsked => String::new(),
        Podman::Missing => format!(
            "\nPodman is not installed. Install it (`{}`) and run `flatnet init` again to see how it \
             uses Flatnet.\nUntil then:\n{up}\n",
            packages::install("podman")
        ),
        Podman::Unknown { why } => format!(
            "\nPodman's network backend is unknown: {why}\nFix that, then run `flatnet init` again to see how it uses \
             Flatnet.\n"
        ),
        Podman::Cni { version, lists_network: true } => {
            format!("\nPodman {version} uses CNI and calls Flatnet as a CNI plugin. Next:\n{up}\n{run}\n")
        }
        Podman::Cni { version, lists_network: false } => format!(
            "\nPodman {version} uses CNI, but does not list the network {network}; run `podman network ls` to see why.\nIts \
             containers.conf must have {} in `cni_plugin_dirs` and /etc/cni/net.d as `network_config_dir`, which are the \
             defaults.\n",
            PLUGIN_FOLDERS[0]
        ),
        Podman::Netavark { version, lists_network, finds_plugin } => {
            netavark(version, *lists_network, *finds_plugin, network, config, &up, &run)
        }
        Podman::TooOld { version } => too_old(version, network, &up, &run),
    }
}

/// The commands that make network managers ignore Flatnet's links.
pub(super) fn reload(commands: &[&str]) -> String {
    if commands.is_empty() {
        return String::new();
    }
    format!("First, so that the network manager ignores Flatnet's links:\n  {}\n", commands.join("\n  "))
}

/// The commands that enable Flatnet at boot.
pub(super) fn at_boot(has_systemd: bool, network: &NetworkName) -> String {
    if has_systemd {
        let (up, gc) = (units::name("flatnet", network), units::name("flatnet-gc", network));
        format!(
            "To start Flatnet at boot, before Podman starts containers:\n  systemctl enable --now {up}.service {gc}.timer\n"
        )
    } else {
        "systemd is not running. After a reboot run `flatnet up` and `flatnet repair` before you start containers; \
         otherwise the first container does it.\n"
            .to_owned()
    }
}

/// What is different in a podman machine, whose user is `user`, and with its user-mode networking, which all distributions share.
pub(super) fn in_machine(user: Option<String>, mode: &WslMode) -> String {
    let user = user.map_or_else(String::new, |user| {
        format!(
            "This is a podman machine. Unless it is rootful, its Podman is that of {user}:\n  flatnet init --rootless {user}\n"
        )
    });
    let mode = if *mode == WslMode::UserMode {
        "Podman machine's user-mode networking is on: Windows has no route to containers. It reaches published ports only, until you \
         run in Windows:\n  podman machine stop\n  podman machine set --user-mode-networking=false\n  podman machine start\n"
    } else {
        ""
    };
    user + mode
}

fn is_default(config: &Path) -> bool {
    config == Path::new(DEFAULT_PATH)
}

fn netavark(
    version: &str,
    lists_network: bool,
    finds_plugin: bool,
    network: &NetworkName,
    config: &Path,
    up: &str,
    run: &str,
) -> String {
    let option = if is_default(config) { String::new() } else { format!(" -o config={}", config.display()) };
    let create = if lists_network {
        String::new()
    } else {
        format!("  podman network create -d flatnet{option} {network}\n")
    };
    let missing = if finds_plugin {
        String::new()
    } else {
        format!(
            "\nIt does not find the plugin. Write in section [network] of /etc/containers/containers.conf:\n  \
             netavark_plugin_dirs = [{}]\n",
            PLUGIN_FOLDERS[1]
        )
    };
    format!(
        "\nPodman {version} uses netavark and calls Flatnet as a netavark plugin.\n{missing}Next:\n{up}\n{create}{run}\n"
    )
}

/// Sources: podman-network(1) and containers.conf(5).
fn too_old(version: &str, network: &NetworkName, up: &str, run: &str) -> String {
    format!(
        "
Podman {version} uses a netavark version without plugin support, so it cannot use Flatnet. It can with the CNI backend.
To switch to CNI:

  1. Stop all containers (`podman stop --all`). Otherwise netavark's interfaces and rules may stay until the next
     reboot.
  2. Write in section [network] of /etc/containers/containers.conf:  network_backend = \"cni\"
     Podman's own networks then need the package containernetworking-plugins.
  3. Recreate your networks under the same names (`podman network create`). Each backend has its own networks, and
     containers on a missing network do not start. Containers on Podman's default network do.
  4. Check that `podman network ls` lists {network}, then:
{up}
{run}

What it costs: netavark's networks, their addresses and their DNS names. Images and volumes are kept. To start over
instead, `podman system reset` removes all containers, images, networks and volumes.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(podman: &Podman, config: &str) -> String {
        advice(podman, &NetworkName::parse("flatnet").unwrap(), Path::new(config))
    }

    #[test]
    fn network_create_is_advised_until_network_exists() {
        let podman = |lists_network, finds_plugin| Podman::Netavark {
            version: "5.4.2".to_owned(),
            lists_network,
            finds_plugin,
        };
        let text = words(&podman(false, true), DEFAULT_PATH);
        assert!(text.contains("\n  podman network create -d flatnet flatnet\n"), "{text}");
        assert!(!text.contains("netavark_plugin_dirs"), "{text}");
        let text = words(&podman(false, false), "/etc/lab.yaml");
        assert!(
            text.contains("\n  podman network create -d flatnet -o config=/etc/lab.yaml flatnet\n"),
            "{text}"
        );
        assert!(text.contains("flatnet --config /etc/lab.yaml up"), "{text}");
        assert!(
            text.contains(
                "netavark_plugin_dirs = [\"/usr/local/libexec/netavark\", \"/usr/libexec/netavark\"]"
            ),
            "{text}"
        );
        assert!(!words(&podman(true, true), DEFAULT_PATH).contains("network create"));
    }

    #[test]
    fn old_netavark_advice_explains_switch_to_cni() {
        let text = words(&Podman::TooOld { version: "4.3.1".to_owned() }, DEFAULT_PATH);
        for part in ["network_backend = \"cni\"", "podman stop --all", "What it costs", "podman system reset"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
