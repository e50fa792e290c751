//! Frames that a well-behaved container does not send, built byte by byte.

#![allow(clippy::panic, reason = "a panic is a failed test")]

use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) type Mac = [u8; 6];

/// The broadcast address.
pub(crate) const BROADCAST: Mac = [0xff; 6];

/// The null address: the unknown MAC of an ARP request, or a destination that the caller replaces.
pub(crate) const NOBODY: Mac = [0; 6];

/// ARP's operation request.
pub(crate) const REQUEST: u16 = 1;

/// ARP's operation reply.
pub(crate) const REPLY: u16 = 2;

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;

/// Parses an IPv4 address.
pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The MAC that Flatnet derives from the address of a container or of the bridge.
pub(crate) fn mac(address: &str) -> Mac {
    let [a, b, c, d] = ip(address).octets();
    [0x02, 0xf1, a, b, c, d]
}

/// Parses a MAC such as `02:f1:0a:57:01:02`.
pub(crate) fn parse_mac(text: &str) -> Mac {
    let octets: Vec<u8> =
        text.trim().split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    octets.try_into().unwrap_or_else(|_| panic!("{text} is no MAC"))
}

/// An ARP frame from `source`. `sender` and `target` are the MAC and address in its body.
pub(crate) fn arp(to: Mac, source: Mac, operation: u16, sender: (Mac, &str), target: (Mac, &str)) -> Vec<u8> {
    let body = [
        &[0, 1, 8, 0, 6, 4][..],
        &operation.to_be_bytes(),
        &sender.0,
        &ip(sender.1).octets(),
        &target.0,
        &ip(target.1).octets(),
    ];
    ethernet(to, source, 0x0806, &body.concat())
}

/// A UDP packet in a frame.
pub(crate) fn udp(to: Mac, source: Mac, from: &str, dest: &str, ports: (u16, u16)) -> Vec<u8> {
    let header = [ports.0, ports.1, 9, 0].map(u16::to_be_bytes).concat();
    ethernet(to, source, 0x0800, &ipv4(from, dest, UDP, &[header, vec![b'x']].concat()))
}

/// An ICMP redirect in a frame: packets from `dest` to `from` should go to `gateway`.
pub(crate) fn redirect(to: Mac, source: Mac, from: &str, dest: &str, gateway: &str) -> Vec<u8> {
    let about = ipv4(dest, from, UDP, &[0, 1, 0, 2, 0, 8, 0, 0]);
    let mut body = [&[5, 1, 0, 0][..], &ip(gateway).octets(), &about].concat();
    let sum = checksum(&body);
    body[2..4].copy_from_slice(&sum);
    ethernet(to, source, 0x0800, &ipv4(from, dest, ICMP, &body))
}

