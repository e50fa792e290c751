//! Files that make systemd-networkd and `NetworkManager` ignore Flatnet's links, from `templates/`.
//!
//! Otherwise both apply an administrator's settings for all links to Flatnet's too: docs/quirks.md.

use std::path::{Path, PathBuf};

use super::install::{Content, Item};
use super::units;
use crate::model::types::{IfName, NetworkName};

const NETWORKD: &str = include_str!("../../templates/networkd.network");
const NETWORK_MANAGER: &str = include_str!("../../templates/network-manager.conf");
/// The bridge's name in the templates.
const BRIDGE: &str = "flatnet-br0";

/// A network manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// systemd-networkd.
    Networkd,
    /// `NetworkManager`.
    NetworkManager,
}

impl Program {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Networkd, Self::NetworkManager];

    /// Whether this host has it, as far as can be seen without running it; systemd always includes networkd.
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Networkd => units::is_booted(),
            Self::NetworkManager => Path::new("/run/NetworkManager").is_dir(),
        }
    }

    /// The command that makes it reload its files, if it is running.
    pub(crate) fn reload(self) -> Option<&'static str> {
        let (runs, command) = match self {
            Self::Networkd => ("/run/systemd/netif/state", "networkctl reload"),
            Self::NetworkManager => ("/run/NetworkManager", "nmcli general reload conf"),
        };
        Path::new(runs).exists().then_some(command)
    }

    /// The file for the links of `network`, whose bridge is `bridge`.
    pub(crate) fn file(self, network: &NetworkName, bridge: &IfName) -> Item {
        let name = units::name("flatnet", network);
        let (path, text) = match self {
            Self::Networkd => (format!("/etc/systemd/network/05-{name}.network"), NETWORKD),
            Self::NetworkManager => (format!("/etc/NetworkManager/conf.d/90-{name}.conf"), NETWORK_MANAGER),
        };
        let text =
            text.replace(BRIDGE, bridge.as_str()).replace("[device-flatnet]", &format!("[device-{name}]"));
        Item { path: PathBuf::from(path), content: Content::File(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::{AttachmentId, ContainerId};

    fn text(program: Program, network: &str, bridge: &str) -> (PathBuf, String) {
        let item = program.file(&NetworkName::parse(network).unwrap(), &IfName::parse(bridge).unwrap());
        match item.content {
            Content::File(text) => (item.path, text),
            Content::Link(_) => unreachable!("it is a file"),
        }
    }

    #[test]
    fn default_output_matches_templates() {
        assert_eq!(text(Program::Networkd, "flatnet", BRIDGE).1, NETWORKD);
        assert_eq!(text(Program::NetworkManager, "flatnet", BRIDGE).1, NETWORK_MANAGER);
    }

    #[test]
    fn other_network_gets_own_files_with_its_bridge() {
        let (path, words) = text(Program::Networkd, "lab", "lab-br0");
        assert_eq!(path, Path::new("/etc/systemd/network/05-flatnet@lab.network"));
        assert!(words.contains("[0-9a-f] lab-br0\n") && !words.contains(BRIDGE), "{words}");
        let (path, words) = text(Program::NetworkManager, "lab", "lab-br0");
        assert_eq!(path, Path::new("/etc/NetworkManager/conf.d/90-flatnet@lab.conf"));
        assert!(words.contains("[device-flatnet@lab]\n"), "{words}");
        assert_eq!(words.matches(";interface-name:lab-br0\n").count(), 2, "{words}");
    }

    /// Each pattern matches the exact number of digits, so that another program's `fn0` does not match.
    #[test]
    fn patterns_match_only_container_links() {
        let id = AttachmentId {
            container_id: ContainerId::parse("abc").unwrap(),
            if_name: IfName::parse("eth0").unwrap(),
        };
        let name = id.host_link(&NetworkName::parse("flatnet").unwrap());
        let digits = name.as_str().len() - "fn".len();
        assert!(NETWORKD.contains(&format!("Name=fn{} ", "[0-9a-f]".repeat(digits))));
        assert_eq!(NETWORK_MANAGER.matches(&format!(":fn{};", "?".repeat(digits))).count(), 2);
    }
}
