//! Connections of clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use super::channel::{is_later, take_message};
use super::question::LARGEST;

/// How long a connection may be idle (RFC 7766 asks for a few seconds).
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// How many there are at most, in all and of one share.
pub(super) const MOST: (usize, usize) = (64, 16);
/// How many questions of one wait for other servers at most.
const WAITING: usize = 4;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddrV4,
    /// Whose share it uses.
    pub(super) share: Ipv4Addr,
    pub(super) listener: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How many questions wait for other servers.
    pub(super) waiting: usize,
    pub(super) active: Instant,
    is_ended: bool,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        (peer, share): (SocketAddrV4, Ipv4Addr),
        listener: u64,
        now: Instant,
    ) -> Self {
        let (input, output) = (Vec::new(), Vec::new());
        Self { stream, peer, share, listener, input, output, waiting: 0, active: now, is_ended: false }
    }

    /// Sends and reads what can be. It is edge-triggered.
    pub(super) fn exchange(&mut self, now: Instant) -> std::io::Result<()> {
        self.active = now;
        self.flush()?;
        let mut buffer = [0; LARGEST];
        while self.takes_more() && self.input.len() <= LARGEST {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.is_ended = true;
                    break;
                }
                Ok(count) => self.input.extend(buffer.get(..count).unwrap_or_default()),
                Err(cause) if is_later(&cause) => break,
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    /// Whether further questions are read: not while answers to earlier ones are on their way.
    fn takes_more(&self) -> bool {
        self.output.is_empty() && self.waiting < WAITING && !self.is_ended
    }

    /// The next question.
    pub(super) fn take(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let is_too_large = match self.input.as_slice() {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])) > LARGEST,
            _ => false,
        };
        if is_too_large {
            return Err(ErrorKind::InvalidData.into());
        }
        let is_free = self.output.is_empty() && self.waiting < WAITING;
        Ok(if is_free { take_message(&mut self.input) } else { None })
    }

    /// Sends an answer.
    pub(super) fn send(&mut self, answer: &[u8]) -> std::io::Result<()> {
        let length = u16::try_from(answer.len()).map_err(|_| ErrorKind::InvalidData)?;
        self.output.extend(length.to_be_bytes());
        self.output.extend(answer);
        self.flush()
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(cause) if is_later(&cause) => return Ok(()),
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    /// Whether nothing is left to do: the client has ended, and has its answers.
    pub(super) fn is_over(&self) -> bool {
        self.is_ended && self.output.is_empty() && self.waiting == 0
    }
}
