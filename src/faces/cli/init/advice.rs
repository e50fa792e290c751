//! What to do after `flatnet init`, in words.

use std::path::Path;

use crate::model::config::DEFAULT_PATH;
use crate::model::types::NetworkName;
use crate::setup::podman::Podman;
use crate::setup::{PLUGIN_FOLDERS, units};

/// Which of Flatnet's faces this Podman uses, and the commands that come next.
pub(super) fn advice(podman: &Podman, network: &NetworkName, config: &Path) -> String {
    let up = format!(
        "  flatnet{} up",
        if is_default(config) { String::new() } else { format!(" --config {}", config.display()) }
    );
    let run = format!("  podman run --network {network} IMAGE");
    match podman {
        Podman::NotAsked => String::new(),
        Podman::Missing => format!(
            "\nThere is no Podman on this host. When there is (`apt-get install podman`), `flatnet init` says how it \
             uses Flatnet.\nUntil then:\n{up}\n"
        ),
        Podman::Unknown { why } => format!(
            "\nWhich network backend Podman uses is not known: {why}\nMend that, then `flatnet init` says how it uses \
             Flatnet.\n"
        ),
        Podman::Cni { version, lists_network: true } => {
            format!("\nPodman {version} uses CNI and calls Flatnet as a CNI plugin. Next:\n{up}\n{run}\n")
        }
        Podman::Cni { version, lists_network: false } => format!(
            "\nPodman {version} uses CNI, but does not list the network {network}: `podman network ls` says why.\nIts \
             containers.conf must have {} among `cni_plugin_dirs` and /etc/cni/net.d as `network_config_dir`, as is the \
             default.\n",
            PLUGIN_FOLDERS[0]
        ),
        Podman::Netavark { version, lists_network, finds_plugin } => {
            netavark(version, *lists_network, *finds_plugin, network, config, &up, &run)
        }
        Podman::TooOld { version } => too_old(version, network, &up, &run),
    }
}

/// What makes programs that manage links read that Flatnet's are not theirs.
pub(super) fn reload(commands: &[&str]) -> String {
    if commands.is_empty() {
        return String::new();
    }
    format!(
        "Before, so that what manages this host's links leaves Flatnet's alone:\n  {}\n",
        commands.join("\n  ")
    )
}

/// What brings this host up again after a reboot.
pub(super) fn at_boot(has_systemd: bool, network: &NetworkName) -> String {
    if has_systemd {
        let (up, gc) = (units::name("flatnet", network), units::name("flatnet-gc", network));
        format!(
            "At every boot, before Podman starts containers:\n  systemctl enable --now {up}.service {gc}.timer\n"
        )
    } else {
        "There is no systemd here: after a reboot run `flatnet up` and `flatnet repair`, before containers start; the \
         first container does the same.\n"
            .to_owned()
    }
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
            "\nIt does not find the plugin. In the section [network] of /etc/containers/containers.conf write:\n  \
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
Podman {version} uses netavark, in a version that knows no plugins: so it cannot use Flatnet. With its other backend,
CNI, it can. Flatnet leaves that choice to you. To change it:

  1. Stop all containers (`podman stop --all`): interfaces and rules of netavark's may stay behind otherwise, until
     the next reboot.
  2. In the section [network] of /etc/containers/containers.conf write:  network_backend = \"cni\"
     Podman's own networks then need the package containernetworking-plugins.
  3. Make your networks again under their names (`podman network create`): each backend keeps its own, and containers
     on one that is missing do not start. Those on Podman's default network do.
  4. See that `podman network ls` lists {network}, then:
{up}
{run}

What it costs: the networks of netavark's, their addresses and their DNS names. Images and volumes stay. To start from
nothing instead, `podman system reset` removes all containers, images, networks and volumes.
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
    fn netavark_gets_its_create_line_once() {
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
    fn a_netavark_too_old_gets_the_way_to_cni_and_its_price() {
        let text = words(&Podman::TooOld { version: "4.3.1".to_owned() }, DEFAULT_PATH);
        for part in ["network_backend = \"cni\"", "podman stop --all", "What it costs", "podman system reset"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