/// Source and destination of an IPv4 packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends<'a> {
    /// The source address and port; for ICMP the port is the identifier.
    pub(crate) from: (&'a str, u16),
    /// The destination address and port.
    pub(crate) dest: (&'a str, u16),
}

impl Ends<'_> {
    /// Source and destination of the answer.
    pub(crate) fn answer(self) -> Self {
        Self { from: self.dest, dest: self.from }
    }

    /// A packet of `protocol` with this payload: a datagram, data of a TCP connection, an echo request.
    pub(crate) fn packet(self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        ipv4(self.from.0, self.dest.0, protocol, &self.inside(protocol, payload))
    }

    /// The packet of [`Ends::packet`] in a frame.
    pub(crate) fn frame(self, to: Mac, source: Mac, protocol: u8, payload: &[u8]) -> Vec<u8> {
        ethernet(to, source, 0x0800, &self.packet(protocol, payload))
    }

    /// The first packet of a TCP connection in a frame.
    pub(crate) fn syn(self, to: Mac, source: Mac, payload: &[u8]) -> Vec<u8> {
        let segment = self.segment(0x02, payload);
        ethernet(to, source, 0x0800, &ipv4(self.from.0, self.dest.0, TCP, &segment))
    }

    /// The first packet of a flow, in a frame.
    pub(crate) fn opening(self, to: Mac, source: Mac, protocol: u8, payload: &[u8]) -> Vec<u8> {
        if protocol == TCP {
            self.syn(to, source, payload)
        } else {
            self.frame(to, source, protocol, payload)
        }
    }

    /// The packet's content after the IP header.
    fn inside(self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match protocol {
            UDP => {
                let length = u16::try_from(8 + payload.len()).unwrap_or_else(|error| panic!("{error}"));
                [&[self.from.1, self.dest.1, length, 0].map(u16::to_be_bytes).concat()[..], payload].concat()
            }
            TCP => self.segment(0x18, payload),
            ICMP => {
                let mut body = [&[8, 0, 0, 0][..], &self.from.1.to_be_bytes(), &[0, 1], payload].concat();
                let sum = checksum(&body);
                body[2..4].copy_from_slice(&sum);
                body
            }
            // A protocol that this host does not inspect.
            _ => payload.to_vec(),
        }
    }

    fn segment(self, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut segment = [self.from.1, self.dest.1].map(u16::to_be_bytes).concat();
        let acknowledged = if flags & 0x10 == 0 { [0; 4] } else { [0, 0, 0, 1] };
        segment.extend(
            [&[0, 0, 0, 1][..], &acknowledged, &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0], payload].concat(),
        );
        let length = u16::try_from(segment.len()).unwrap_or_else(|error| panic!("{error}"));
        let (from, dest) = (ip(self.from.0).octets(), ip(self.dest.0).octets());
        let pseudo = [&from[..], &dest, &[0, TCP], &length.to_be_bytes(), &segment].concat();
        let sum = checksum(&pseudo);
        segment[16..18].copy_from_slice(&sum);
        segment
    }

    /// A packet as two fragments in frames: the second is the payload, whose length is a multiple of 8 bytes. `number`
    /// is the IP identification.
    pub(crate) fn fragments(
        self,
        to: Mac,
        sources: [Mac; 2],
        protocol: u8,
        number: u16,
        payload: &[u8],
    ) -> [Vec<u8>; 2] {
        let whole = self.inside(protocol, payload);
        let at = whole.len() - payload.len();
        let at = at.next_multiple_of(8);
        let offset = u16::try_from(at / 8).unwrap_or_else(|error| panic!("{error}"));
        let piece = |more_and_offset, payload| {
            ipv4_fragment(self.from.0, self.dest.0, protocol, number, more_and_offset, payload)
        };
        [
            ethernet(to, sources[0], 0x0800, &piece(0x2000, &whole[..at])),
            ethernet(to, sources[1], 0x0800, &piece(offset, &whole[at..])),
        ]
    }
}

/// An ICMP error in a frame. `ends` are its source and destination; `kind` its type, code and the four bytes after the
/// checksum, such as an MTU; `about` is the packet that it quotes.
pub(crate) fn icmp_error(
    to: Mac,
    source: Mac,
    ends: (&str, &str),
    kind: (u8, u8, u32),
    about: &[u8],
) -> Vec<u8> {
    let mut body = [&[kind.0, kind.1, 0, 0][..], &kind.2.to_be_bytes(), about].concat();
    let sum = checksum(&body);
    body[2..4].copy_from_slice(&sum);
    ethernet(to, source, 0x0800, &ipv4(ends.0, ends.1, ICMP, &body))
}

/// The frame with another destination MAC.
pub(crate) fn readdressed(frame: &[u8], to: Mac) -> Vec<u8> {
    [&to[..], &frame[6..]].concat()
}

/// The frame with a VLAN tag with ID 0, which means no VLAN.
pub(crate) fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, 0], &frame[12..]].concat()
}

/// The first packet of an SCTP association in a frame.
pub(crate) fn sctp_init(to: Mac, source: Mac, from: &str, dest: &str, ports: (u16, u16)) -> Vec<u8> {
    let mut packet = [ports.0, ports.1].map(u16::to_be_bytes).concat();
    packet.extend([0; 8]);
    // INIT, 20 bytes: initiate tag, window, one stream each way, first TSN.
    packet.extend([1, 0, 0, 20, 0, 0, 0x12, 0x34, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 7]);
    let sum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    ethernet(to, source, 0x0800, &ipv4(from, dest, SCTP, &packet))
}

