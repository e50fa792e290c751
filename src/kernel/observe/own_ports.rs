//! Ports on which this host's programs listen, and the kernel's range of local ports.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::proc_tcp::{self, LISTEN, UNCONNECTED};
use crate::model::types::Protocol;

/// A port on which a program of this host listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// All listening ports, at any address; an unreadable file counts as empty.
#[must_use]
pub fn listeners() -> Vec<Listener> {
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    let tcp = read("tcp") + &read("tcp6");
    let udp = read("udp") + &read("udp6");
    let mut all = BTreeSet::new();
    all.extend(parse(&tcp, Protocol::Tcp, LISTEN));
    all.extend(parse(&udp, Protocol::Udp, UNCONNECTED));
    all.into_iter().collect()
}

/// The first and the last of the kernel's local ports.
#[must_use]
pub fn local_range() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let (from, to) = text.trim().split_once(char::is_whitespace)?;
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

/// Those that are reachable by IPv4 from elsewhere.
fn parse(text: &str, protocol: Protocol, state: &str) -> impl Iterator<Item = Listener> {
    let takes_ipv4 = |(at, _): &(IpAddr, u16)| match at {
        IpAddr::V4(at) => !at.is_loopback(),
        // A socket for every IPv6 address may accept IPv4 too.
        IpAddr::V6(at) => at.is_unspecified() || at.to_ipv4_mapped().is_some_and(|at| !at.is_loopback()),
    };
    let found = proc_tcp::sockets(text, state).filter(takes_ipv4);
    found.map(move |(_, port)| Listener { protocol, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn connected_and_loopback_udp_sockets_are_ignored() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 00000000:EE48 00000000:0000 07 00000000:00000000\n\
            1: 0A4DA8C0:EE49 0101570A:0035 01 00000000:00000000\n\
            2: 00000000000000000000000000000000:EE4A 00000000000000000000000000000000:0000 07 0:0\n\
            3: 0100007F:EE4B 00000000:0000 07 00000000:00000000\n\
            4: 00000000000000000000000001000000:EE4C 00000000000000000000000000000000:0000 07 0:0\n\
            5: 0A4DA8C0:EE4D 00000000:0000 07 00000000:00000000\n";
        let ports: Vec<u16> = parse(text, Protocol::Udp, UNCONNECTED).map(|listener| listener.port).collect();
        assert_eq!(ports, [61000, 61002, 61005]);
    }
}
