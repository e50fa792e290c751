//! Observes the kernel's state with `ip -j`, `nft -j`, `/proc` and two system calls.
//!
//! Parsers are pure functions of `&str`; [`host`] and [`attachment`] run the commands.

pub mod aardvark;
pub mod all_routes;
pub mod attachment;
pub mod containers_conf;
pub mod dns_query;
pub mod drops;
pub mod foreign;
pub mod gateway;
pub mod host;
pub mod ini;
pub mod inside;
pub mod ipv6;
pub mod link;
pub mod marked_links;
pub mod nested;
pub mod netns;
pub mod overlay;
pub mod own_ports;
pub mod proc_route;
mod proc_tcp;
pub mod processes;
pub mod ready;
pub mod resolv_conf;
pub mod resolver;
mod rooted;
pub mod route;
pub mod rule;
pub mod ruleset;
pub mod serve;
pub mod source_address;

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::model::types::SysctlKey;

/// Whether the link `name` does not exist in the namespace of the calling thread. Only the kernel's answer
/// counts: a failed lookup, for lack of descriptors or memory, does not prove that a container is gone.
#[must_use]
pub fn link_is_gone(name: &str) -> bool {
    LinkNames::open().is_gone(name)
}

/// Looks up links by name, with one system call each, which uses the right namespace whatever is mounted on /sys.
#[derive(Debug)]
pub struct LinkNames {
    socket: Option<OwnedFd>,
}

impl LinkNames {
    /// For the namespace of the calling thread.
    #[must_use]
    pub fn open() -> Self {
        let (family, kind) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM);
        Self { socket: rustix::net::socket_with(family, kind, rustix::net::SocketFlags::CLOEXEC, None).ok() }
    }

    /// Whether the link `name` does not exist; see [`link_is_gone`].
    #[must_use]
    pub fn is_gone(&self, name: &str) -> bool {
        let index = self.socket.as_ref().map(|socket| rustix::net::netdevice::name_to_index(socket, name));
        index == Some(Err(rustix::io::Errno::NODEV))
    }
}

/// The value of a sysctl, a number; `None` if it does not exist or may not be read.
#[must_use]
pub fn sysctl(key: &SysctlKey) -> Option<u32> {
    std::fs::read_to_string(key.proc_path()).ok()?.trim().parse().ok()
}

/// The alias of the link `name` in /sys; `None` if it has none, or /sys shows another namespace.
#[must_use]
pub fn alias_in_sys(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(format!("/sys/class/net/{name}/ifalias")).ok()?.trim().to_owned())
}

/// Whether bridges pass IPv4 packets to the chains for routed packets (`bridge-nf-call-iptables`, of `br_netfilter`).
#[must_use]
pub fn bridges_call_iptables() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|text| text.trim() == "1")
}

/// Whether systemd runs (`sd_booted(3)`).
#[must_use]
pub fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The kernel's boot ID; empty if unknown.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Whether standard output is a pipe or socket whose other end is closed, so the runtime that started this
/// process is gone. False if unknown.
#[must_use]
pub fn stdout_has_no_reader() -> bool {
    let stdout = std::io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|_| asked[0].revents().contains(PollFlags::ERR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_is_gone_only_if_kernel_confirms() {
        assert!(!link_is_gone("lo") && link_is_gone("none-such"));
        assert!(!LinkNames { socket: None }.is_gone("none-such"), "the kernel was not asked");
    }
}
