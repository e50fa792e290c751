//! What is there: the kernel's state as `ip -j`, `nft -j`, `/proc` and two system calls show it.
//!
//! Parsers are pure functions of `&str`; [`host`] and [`attachment`] run the commands.

pub mod attachment;
pub mod foreign;
pub mod host;
pub mod link;
pub mod netns;
pub mod proc_route;
pub mod route;
pub mod ruleset;

use crate::types::SysctlKey;

/// The index of the link `name` in the namespace of the calling thread; `None` where there is none. One system
/// call, which sees the right namespace whatever is mounted on /sys.
#[must_use]
pub fn link_index(name: &str) -> Option<u32> {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        flags,
        None,
    )
    .ok()?;
    rustix::net::netdevice::name_to_index(&socket, name).ok()
}

/// The value of a sysctl, a number; `None` where it is not there or may not be read.
#[must_use]
pub fn sysctl(key: &SysctlKey) -> Option<u32> {
    std::fs::read_to_string(key.proc_path()).ok()?.trim().parse().ok()
}

/// Whether bridges hand IPv4 packets to the chains for routed packets (`bridge-nf-call-iptables`, of `br_netfilter`).
#[must_use]
pub fn bridges_call_iptables() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|text| text.trim() == "1")
}

/// The kernel's boot ID; empty where there is none.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
