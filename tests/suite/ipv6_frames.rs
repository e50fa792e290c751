//! IPv6 frames that a well-behaved container does not send, built byte by byte.

#![allow(clippy::panic, reason = "a panic is a failed test")]

use std::net::Ipv6Addr;

use crate::frames::{Mac, checksum, ethernet};

/// Numbers of next headers.
pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const ICMP6: u8 = 58;
pub(crate) const DESTINATION: u8 = 60;

/// Types of ICMP.
pub(crate) const TOO_BIG: u8 = 2;
pub(crate) const ECHO: u8 = 128;
pub(crate) const SOLICIT_ROUTER: u8 = 133;
pub(crate) const ADVERTISE_ROUTER: u8 = 134;
pub(crate) const SOLICIT: u8 = 135;
pub(crate) const ADVERTISE: u8 = 136;
pub(crate) const REDIRECT: u8 = 137;

pub(crate) fn ip6(text: &str) -> Ipv6Addr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Source and destination of an IPv6 packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends6<'a>(pub(crate) &'a str, pub(crate) &'a str);

impl Ends6<'_> {
    /// A packet whose first header is `next`.
    pub(crate) fn packet(self, next: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap_or_else(|error| panic!("{error}")).to_be_bytes();
        let header = [0x60, 0, 0, 0, length[0], length[1], next, 255];
        [&header[..], &ip6(self.0).octets(), &ip6(self.1).octets(), payload].concat()
    }

    /// A datagram, without its IP header.
    pub(crate) fn udp(self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).unwrap_or_else(|error| panic!("{error}"));
        let body = [&[ports.0, ports.1, length, 0].map(u16::to_be_bytes).concat()[..], payload].concat();
        self.summed(UDP, 6, body)
    }

    /// The first segment of a TCP connection, without its IP header.
    pub(crate) fn syn(self, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let ports = [ports.0, ports.1].map(u16::to_be_bytes).concat();
        let body = [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0], payload].concat();
        self.summed(TCP, 16, body)
    }

    /// A message of ICMP, without its IP header. `rest` follows the checksum.
    pub(crate) fn icmp(self, kind: u8, rest: &[u8]) -> Vec<u8> {
        self.summed(ICMP6, 2, [&[kind, 0, 0, 0][..], rest].concat())
    }

    fn summed(self, protocol: u8, at: usize, mut body: Vec<u8>) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap_or_else(|error| panic!("{error}")).to_be_bytes();
        let (from, dest) = (ip6(self.0).octets(), ip6(self.1).octets());
        let sum = checksum(&[&from[..], &dest, &length, &[0, 0, 0, protocol], &body].concat());
        body[at..at + 2].copy_from_slice(&sum);
        body
    }
}

/// A packet in a frame.
pub(crate) fn frame6(to: Mac, source: Mac, packet: &[u8]) -> Vec<u8> {
    ethernet(to, source, 0x86dd, packet)
}

/// An extension header of 8 bytes without a meaning, before a header of the kind `next`.
pub(crate) fn padding(next: u8) -> Vec<u8> {
    vec![next, 0, 1, 4, 0, 0, 0, 0]
}

/// A routing header of type 0 with one hop.
pub(crate) fn routing(next: u8, hop: &str) -> Vec<u8> {
    [&[next, 2, 0, 1, 0, 0, 0, 0][..], &ip6(hop).octets()].concat()
}

/// A fragment header; `offset` is in bytes.
pub(crate) fn fragment(next: u8, offset: u16, more: bool, number: u8) -> Vec<u8> {
    let offset = (offset | u16::from(more)).to_be_bytes();
    vec![next, 0, offset[0], offset[1], 0, 0, 0, number]
}

/// A router's advertisement to all nodes: it is a router for `seconds`, and hosts make themselves addresses of the /64 `prefix`.
pub(crate) fn advertisement(source: Mac, prefix: Option<&str>, seconds: u16) -> Vec<u8> {
    let ends = Ends6("fe80::1", "ff02::1");
    let lifetime = seconds.to_be_bytes();
    let head = [64, 0, lifetime[0], lifetime[1], 0, 0, 0, 0, 0, 0, 0, 0];
    let valid = u32::from(seconds).to_be_bytes();
    let option = |prefix| [&[3, 4, 64, 0xc0][..], &valid, &valid, &[0; 4], &ip6(prefix).octets()].concat();
    let option = prefix.map_or_else(Vec::new, option);
    let body = ends.icmp(ADVERTISE_ROUTER, &[&head[..], &option, &[1, 1], &source].concat());
    frame6([0x33, 0x33, 0, 0, 0, 1], source, &ends.packet(ICMP6, &body))
}
