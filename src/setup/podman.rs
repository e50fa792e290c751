//! How this host's Podman calls Flatnet. Only the command line may run `podman`: in a plugin it would wait for
//! locks that Podman holds while it waits for the plugin.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::kernel::execute::{CommandFailure, Executor, HostExecutor};
use crate::kernel::tools;
use crate::model::command::Command;
use crate::model::types::NetworkName;

/// The Podman of this host.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Podman {
    /// It was not queried.
    NotAsked,
    /// It is not installed.
    Missing,
    /// It did not report its backend.
    Unknown {
        /// The reason.
        why: String,
    },
    /// It calls Flatnet as a CNI plugin.
    Cni {
        /// Podman's version.
        version: String,
        /// Whether it lists the network.
        lists_network: bool,
    },
    /// It calls Flatnet as a netavark plugin.
    Netavark {
        /// Podman's version.
        version: String,
        /// Whether it lists the network.
        lists_network: bool,
        /// Whether it finds the plugin.
        finds_plugin: bool,
    },
    /// It uses a netavark without plugin support.
    TooOld {
        /// Podman's version.
        version: String,
    },
}

impl Podman {
    /// The executor for Podman, which may have to set up its storage first: at least 30 s per command.
    pub(crate) fn executor(command_seconds: u64) -> HostExecutor {
        HostExecutor::new(Duration::from_secs(command_seconds.max(30)))
    }

    /// Queries Podman.
    pub(crate) fn ask(executor: &mut dyn Executor, network: &NetworkName) -> Self {
        if tools::find("podman").is_err() {
            return Self::Missing;
        }
        let command = Command::new(["podman", "info", "--format", "json"]);
        let info = match executor.run(&command, &[]) {
            Ok(output) if output.success() => output.stdout,
            Ok(output) => return Self::Unknown { why: CommandFailure::new(&command, &output).to_string() },
            Err(error) => return Self::Unknown { why: error.to_line() },
        };
        let exists = Command::new(["podman", "network", "exists", network.as_str()]);
        let lists_network = executor.run(&exists, &[]).is_ok_and(|output| output.success());
        Self::from_info(&info, lists_network)
    }

    /// Parses the output of `podman info --format json`.
    fn from_info(json: &str, lists_network: bool) -> Self {
        let info: Value = serde_json::from_str(json).unwrap_or_default();
        let text = |pointer: &str| info.pointer(pointer).and_then(Value::as_str);
        let Some(version) = text("/version/Version").map(str::to_owned) else {
            return Self::Unknown { why: "`podman info` names no version".to_owned() };
        };
        // Podman 3 knew only CNI, and did not report a backend.
        if text("/host/networkBackend").is_none_or(|backend| backend == "cni") {
            return Self::Cni { version, lists_network };
        }
        // Plugins came with netavark 1.6. A Podman before 4.5 does not report netavark's version and does not support
        // them.
        let netavark = text("/host/networkBackendInfo/version").and_then(numbers);
        if netavark.unwrap_or((0, 0)) < (1, 6) && numbers(&version).is_none_or(|podman| podman < (5, 0)) {
            return Self::TooOld { version };
        }
        let drivers = info.pointer("/plugins/network").and_then(Value::as_array);
        let finds_plugin = drivers.is_some_and(|drivers| drivers.iter().any(|driver| driver == "flatnet"));
        Self::Netavark { version, lists_network, finds_plugin }
    }
}

/// The major and minor version of a text such as `netavark 1.14.0` or `4.3.1`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split_whitespace().next_back()?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(podman: &str, backend: &str, netavark: Option<&str>, drivers: &[&str]) -> Podman {
        let netavark = netavark.map(|version| serde_json::json!({"backend": "netavark", "version": version}));
        let info = serde_json::json!({
            "host": {"networkBackend": backend, "networkBackendInfo": netavark},
            "plugins": {"network": drivers},
            "version": {"Version": podman},
        });
        Podman::from_info(&info.to_string(), true)
    }

    #[test]
    fn podman_backend_is_detected_from_info() {
        let cni = |version: &str| Podman::Cni { version: version.to_owned(), lists_network: true };
        let too_old = |version: &str| Podman::TooOld { version: version.to_owned() };
        let netavark = |version: &str, finds_plugin| Podman::Netavark {
            version: version.to_owned(),
            lists_network: true,
            finds_plugin,
        };
        assert_eq!(info("4.3.1", "cni", None, &["bridge"]), cni("4.3.1"));
        assert_eq!(info("4.3.1", "netavark", None, &["bridge"]), too_old("4.3.1"));
        assert_eq!(
            info("4.9.3", "netavark", Some("netavark 1.4.0"), &["bridge", "flatnet"]),
            too_old("4.9.3")
        );
        assert_eq!(
            info("5.4.2", "netavark", Some("netavark 1.14.0"), &["bridge", "flatnet"]),
            netavark("5.4.2", true)
        );
        assert_eq!(info("5.4.2", "netavark", Some("netavark 1.14.0"), &["bridge"]), netavark("5.4.2", false));
        assert!(matches!(Podman::from_info("{}", false), Podman::Unknown { .. }));
    }
}
