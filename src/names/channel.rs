//! A socket through which one question is asked of one server.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::reply::Transport;

/// What was received.
#[derive(Debug)]
pub(super) enum Received {
    /// Nothing yet.
    Nothing,
    /// A message.
    Message(Vec<u8>),
    /// Nothing will come.
    Failure,
}

/// The socket.
#[derive(Debug)]
pub(super) enum Channel {
    Udp(UdpSocket),
    Tcp {
        stream: TcpStream,
        /// What is still to be sent.
        unsent: Vec<u8>,
        received: Vec<u8>,
    },
}

impl Channel {
    /// Opens a socket, from a port that the kernel chooses, and asks.
    pub(super) fn open(
        epoll: &OwnedFd,
        token: u64,
        server: SocketAddr,
        transport: Transport,
        message: &[u8],
    ) -> std::io::Result<Self> {
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let kind = if transport == Transport::Tcp { SocketType::STREAM } else { SocketType::DGRAM };
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        match connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        let channel = match transport {
            Transport::Udp => {
                let socket = UdpSocket::from(socket);
                socket.send(message)?;
                Self::Udp(socket)
            }
            Transport::Tcp => {
                let mut unsent = u16::try_from(message.len()).unwrap_or_default().to_be_bytes().to_vec();
                unsent.extend(message);
                Self::Tcp { stream: TcpStream::from(socket), unsent, received: Vec::new() }
            }
        };
        let events = match channel {
            Self::Udp(_) => epoll::EventFlags::IN,
            Self::Tcp { .. } => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        };
        epoll::add(epoll, channel.as_fd(), epoll::EventData::new_u64(token), events | epoll::EventFlags::ET)?;
        Ok(channel)
    }

    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Tcp { stream, .. } => stream.as_fd(),
        }
    }

    /// Sends a datagram once more. TCP does so itself.
    pub(super) fn send_again(&self, message: &[u8]) {
        if let Self::Udp(socket) = self {
            // What this fails of, receiving tells.
            let _ = socket.send(message);
        }
    }

    /// Reads a message, and sends what is still to be sent. It is edge-triggered: call it until nothing comes.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Received {
        match self {
            Self::Udp(socket) => match socket.recv(buffer) {
                Ok(length) => Received::Message(buffer.get(..length).unwrap_or_default().to_vec()),
                Err(cause) if is_later(&cause) => Received::Nothing,
                Err(_) => Received::Failure,
            },
            Self::Tcp { stream, unsent, received } => {
                exchange(stream, unsent, received, buffer).unwrap_or(Received::Failure)
            }
        }
    }
}

fn exchange(
    stream: &mut TcpStream,
    unsent: &mut Vec<u8>,
    received: &mut Vec<u8>,
    buffer: &mut [u8],
) -> std::io::Result<Received> {
    while !unsent.is_empty() {
        match stream.write(unsent) {
            Ok(count) => drop(unsent.drain(..count)),
            // Not connected yet.
            Err(cause) if is_later(&cause) || cause.kind() == ErrorKind::NotConnected => {
                return Ok(Received::Nothing);
            }
            Err(cause) => return Err(cause),
        }
    }
    loop {
        if let Some(message) = take_message(received) {
            return Ok(Received::Message(message));
        }
        match stream.read(buffer) {
            Ok(0) => return Ok(Received::Failure),
            Ok(count) => received.extend(buffer.get(..count).unwrap_or_default()),
            Err(cause) if is_later(&cause) => return Ok(Received::Nothing),
            Err(cause) => return Err(cause),
        }
    }
}

/// Whether the call is to be made again later.
pub(super) fn is_later(cause: &std::io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&cause.kind())
}

/// Takes the first message of a stream, each of which has its length before it, if it is complete.
pub(super) fn take_message(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let [high, low, rest @ ..] = stream.as_slice() else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let message = rest.get(..length)?.to_vec();
    stream.drain(..2 + length);
    Some(message)
}
