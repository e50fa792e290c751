//! The sockets at a network's address.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::{
    set_ip_freebind, set_socket_recv_buffer_size_force, set_socket_reuseaddr, socket_type,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use crate::error::{Error, Kind, Result};
use crate::model::types::NetworkName;

/// How many connections wait to be taken.
const BACKLOG: i32 = 128;
/// How many bytes of questions wait to be read.
const BURST: usize = 4 << 20;

/// A network's sockets.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) network: NetworkName,
    pub(super) address: Ipv4Addr,
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

impl Listener {
    /// Takes the sockets of `kept` at the address, or opens them. The address need not be there yet.
    pub(super) fn open(
        network: &NetworkName,
        address: Ipv4Addr,
        port: u16,
        kept: &mut Vec<OwnedFd>,
    ) -> Result<Self> {
        let at = SocketAddrV4::new(address, port);
        let mut socket = |kind, protocol| {
            let there = kept.iter().position(|socket| is_socket_at(socket, kind, at));
            let socket = there.map_or_else(|| open(kind, at), |index| Ok(kept.swap_remove(index)));
            socket.map_err(|cause| failed(network, at, protocol, cause))
        };
        let udp = UdpSocket::from(socket(SocketType::DGRAM, "UDP")?);
        let tcp = TcpListener::from(socket(SocketType::STREAM, "TCP")?);
        let be_quick = udp.set_nonblocking(true).and_then(|()| tcp.set_nonblocking(true));
        be_quick.map_err(|cause| failed(network, at, "UDP", cause))?;
        Ok(Self { network: network.clone(), address, udp, tcp })
    }
}

fn open(kind: SocketType, at: SocketAddrV4) -> std::io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    set_ip_freebind(&socket, true)?;
    if kind == SocketType::STREAM {
        // Connections of a resolver that ran before may linger.
        set_socket_reuseaddr(&socket, true)?;
    }
    if kind == SocketType::DGRAM {
        // Only root may exceed the system's limit. Without it a burst of questions is asked again.
        let _ = set_socket_recv_buffer_size_force(&socket, BURST);
    }
    bind(&socket, &at)?;
    if kind == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

fn is_socket_at(socket: &OwnedFd, kind: SocketType, at: SocketAddrV4) -> bool {
    let address = getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok());
    address == Some(at.into()) && socket_type(socket) == Ok(kind)
}

fn failed(network: &NetworkName, at: SocketAddrV4, protocol: &str, cause: std::io::Error) -> Error {
    let what = format!("the resolver of {network} cannot listen at {at} ({protocol})");
    match cause.kind() {
        ErrorKind::AddrInUse => {
            let option = if protocol == "UDP" { "-lunp" } else { "-ltnp" };
            let command = format!("ss {option} 'sport = :{}'", at.port());
            Error::new(Kind::ResolverPort, format!("{what}: another program listens there")).remedy(
                crate::error::Remedy::by(
                    "Find that program, and let it listen at its own addresses instead of all of them, or stop it",
                    [command],
                ),
            )
        }
        ErrorKind::PermissionDenied => Error::new(Kind::NotAllowed, format!("{what}: it lacks CAP_NET_BIND_SERVICE"))
            .remedy("Run it as root, which it gives up after it has bound its ports, or by its unit, flatnet-dns.service"),
        _ => Error::new(Kind::Io, what).source(cause),
    }
}
