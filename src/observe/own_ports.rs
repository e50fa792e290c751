//! The ports that this host's programs use: `/proc/net/{tcp,udp}` and their twins for IPv6.

use std::collections::BTreeSet;

use crate::types::Protocol;

/// A port at which a program of this host takes what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// `TCP_LISTEN` of `net/tcp_states.h`.
const LISTEN: &str = "0A";
/// `TCP_CLOSE`: so the files write a UDP socket that is not connected, and takes what anybody sends.
const UNCONNECTED: &str = "07";

/// Who listens, at any address; a file that cannot be read has nobody.
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

/// The first and the last of the ports that the kernel gives to programs that ask for none.
#[must_use]
pub fn local_range() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let (from, to) = text.trim().split_once(char::is_whitespace)?;
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

fn parse<'a>(text: &'a str, protocol: Protocol, wanted: &'a str) -> impl Iterator<Item = Listener> + 'a {
    text.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, ..] = fields[..] else { return None };
        let (_, port) = local.split_once(':').filter(|_| state == wanted)?;
        Some(Listener { protocol, port: u16::from_str_radix(port, 16).ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_take_from_anybody_listen() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 00000000:EE48 00000000:0000 07 00000000:00000000\n\
            1: 0100007F:EE49 0100007F:0035 01 00000000:00000000\n\
            2: 00000000000000000000000000000000:EE4A 00000000000000000000000000000000:0000 07 0:0\n";
        let ports: Vec<u16> = parse(text, Protocol::Udp, UNCONNECTED).map(|listener| listener.port).collect();
        assert_eq!(ports, [61000, 61002]);
    }
}
