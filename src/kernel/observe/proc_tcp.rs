//! `/proc/net/{tcp,udp}` and their IPv6 counterparts: listening addresses and ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `TCP_LISTEN` of `net/tcp_states.h`, as the files write it.
pub(super) const LISTEN: &str = "0A";
/// `TCP_CLOSE`: the state of an unconnected UDP socket, which receives from anyone.
pub(super) const UNCONNECTED: &str = "07";

/// The ports that listen at `address` or at every address, and whether that is certain: a socket for every IPv6
/// address may or may not accept IPv4, which the files do not show. `text` is that of one file, or of both.
pub(super) fn listening(text: &str, address: Ipv4Addr) -> BTreeMap<u16, bool> {
    let mut ports = BTreeMap::new();
    for (at, port) in sockets(text, LISTEN) {
        let is_sure = match at {
            IpAddr::V4(at) if at.is_unspecified() || at == address => true,
            IpAddr::V6(at) if at.to_ipv4_mapped() == Some(address) => true,
            IpAddr::V6(at) if at.is_unspecified() => false,
            _ => continue,
        };
        *ports.entry(port).or_default() |= is_sure;
    }
    ports
}

/// The address and port of each socket in this state.
pub(super) fn sockets(text: &str, state: &str) -> impl Iterator<Item = (IpAddr, u16)> {
    text.lines().filter_map(move |line| socket(line, state))
}

/// Addresses are hexadecimal words in the machine's byte order, ports are not.
fn socket(line: &str, desired: &str) -> Option<(IpAddr, u16)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, ..] = fields[..] else { return None };
    let (address, port) = local.split_once(':').filter(|_| state == desired)?;
    let word =
        |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let address: IpAddr = if address.len() == 8 {
        Ipv4Addr::from(word(0)?).into()
    } else {
        let bytes: Vec<u8> = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
        Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_ports_at_address_are_found() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 00000000:0050 00000000:0000 0A 00000000:00000000\n\
            1: 0100007F:1538 00000000:0000 0A 00000000:00000000\n\
            2: 0201570A:01BB 00000000:0000 0A 00000000:00000000\n\
            3: 0201570A:0050 0101570A:C350 01 00000000:00000000\n\
            4: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0\n\
            5: 0000000000000000FFFF00000201570A:1F91 00000000000000000000000000000000:0000 0A 0:0\n\
            6: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 0:0\n";
        let found = listening(text, Ipv4Addr::new(10, 87, 1, 2));
        assert_eq!(found, BTreeMap::from([(80, true), (443, true), (8080, false), (8081, true)]));
    }
}
