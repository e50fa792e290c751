//! Answers as they are sent.

use std::convert::Infallible;
use std::iter::Peekable;
use std::net::Ipv4Addr;

use domain::base::iana::{OptRcode, Rcode};
use domain::base::message_builder::{AdditionalBuilder, MessageBuilder, PushError, StaticCompressor};
use domain::base::wire::Composer;
use domain::base::{CharStr, Message, Serial, Ttl};
use domain::dep::octseq::builder::{OctetsBuilder, Truncate};
use domain::rdata::{A, Aaaa, Hinfo, Ptr, Soa, Txt};

use super::ask::VERSION;
use super::decide::Verdict;
use super::network::WireName;
use super::question::{Edns, HEADER, Question};

/// The largest answer of ours by UDP: it fits into every packet (<https://www.dnsflagday.net/2020/>).
const LARGEST: u16 = 1232;
/// The largest answer by UDP to a client without EDNS.
const SMALLEST: u16 = 512;
/// The length of an OPT record without options.
const OPT: usize = 11;

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The size limit of an answer to somebody with `edns`.
pub(super) fn limit(transport: Transport, edns: Option<Edns>) -> usize {
    match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => usize::from(edns.map_or(SMALLEST, |edns| edns.size.max(SMALLEST))),
    }
}

/// A message being built, in a buffer that is used again.
#[derive(Debug)]
pub(super) struct Buffer<'a>(pub(super) &'a mut Vec<u8>);

impl AsRef<[u8]> for Buffer<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl AsMut<[u8]> for Buffer<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0
    }
}

impl OctetsBuilder for Buffer<'_> {
    type AppendError = Infallible;

    fn append_slice(&mut self, slice: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(slice);
        Ok(())
    }
}

impl Truncate for Buffer<'_> {
    fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }
}

impl Composer for Buffer<'_> {}

/// Writes the answer that `verdict` is, in place of what `out` held. Of several addresses number `turn` comes first.
pub(super) fn answer(
    out: &mut Vec<u8>,
    question: &Question<'_>,
    transport: Transport,
    verdict: &Verdict<'_>,
    turn: usize,
) {
    let is_whole = build(out, question, transport, verdict, turn).is_ok();
    if !is_whole {
        error(out, question.message.as_slice(), Rcode::SERVFAIL.into());
    }
}

fn build(
    out: &mut Vec<u8>,
    question: &Question<'_>,
    transport: Transport,
    verdict: &Verdict<'_>,
    turn: usize,
) -> Result<(), PushError> {
    out.clear();
    let largest = match transport {
        Transport::Udp => limit(transport, question.edns).min(LARGEST.into()),
        Transport::Tcp => limit(transport, None),
    };
    let rcode = if matches!(verdict, Verdict::NoName(_)) { Rcode::NXDOMAIN } else { Rcode::NOERROR };
    let mut builder =
        MessageBuilder::from_target(StaticCompressor::new(Buffer(out))).map_err(|_| PushError::ShortBuf)?;
    // What is pushed must end before the limit.
    builder.set_push_limit(largest + 1 - OPT);
    let mut answer = builder.start_answer(question.message, rcode)?;
    answer.header_mut().set_ra(true);
    answer.header_mut().set_aa(true);
    let message = question.message;
    let Some(Ok(asked)) = message.question().next() else { return Err(PushError::ShortBuf) };
    let owner = asked.qname();
    let mut is_cut = false;
    match verdict {
        Verdict::Addresses(addresses) => {
            for address in in_turn(addresses, turn) {
                let [a, b, c, d] = address.octets();
                is_cut |= answer.push((owner, Ttl::ZERO, A::from_octets(a, b, c, d))).is_err();
            }
        }
        Verdict::Addresses6(addresses) => {
            for &address in in_turn(addresses, turn) {
                is_cut |= answer.push((owner, Ttl::ZERO, Aaaa::new(address.octets().into()))).is_err();
            }
        }
        Verdict::Pointer(name) => answer.push((owner, Ttl::ZERO, Ptr::new(name)))?,
        Verdict::Minimal => {
            let text =
                |text: &'static str| CharStr::from_octets(text.as_bytes()).map_err(|_| PushError::ShortBuf);
            answer.push((owner, Ttl::ZERO, Hinfo::new(text("RFC8482")?, text("")?)))?;
        }
        Verdict::Version => {
            let length = u8::try_from(VERSION.len()).unwrap_or_default();
            let text = [&[length], VERSION.as_bytes()].concat();
            answer.push((owner, Ttl::ZERO, Txt::from_octets(text).map_err(|_| PushError::ShortBuf)?))?;
        }
        Verdict::Authority(zone) => answer.push((*zone, Ttl::ZERO, soa(zone)))?,
        Verdict::NoData(_) | Verdict::NoName(_) | Verdict::Forward | Verdict::OtherHost(_) => {}
    }
    answer.header_mut().set_tc(is_cut);
    let mut authority = answer.authority();
    if let Verdict::NoData(zone) | Verdict::NoName(zone) = verdict {
        let zone = zone.name();
        authority.push((&zone, Ttl::ZERO, soa(&zone)))?;
    }
    let mut additional = authority.additional();
    additional.clear_push_limit();
    if let Some(edns) = question.edns {
        push_opt(&mut additional, edns.wants_dnssec, rcode.into())?;
    }
    Ok(())
}

