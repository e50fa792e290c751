//! Who asks, and by which way the answer goes back.

use std::net::SocketAddrV4;

use super::reply::Transport;

/// What becomes ready, as epoll reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The signal to stop.
    Stop,
    /// The directory of names.
    Files,
    /// A listener's socket for UDP.
    Datagrams(u64),
    /// A listener's socket for TCP.
    Connections(u64),
    /// A client's connection.
    Connection(u64),
    /// A server that was asked: the question, and which of its servers.
    Server(u64, u8),
}

/// How many bits the numbers have.
const NUMBER_BITS: u32 = 48;

impl Source {
    pub(super) fn token(self) -> u64 {
        let (kind, which, number) = match self {
            Self::Stop => (0, 0, 0),
            Self::Files => (1, 0, 0),
            Self::Datagrams(number) => (2, 0, number),
            Self::Connections(number) => (3, 0, number),
            Self::Connection(number) => (4, 0, number),
            Self::Server(number, which) => (5, u64::from(which), number),
        };
        kind << 56 | which << NUMBER_BITS | number
    }

    pub(super) fn of(token: u64) -> Self {
        let number = token & ((1 << NUMBER_BITS) - 1);
        match token >> 56 {
            0 => Self::Stop,
            1 => Self::Files,
            2 => Self::Datagrams(number),
            3 => Self::Connections(number),
            4 => Self::Connection(number),
            _ => Self::Server(number, (token >> NUMBER_BITS & 0xff) as u8),
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: SocketAddrV4,
    /// The listener that was asked.
    pub(super) listener: u64,
    /// The connection, by TCP.
    pub(super) connection: Option<u64>,
}

impl Client {
    pub(super) fn transport(&self) -> Transport {
        if self.connection.is_some() { Transport::Tcp } else { Transport::Udp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_round_trip() {
        let most = (1 << NUMBER_BITS) - 1;
        for source in [
            Source::Stop,
            Source::Files,
            Source::Datagrams(1),
            Source::Connections(most),
            Source::Connection(2),
            Source::Server(most, 3),
            Source::Server(0, 255),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