/// The destination port of the SCTP packet in a frame, and whether its checksum is right.
pub(crate) fn sctp_in(frame: &[u8]) -> Option<(u16, bool)> {
    if protocol(frame) != Some(SCTP) {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let mut packet = frame.get(34..14 + length)?.to_vec();
    let said = packet.get(8..12)?.to_vec();
    packet[8..12].fill(0);
    Some((u16::from_be_bytes([packet[2], packet[3]]), crc32c(&packet).to_le_bytes()[..] == said))
}

/// A router advertisement to all nodes. A host that believes it uses `source` as its router.
pub(crate) fn router_advertisement(source: Mac) -> Vec<u8> {
    let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x66).octets();
    let dest = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets();
    let mut body = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let pseudo = [&from[..], &dest, &[0, 0, 0, 16, 0, 0, 0, ICMP6], &body].concat();
    let sum = checksum(&pseudo);
    body[2..4].copy_from_slice(&sum);
    let packet = [&[0x60, 0, 0, 0, 0, 16, ICMP6, 255][..], &from, &dest, &body].concat();
    ethernet([0x33, 0x33, 0, 0, 0, 1], source, 0x86dd, &packet)
}

/// A neighbour solicitation for `fe80::1`. The holder of that address learns from it that `source` has `fe80::66`.
pub(crate) fn neighbour_solicitation(source: Mac) -> Vec<u8> {
    let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x66).octets();
    let target = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).octets();
    let mut body = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, &[1, 1], &source].concat();
    let pseudo = [&from[..], &target, &[0, 0, 0, 32, 0, 0, 0, ICMP6], &body].concat();
    let sum = checksum(&pseudo);
    body[2..4].copy_from_slice(&sum);
    let packet = [&[0x60, 0, 0, 0, 0, 32, ICMP6, 255][..], &from, &target, &body].concat();
    ethernet(source, source, 0x86dd, &packet)
}

/// Whether it is a UDP packet, such as one of [`udp`] whose addresses were translated.
pub(crate) fn is_udp(frame: &[u8]) -> bool {
    protocol(frame) == Some(UDP)
}

/// Whether it is an ICMP redirect.
pub(crate) fn is_redirect(frame: &[u8]) -> bool {
    protocol(frame) == Some(ICMP) && frame.get(34) == Some(&5)
}

/// Whether it is an ICMP echo request to this address.
pub(crate) fn is_ping_to(frame: &[u8], address: &str) -> bool {
    protocol(frame) == Some(ICMP) && frame.get(34) == Some(&8) && frame[30..34] == ip(address).octets()
}

/// Whether it is an ARP reply to the host that claimed this address.
pub(crate) fn is_arp_reply_to(frame: &[u8], address: &str) -> bool {
    frame.get(12..14) == Some(&[8, 6])
        && frame[20..22] == REPLY.to_be_bytes()
        && frame[38..42] == ip(address).octets()
}

/// Whether the frame's source is this MAC.
pub(crate) fn is_from(frame: &[u8], source: Mac) -> bool {
    frame.get(6..12) == Some(&source[..])
}

fn protocol(frame: &[u8]) -> Option<u8> {
    (frame.get(12..14)? == [8, 0]).then(|| frame.get(23).copied())?
}

pub(crate) fn ethernet(to: Mac, source: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &source, &kind.to_be_bytes(), payload].concat()
}

fn ipv4(from: &str, dest: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_fragment(from, dest, protocol, 1, 0, payload)
}

fn ipv4_fragment(
    from: &str,
    dest: &str,
    protocol: u8,
    number: u16,
    more_and_offset: u16,
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap_or_else(|error| panic!("{error}")).to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1]];
    header.extend([number, more_and_offset].map(u16::to_be_bytes).concat());
    header.extend([64, protocol, 0, 0]);
    header.extend(ip(from).octets());
    header.extend(ip(dest).octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    [&header[..], payload].concat()
}

/// The internet checksum (RFC 1071).
pub(crate) fn checksum(bytes: &[u8]) -> [u8; 2] {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default());
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

/// SCTP's checksum (RFC 9260, appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