/// The answer to a question for all records of `zone` (AXFR, RFC 5936), in as many messages as they need.
pub(super) fn transfer(
    question: &Question<'_>,
    zone: &WireName,
    records: impl Iterator<Item = (WireName, Ipv4Addr)>,
) -> Vec<Vec<u8>> {
    let mut records = records.peekable();
    let (mut messages, mut is_first) = (Vec::new(), true);
    loop {
        let mut out = Vec::new();
        let built = transfer_part(&mut out, question, zone, is_first, &mut records);
        if built.is_err() {
            error(&mut out, question.message.as_slice(), Rcode::SERVFAIL.into());
        }
        messages.push(out);
        is_first = false;
        if !matches!(built, Ok(false)) {
            return messages;
        }
    }
}

/// Writes one message of a transfer. Returns whether it is the last.
fn transfer_part(
    out: &mut Vec<u8>,
    question: &Question<'_>,
    zone: &WireName,
    is_first: bool,
    records: &mut Peekable<impl Iterator<Item = (WireName, Ipv4Addr)>>,
) -> Result<bool, PushError> {
    let mut builder =
        MessageBuilder::from_target(StaticCompressor::new(Buffer(out))).map_err(|_| PushError::ShortBuf)?;
    builder.set_push_limit(usize::from(u16::MAX));
    let mut answer = builder.start_answer(question.message, Rcode::NOERROR)?;
    answer.header_mut().set_aa(true);
    if is_first {
        answer.push((zone, Ttl::ZERO, soa(zone)))?;
    }
    while let Some((name, address)) = records.peek() {
        let [a, b, c, d] = address.octets();
        if answer.push((name, Ttl::ZERO, A::from_octets(a, b, c, d))).is_err() {
            return Ok(false);
        }
        records.next();
    }
    // If it does not fit, it is the next message.
    Ok(answer.push((zone, Ttl::ZERO, soa(zone))).is_ok())
}

/// All of them, beginning with number `turn`.
fn in_turn<T>(addresses: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let (end, start) = addresses.split_at(turn.checked_rem(addresses.len()).unwrap_or_default());
    start.iter().chain(end)
}

/// Nothing is to be remembered: a container may start at any time.
fn soa(zone: &WireName) -> Soa<&WireName> {
    let hour = Ttl::from_hours(1);
    Soa::new(zone, zone, Serial(1), hour, hour, hour, Ttl::ZERO)
}

fn push_opt<T: Composer>(
    additional: &mut AdditionalBuilder<T>,
    wants_dnssec: bool,
    rcode: OptRcode,
) -> Result<(), PushError> {
    additional.opt(|opt| {
        opt.set_udp_payload_size(LARGEST);
        opt.set_dnssec_ok(wants_dnssec);
        opt.set_rcode(rcode);
        Ok(())
    })
}

/// Writes an error about a message of at least a header's length, in place of what `out` held. It repeats no question, which
/// may be malformed.
pub(super) fn error(out: &mut Vec<u8>, message: &[u8], rcode: OptRcode) {
    out.clear();
    let Ok(message) = Message::from_slice(message) else { return };
    let Ok::<_, Infallible>(mut builder) = MessageBuilder::from_target(Buffer(out));
    let header = builder.header_mut();
    header.set_id(message.header().id());
    header.set_qr(true);
    header.set_opcode(message.header().opcode());
    header.set_rd(message.header().rd());
    header.set_ra(true);
    header.set_rcode(rcode.rcode());
    if rcode.is_ext() {
        // It fits: nothing limits the buffer.
        let _ = push_opt(&mut builder.additional(), false, rcode);
    }
}

/// Writes the client's question back with an error or, with none, as truncated.
pub(super) fn without_answer(out: &mut Vec<u8>, asked: &ForwardedQuestion<'_>, rcode: Rcode) {
    out.clear();
    let Ok(message) = Message::from_slice(asked.message) else { return };
    let built = MessageBuilder::from_target(Buffer(out)).map(|builder| {
        let mut answer = builder.start_answer(message, rcode)?;
        answer.header_mut().set_ra(true);
        answer.header_mut().set_tc(rcode == Rcode::NOERROR);
        let mut additional = answer.additional();
        asked.edns.map_or(Ok(()), |edns| push_opt(&mut additional, edns.wants_dnssec, rcode.into()))
    });
    if !matches!(built, Ok(Ok(()))) {
        error(out, asked.message, Rcode::SERVFAIL.into());
    }
}

/// A question that others were asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForwardedQuestion<'a> {
    /// As it came.
    pub(super) message: &'a [u8],
    pub(super) edns: Option<Edns>,
}

/// Gives an answer the ID and the spelling of the client's question, which is `end` long.
pub(super) fn adapt(answer: &mut [u8], question: &[u8], end: usize) {
    for part in [0..2, HEADER..end] {
        if let (Some(to), Some(from)) = (answer.get_mut(part.clone()), question.get(part)) {
            to.copy_from_slice(from);
        }
    }
}
