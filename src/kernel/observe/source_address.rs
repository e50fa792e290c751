//! Which of its addresses this host sends from.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// This host's source address towards `neighbour`, as the kernel would choose it; nothing is sent.
#[must_use]
pub fn address_towards(neighbour: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((neighbour, 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(own) => Some(*own.ip()),
        SocketAddr::V6(_) => None,
    }
}
