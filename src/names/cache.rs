//! Answers of other servers, for as long as they say.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use domain::base::iana::Rcode;
use domain::base::name::ParsedName;
use domain::base::{Message, Rtype};
use domain::rdata::Soa;

use super::question::{HEADER, Question};
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
    /// Name, type and class, as they are sent, in lower case.
    question: Box<[u8]>,
    /// RD, AD, CD, EDNS and DO.
    flags: [bool; 5],
}

impl Key {
    /// `None` if the answer cannot be shared.
    pub(super) fn of(question: &Question<'_>, servers: Option<NetworkName>) -> Option<Self> {
        let header = question.message.header();
        let wants_dnssec = question.edns.is_some_and(|edns| edns.wants_dnssec);
        if !question.is_plain() || !header.rd() {
            return None;
        }
        Some(Self {
            servers,
            question: question.message.as_slice().get(HEADER..question.end)?.to_ascii_lowercase().into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer for `a.` with records of type and TTL; SOA records, which have a minimum, are in the authority section.
    fn answer(rcode: u8, records: &[(Rtype, u32, &[u8])]) -> Vec<u8> {
        let is_soa = |record: &&(Rtype, u32, &[u8])| record.0 == Rtype::SOA;
        let soas = u8::try_from(records.iter().filter(is_soa).count()).unwrap();
        let others = u8::try_from(records.len()).unwrap() - soas;
        let mut bytes =
            vec![0, 0, 0x81, 0x80 | rcode, 0, 1, 0, others, 0, soas, 0, 0, 1, b'a', 0, 0, 1, 0, 1];
        for (rtype, ttl, data) in records {
            bytes.extend([0xc0, 12]);
            bytes.extend(rtype.to_int().to_be_bytes());
            bytes.extend([0, 1]);
            bytes.extend(ttl.to_be_bytes());
            bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    fn soa(minimum: u32) -> Vec<u8> {
        [&[0; 2 + 16][..], &minimum.to_be_bytes()].concat()
    }

    fn key(name: &[u8]) -> Key {
        Key { servers: None, question: name.into(), flags: [true; 5] }
    }

    #[test]
    fn answers_are_kept_for_their_ttl() {
        let a: (Rtype, u32, &[u8]) = (Rtype::A, 60, &[1, 2, 3, 4]);
        let seconds = |answer: &[u8]| lifetime(answer).map(|(seconds, _)| seconds);
        assert_eq!(seconds(&answer(0, &[a, (Rtype::A, 30, &[1, 2, 3, 5])])), Some(30));
        assert_eq!(seconds(&answer(0, &[(Rtype::A, u32::MAX, &[1, 2, 3, 4])])), Some(LONGEST));
        assert_eq!(seconds(&answer(0, &[a, (Rtype::A, 0, &[1, 2, 3, 5])])), None);
        // Negative ones by the SOA record's TTL and minimum (RFC 2308), and not without it.
        assert_eq!(seconds(&answer(3, &[(Rtype::SOA, 60, &soa(20))])), Some(20));
        assert_eq!(seconds(&answer(3, &[(Rtype::SOA, 10, &soa(20))])), Some(10));
        assert_eq!(seconds(&answer(0, &[(Rtype::SOA, 60, &soa(0))])), None);
        assert_eq!((seconds(&answer(3, &[])), seconds(&answer(0, &[]))), (None, None));
        assert_eq!((seconds(&answer(2, &[a])), seconds(&answer(5, &[a]))), (None, None), "failures");
        let mut cut = answer(0, &[a]);
        cut[2] |= 2;
        assert_eq!(seconds(&cut), None, "truncated");
        let whole = answer(0, &[a]);
        for length in 0..whole.len() {
            assert_eq!(seconds(&whole[..length]), None, "the first {length} bytes");
        }
    }

    #[test]
    fn ttls_are_those_that_are_left() {
        let mut cache = Cache::default();
        let now = Instant::now();
        let at = |seconds, millis| now + Duration::from_secs(seconds) + Duration::from_millis(millis);
        cache.put(
            key(b"a"),
            &answer(0, &[(Rtype::A, 60, &[1, 2, 3, 4]), (Rtype::A, 90, &[1, 2, 3, 5])]),
            now,
        );
        let mut out = vec![1, 2, 3];
        assert!(cache.get(&key(b"a"), 512, at(59, 999), &mut out));
        assert_eq!(out, answer(0, &[(Rtype::A, 1, &[1, 2, 3, 4]), (Rtype::A, 31, &[1, 2, 3, 5])]));
        assert!(!cache.get(&key(b"a"), 512, at(60, 0), &mut out), "it is over");
        assert!(!cache.get(&key(b"a"), 20, now, &mut out), "it is too large for this client");
        assert!(!cache.get(&key(b"b"), 512, now, &mut out));
        cache.clear();
        assert!(!cache.get(&key(b"a"), 512, now, &mut out));
    }

    #[test]
    fn cache_is_bounded_in_count_and_bytes() {
        let mut cache = Cache::default();
        let now = Instant::now();
        let mut out = Vec::new();
        let small = answer(0, &[(Rtype::A, 60, &[1, 2, 3, 4])]);
        let large = answer(0, &[(Rtype::TXT, 60, &[0; 4000])]);
        for (count, answer) in [(3 * MOST.0, &small), (3 * MOST.1 / large.len(), &large)] {
            for number in 0..count {
                cache.put(key(&number.to_be_bytes()), answer, now);
                cache.put(key(b"again"), answer, now);
            }
            assert!(cache.bytes <= MOST.1 && cache.kept.len() <= MOST.0 && cache.order.len() <= MOST.0);
            assert_eq!(cache.bytes, cache.kept.values().map(|kept| kept.answer.len()).sum::<usize>());
            assert!(cache.get(&key(&(count - 1).to_be_bytes()), 65_535, now, &mut out), "the newest");
            assert!(!cache.get(&key(&0_usize.to_be_bytes()), 65_535, now, &mut out), "the oldest");
        }
        cache.put(key(b"huge"), &answer(0, &[(Rtype::TXT, 60, &[0; LARGEST])]), now);
        assert!(!cache.get(&key(b"huge"), 65_535, now, &mut out));
    }
}
