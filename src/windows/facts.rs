//! Facts about WSL2 for Windows' scripts: `flatnet windows facts`.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::engine::{Attachment, AttachmentStatus};
use crate::kernel::execute::{Executor, Output};
use crate::kernel::tools::Tools;
use crate::model::command::Command;
use crate::model::config::Config;
use crate::model::types::HostName;

/// The facts. Output of programs is passed on as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// [`VERSION`] of this program.
    pub version: u32,
    /// The output of `wslinfo --networking-mode`; none if the program is missing.
    pub mode: Option<String>,
    /// eth0's first address.
    pub eth0: Option<Ipv4Addr>,
    /// What Windows routes to WSL2: this host's subnet or, where hosts are connected, the range.
    pub subnet: Ipv4Net,
    /// The gateway's ports in the configuration: HTTP, then HTTPS if it has a certificate.
    pub ports: Vec<u16>,
    /// The bridge's address.
    pub bridge: Ipv4Addr,
    /// The domain of containers' names; none if they are turned off.
    pub zone: Option<HostName>,
    /// The output of `ip -4 -o addr show to BRIDGE up`: empty while WSL2 is still starting.
    pub bridge_link: String,
    /// The first running container.
    pub container: Option<Container>,
    /// The content of `/proc/sys/net/ipv4/ip_forward`.
    pub ip_forward: String,
    /// The content of `/proc/1/comm`.
    pub first_process: String,
    /// The output of `systemctl is-active flatnet-gateway.service`.
    pub gateway: Option<String>,
}

/// A container that Windows probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The container's name.
    pub name: String,
    /// Its flat address.
    pub address: Ipv4Addr,
}

/// Reads the facts; those that cannot be read are empty.
pub fn gather(config: &Config, attachments: &[Attachment], executor: &mut dyn Executor) -> Facts {
    let mut stdout = |argv: &[&str]| {
        let output = executor.run(&Command::new(argv.iter().copied()), &[]);
        output.ok().filter(|output: &Output| !output.stdout.trim().is_empty()).map(|output| output.stdout)
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (ip, bridge) = (Tools::new(&config.tools).ip, config.bridge_address());
    Facts {
        version: VERSION,
        mode: stdout(&["wslinfo", "--networking-mode"]),
        eth0: stdout(&[&ip, "-4", "-o", "addr", "show", "dev", "eth0", "scope", "global"])
            .and_then(|text| first_address(&text)),
        subnet: config.routed(),
        ports: std::iter::once(config.gateway.listen)
            .chain(config.gateway.tls.as_ref().map(|tls| tls.listen))
            .collect(),
        bridge,
        zone: config.names.enabled.then(|| config.names.zone.clone()),
        bridge_link: stdout(&[&ip, "-4", "-o", "addr", "show", "to", &bridge.to_string(), "up"])
            .unwrap_or_default(),
        container: attachments
            .iter()
            .find(|one| one.state == AttachmentStatus::Running)
            .map(|one| Container { name: one.receipt.name.clone(), address: one.receipt.address() }),
        ip_forward: read("/proc/sys/net/ipv4/ip_forward"),
        first_process: read("/proc/1/comm"),
        gateway: stdout(&["systemctl", "is-active", "flatnet-gateway.service"]),
    }
}

/// The first address in the output of `ip -4 -o addr show`.
fn first_address(text: &str) -> Option<Ipv4Addr> {
    let mut words = text.lines().next()?.split_whitespace().skip_while(|word| *word != "inet");
    words.nth(1)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eth0_address_is_parsed() {
        let line = "2: eth0    inet 172.27.0.2/20 brd 172.27.15.255 scope global eth0\\       valid_lft forever preferred_lft forever\n";
        assert_eq!(first_address(line), Some(Ipv4Addr::new(172, 27, 0, 2)));
        // `wsl.exe` may convert the line ends.
        assert_eq!(first_address(&line.replace('\n', "\r\n")), Some(Ipv4Addr::new(172, 27, 0, 2)));
        for text in ["", "\n", "Device \"eth0\" does not exist.\n", "2: eth0    inet"] {
            assert_eq!(first_address(text), None, "{text}");
        }
    }
}
