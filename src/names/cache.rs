//! Answers of other servers, for as long as they say.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use domain::base::iana::Rcode;
use domain::base::name::ParsedName;
use domain::base::{Message, Rtype};
use domain::rdata::Soa;

use super::question::Question;
use crate::model::types::NetworkName;

/// How many answers are kept, and how many bytes of them.
const MOST: (usize, usize) = (2000, 1 << 20);
/// The largest answer that is kept.
const LARGEST: usize = 4096;
/// For how long one is kept at most.
const LONGEST: u32 = 3600;

/// What must be equal for two questions to have one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The network whose servers are asked, or none for those of this host.
    servers: Option<NetworkName>,
    name: Box<[u8]>,
    rtype: Rtype,
    /// RD, AD, CD, EDNS and DO.
    flags: [bool; 5],
}

impl Key {
    /// `None` if the answer cannot be shared.
    pub(super) fn of(question: &Question<'_>, servers: Option<NetworkName>) -> Option<Self> {
        let header = question.message.header();
        let wants_dnssec = question.edns.is_some_and(|edns| edns.wants_dnssec);
        (question.is_plain() && header.rd()).then(|| Self {
            servers,
            name: question.name.as_bytes().into(),
            rtype: question.rtype,
            flags: [header.rd(), header.ad(), header.cd(), question.edns.is_some(), wants_dnssec],
        })
    }
}

#[derive(Debug)]
struct Kept {
    answer: Box<[u8]>,
    /// Where its TTLs are.
    ttls: Box<[u16]>,
    since: Instant,
    until: Instant,
    number: u64,
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: HashMap<Key, Kept>,
    /// In the order in which they came.
    order: VecDeque<(Key, u64)>,
    bytes: usize,
    count: u64,
}

impl Cache {
    pub(super) fn clear(&mut self) {
        *self = Self { count: self.count, ..Self::default() };
    }

    /// Writes the answer, with TTLs of now, in place of what `out` held.
    pub(super) fn get(&mut self, key: &Key, limit: usize, now: Instant, out: &mut Vec<u8>) -> bool {
        let Some(kept) = self.kept.get(key) else { return false };
        if now >= kept.until || kept.answer.len() > limit {
            return false;
        }
        out.clear();
        out.extend_from_slice(&kept.answer);
        let age = u32::try_from((now - kept.since).as_secs()).unwrap_or(u32::MAX);
        for at in kept.ttls.iter().map(|&at| usize::from(at)) {
            if let Some(ttl) = out.get_mut(at..at + 4) {
                let left = ttl.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)).saturating_sub(age);
                ttl.copy_from_slice(&left.to_be_bytes());
            }
        }
        true
    }

    /// Keeps `answer`, if it may be kept.
    pub(super) fn put(&mut self, key: Key, answer: &[u8], now: Instant) {
        let Some((seconds, ttls)) = lifetime(answer).filter(|_| answer.len() <= LARGEST) else { return };
        self.count += 1;
        let kept = Kept {
            answer: answer.into(),
            ttls: ttls.into(),
            since: now,
            until: now + Duration::from_secs(seconds.into()),
            number: self.count,
        };
        self.bytes += answer.len();
        self.order.push_back((key.clone(), self.count));
        if let Some(before) = self.kept.insert(key, kept) {
            self.bytes -= before.answer.len();
        }
        while self.order.len() > MOST.0 || self.bytes > MOST.1 {
            let Some((oldest, number)) = self.order.pop_front() else { return };
            // It may have been replaced since.
            if self.kept.get(&oldest).is_some_and(|kept| kept.number == number) {
                self.bytes -= self.kept.remove(&oldest).map_or(0, |kept| kept.answer.len());
            }
        }
    }
}

/// For how many seconds `answer` may be kept, and where its TTLs are; `None` if it may not be kept.
fn lifetime(answer: &[u8]) -> Option<(u32, Vec<u16>)> {
    let message = Message::from_slice(answer).ok()?;
    let header = message.header();
    if header.tc() || ![Rcode::NOERROR, Rcode::NXDOMAIN].contains(&header.rcode()) {
        return None;
    }
    let (mut least, mut ttls, mut has_soa) = (LONGEST, Vec::new(), false);
    let mut section = message.answer().ok()?;
    loop {
        while let Some(record) = section.next() {
            let record = record.ok()?;
            if record.rtype() == Rtype::OPT {
                continue;
            }
            least = least.min(record.ttl().as_secs());
            // What follows the TTL: the length of the data, and the data.
            let at = section.pos().checked_sub(usize::from(record.rdlen()) + 6)?;
            ttls.push(u16::try_from(at).ok()?);
            if record.rtype() == Rtype::SOA {
                let soa = record.to_record::<Soa<ParsedName<_>>>().ok()??;
                least = least.min(soa.data().minimum().as_secs());
                has_soa = true;
            }
        }
        match section.next_section().ok()? {
            Some(next) => section = next,
            None => break,
        }
    }
    let is_negative = header.rcode() == Rcode::NXDOMAIN || message.header_counts().ancount() == 0;
    (least > 0 && (has_soa || !is_negative)).then_some((least, ttls))
}
