//! Questions that others are asked.
//!
//! A question goes on as it came but for its ID, from a socket of its own, whose port the kernel chooses at random. One server is
//! asked after the other until one answers; a server that refuses or fails does not speak for the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use rustix::rand::{GetRandomFlags, getrandom};

use super::cache;
use super::channel::{Channel, Received};
use super::client::{Client, Source};
use super::own_addresses::crowding;
use super::question::{Edns, HEADER, LARGEST, Question};
use super::reply::Transport;

/// When the next server is asked, too.
const STEP: Duration = Duration::from_millis(300);
/// When all are asked once more, since datagrams get lost.
const AGAIN: Duration = Duration::from_millis(800);
/// When the client is told that nobody answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long the server that answered is asked first.
const PREFERENCE: Duration = Duration::from_secs(10);
/// How many questions wait at most, in all and of one client.
const MOST: (usize, usize) = (512, 128);
/// How many messages that answer no question a server may send: each is a guess at the question's ID, and takes time.
const GUESSES: u32 = 16;

/// A client that waits, and the ID of its question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) client: Client,
    /// Whose share it uses.
    pub(super) share: Ipv4Addr,
    pub(super) id: [u8; 2],
    pub(super) since: Instant,
}

/// What is done with an answer, besides sending it.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// It is kept under this key, if it may be kept.
    Cache(Option<cache::Key>),
    /// It comes from another host, and may lead to addresses of this subnet only.
    OtherHost(Ipv4Net),
}

/// A question that waits for an answer.
#[derive(Debug)]
pub(super) struct Pending {
    /// As it came.
    pub(super) message: Vec<u8>,
    /// Where the question ends in it.
    pub(super) end: usize,
    pub(super) edns: Option<Edns>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) purpose: Purpose,
    transport: Transport,
    servers: Vec<SocketAddr>,
    tries: Vec<Try>,
    /// An answer that says that a server failed.
    failed: Option<Vec<u8>>,
    deadline: Instant,
    due: Instant,
}

#[derive(Debug)]
struct Try {
    id: [u8; 2],
    /// `None` once it failed.
    channel: Option<Channel>,
    /// How many messages came that do not answer it.
    foreign: u32,
}

/// A question that waits no longer.
#[derive(Debug)]
pub(super) struct FinishedQuestion {
    pub(super) pending: Pending,
    /// The answer as it came; `None` if there is none.
    pub(super) answer: Option<Vec<u8>>,
    /// Who gave it.
    pub(super) server: Option<SocketAddr>,
}

/// What a message of a server is.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// The answer to the question.
    Answer,
    /// The server failed. Whether the message can be passed on.
    Failure(bool),
    /// Not an answer to this question.
    Foreign,
}

/// The questions that wait.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    pending: BTreeMap<u64, Pending>,
    /// Those who ask the same by the same transport wait for one answer: each more would be one more chance to guess its ID.
    same: HashMap<(Transport, Box<[u8]>), u64>,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    preferred: Option<(SocketAddr, Instant)>,
    count: u64,
    /// Questions that made room for others, and answers that were none; for the counters.
    pub(super) dropped: u64,
    pub(super) foreign: u64,
}

impl Forwarder {
    /// Asks `servers`. Returns what is done at once, because none can be asked.
    pub(super) fn ask(
        &mut self,
        epoll: &OwnedFd,
        question: &Question<'_>,
        waiter: Waiter,
        servers: Vec<SocketAddr>,
        purpose: Purpose,
    ) -> Option<FinishedQuestion> {
        let now = waiter.since;
        let message = question.message.as_slice();
        let transport = waiter.client.transport();
        let same = (transport, message.get(2..).unwrap_or_default().into());
        self.make_room(&waiter);
        if let Some(pending) = self.same.get(&same).and_then(|number| self.pending.get_mut(number)) {
            // Who asks again because no answer came gets one.
            pending.waiters.retain(|other| (other.client, other.id) != (waiter.client, waiter.id));
            pending.waiters.push(waiter);
            return None;
        }
        self.count += 1;
        let number = self.count;
        let pending = Pending {
            message: message.to_vec(),
            end: question.end,
            edns: question.edns,
            waiters: vec![waiter],
            purpose,
            transport,
            servers: self.in_order(servers, now),
            tries: Vec::new(),
            failed: None,
            deadline: now + PATIENCE,
            due: now,
        };
        self.same.insert(same, number);
        self.pending.insert(number, pending);
        self.advance(epoll, number, now)
    }

    /// Drops the oldest questions of whoever has most waiting, until there is room; or of this client, if it has enough.
    fn make_room(&mut self, waiter: &Waiter) {
        loop {
            let waiters = self.pending.values().flat_map(|pending| &pending.waiters);
            let is_full = self.pending.len() >= MOST.0;
            let crowded = crowding(waiters.map(|one| one.share), waiter.share, MOST.1, is_full);
            let Some(crowded) = crowded else { return };
            let is_theirs = |waiter: &Waiter| waiter.share == crowded;
            let mut all = self.pending.iter_mut();
            let Some((&oldest, pending)) = all.find(|(_, pending)| pending.waiters.iter().any(is_theirs))
            else {
                return;
            };
            pending.waiters.retain(|waiter| !is_theirs(waiter));
            self.dropped += 1;
            if pending.waiters.is_empty() {
                self.remove(oldest);
            }
        }
    }

    /// `servers`, with the one first that answered last.
    fn in_order(&self, mut servers: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        let preferred = self.preferred.filter(|(_, until)| now < *until);
        if let Some(at) = preferred.and_then(|(server, _)| servers.iter().position(|one| *one == server)) {
            servers[..=at].rotate_right(1);
        }
        servers
    }

    fn remove(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.same.remove(&(pending.transport, pending.message.get(2..).unwrap_or_default().into()));
        Some(pending)
    }

    fn done(
        &mut self,
        number: u64,
        answer: Option<Vec<u8>>,
        server: Option<SocketAddr>,
    ) -> Option<FinishedQuestion> {
        let mut pending = self.remove(number)?;
        let answer = answer.or_else(|| pending.failed.take());
        Some(FinishedQuestion { pending, answer, server })
    }

    /// Asks the next server, or all again. Returns the end of a question that nobody is left to ask.
    fn advance(&mut self, epoll: &OwnedFd, number: u64, now: Instant) -> Option<FinishedQuestion> {
        let pending = self.pending.get_mut(&number)?;
        let is_over = loop {
            let Some(server) = pending.servers.get(pending.tries.len()) else {
                let is_over = pending.tries.iter().all(|one| one.channel.is_none());
                for one in &mut pending.tries {
                    if let Some(channel) = &one.channel {
                        channel.send_again(&with_id(&pending.message, one.id));
                    }
                }
                pending.due = now + AGAIN;
                break is_over;
            };
            let id = random_id();
            let which = u8::try_from(pending.tries.len()).unwrap_or(u8::MAX);
            let message = with_id(&pending.message, id);
            let token = Source::Server(number, which).token();
            let channel = Channel::open(epoll, token, *server, pending.transport, &message).ok();
            let is_open = channel.is_some();
            pending.tries.push(Try { id, channel, foreign: 0 });
            if is_open {
                let is_last = pending.tries.len() == pending.servers.len();
                pending.due = now + if is_last { AGAIN } else { STEP };
                break false;
            }
        };
        if is_over {
            return self.done(number, None, None);
        }
        self.timers.push(Reverse((pending.due.min(pending.deadline), number)));
        None
    }

    /// Reads what a server sent.
    pub(super) fn receive(
        &mut self,
        epoll: &OwnedFd,
        (number, which): (u64, u8),
        buffer: &mut [u8],
        now: Instant,
    ) -> Option<FinishedQuestion> {
        loop {
            let pending = self.pending.get_mut(&number)?;
            let one = pending.tries.get_mut(usize::from(which))?;
            let answer = match one.channel.as_mut()?.receive(buffer) {
                Received::Nothing => return None,
                Received::Failure => {
                    one.channel = None;
                    return self.next_server(epoll, number, now);
                }
                Received::Message(answer) => answer,
            };
            match judge(&pending.message, pending.end, one.id, &answer) {
                Judgement::Foreign => {
                    self.foreign += 1;
                    one.foreign += 1;
                    if one.foreign >= GUESSES {
                        one.channel = None;
                        return self.next_server(epoll, number, now);
                    }
                }
                Judgement::Failure(can_be_passed_on) => {
                    one.channel = None;
                    pending.failed = Some(answer)
                        .filter(|answer| can_be_passed_on && answer.len() <= LARGEST)
                        .or(pending.failed.take());
                    return self.next_server(epoll, number, now);
                }
                Judgement::Answer => {
                    let server = pending.servers.get(usize::from(which)).copied();
                    if pending.servers.len() > 1 {
                        self.preferred = server.map(|server| (server, now + PREFERENCE));
                    }
                    return self.done(number, Some(answer), server);
                }
            }
        }
    }

    /// Asks the next server since one failed; if all were asked, waits for the others.
    fn next_server(&mut self, epoll: &OwnedFd, number: u64, now: Instant) -> Option<FinishedQuestion> {
        let pending = self.pending.get(&number)?;
        if pending.tries.len() < pending.servers.len() {
            return self.advance(epoll, number, now);
        }
        let is_over = pending.tries.iter().all(|one| one.channel.is_none());
        if is_over { self.done(number, None, None) } else { None }
    }

    /// Does what is due. Returns questions that nobody answered in time.
    pub(super) fn work(&mut self, epoll: &OwnedFd, now: Instant) -> Vec<FinishedQuestion> {
        let mut done = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let Some(Reverse((_, number))) = self.timers.pop() else { break };
            let Some(pending) = self.pending.get(&number) else { continue };
            if now >= pending.deadline {
                done.extend(self.done(number, None, None));
            } else if now >= pending.due {
                done.extend(self.advance(epoll, number, now));
            }
        }
        done
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }
}

fn random_id() -> [u8; 2] {
    let mut id = [0; 2];
    // Without random bytes there would be no answer either: they are there from early boot on.
    let _ = getrandom(&mut id, GetRandomFlags::empty());
    id
}

fn with_id(message: &[u8], id: [u8; 2]) -> Vec<u8> {
    id.iter().chain(message.iter().skip(2)).copied().collect()
}

/// Judges what came as the answer to `question`, which was asked with `id`.
fn judge(question: &[u8], end: usize, id: [u8; 2], answer: &[u8]) -> Judgement {
    const ANSWER_OF_A_QUERY: (u8, u8) = (0xf8, 0x80);
    let [id_0, id_1, flags, codes, count_0, count_1, ..] = *answer else { return Judgement::Foreign };
    if answer.len() < HEADER || [id_0, id_1] != id || flags & ANSWER_OF_A_QUERY.0 != ANSWER_OF_A_QUERY.1 {
        return Judgement::Foreign;
    }
    let rcode = codes & 0xf;
    let (name, rest) = (HEADER..end - 4, end - 4..end);
    let is_same = [count_0, count_1] == [0, 1]
        && answer
            .get(name.clone())
            .zip(question.get(name))
            .is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
        && answer.get(rest.clone()) == question.get(rest);
    match (rcode, is_same) {
        (0 | 3, true) => Judgement::Answer,
        // REFUSED: musl waits five seconds after it.
        (5, true) => Judgement::Failure(false),
        (_, true) => Judgement::Failure(true),
        // Some servers repeat no question with an error.
        (1..=2 | 4..=5, false) if [count_0, count_1] == [0, 0] => Judgement::Failure(false),
        _ => Judgement::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use super::*;

    /// A question for `Ab.c`, type A, with an OPT record behind it.
    const QUESTION: &[u8] =
        b"\x00\x00\x01\x20\0\x01\0\0\0\0\0\x01\x02Ab\x01c\0\0\x01\0\x01\0\0\x29\x10\0\0\0\0\0\0\0";
    const END: usize = 12 + 6 + 4;

    fn answer(flags: [u8; 2]) -> Vec<u8> {
        [&[7, 8, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0], &QUESTION[12..END]].concat()
    }

    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        let judged = |message: &[u8]| judge(QUESTION, END, [7, 8], message);
        for (flags, wanted) in [
            ([0x81, 0x80], Judgement::Answer),
            ([0x83, 0x83], Judgement::Answer),
            ([0x81, 0x82], Judgement::Failure(true)),
            ([0x81, 0x81], Judgement::Failure(true)),
            ([0x81, 0x85], Judgement::Failure(false)),
            // A question, and another opcode.
            ([0x01, 0x80], Judgement::Foreign),
            ([0x89, 0x80], Judgement::Foreign),
        ] {
            assert_eq!(judged(&answer(flags)), wanted, "{flags:x?}");
        }
        let good = answer([0x81, 0x80]);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            judged(&bytes)
        };
        assert_eq!(with(13, b'a'), Judgement::Answer, "another spelling");
        assert_eq!(with(0, 6), Judgement::Foreign, "another ID");
        assert_eq!(with(13, b'x'), Judgement::Foreign, "another name");
        assert_eq!(with(END - 3, 28), Judgement::Foreign, "another type");
        assert_eq!(with(END - 1, 3), Judgement::Foreign, "another class");
        assert_eq!(with(5, 2), Judgement::Foreign, "two questions");
        for length in 0..good.len() {
            assert_eq!(judged(&good[..length]), Judgement::Foreign, "the first {length} bytes");
        }
        let bare = |rcode: u8| judged(&[7, 8, 0x81, 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            (bare(1), bare(5), bare(0), bare(3)),
            (Judgement::Failure(false), Judgement::Failure(false), Judgement::Foreign, Judgement::Foreign)
        );
    }

    #[test]
    fn who_has_most_questions_waiting_makes_room() {
        let now = Instant::now();
        let [first, second, victim] = [1, 2, 3].map(|host| Ipv4Addr::new(10, 87, 1, host));
        let waiter = |share: Ipv4Addr| {
            let client = Client { address: SocketAddrV4::new(share, 1000), listener: 1, connection: None };
            Waiter { client, share, id: [0, 0], since: now }
        };
        let mut forwarder = Forwarder::default();
        let ask = |forwarder: &mut Forwarder, who: Ipv4Addr| {
            forwarder.make_room(&waiter(who));
            forwarder.count += 1;
            let pending = Pending {
                message: forwarder.count.to_be_bytes().to_vec(),
                end: 0,
                edns: None,
                waiters: vec![waiter(who)],
                purpose: Purpose::Cache(None),
                transport: Transport::Udp,
                servers: Vec::new(),
                tries: Vec::new(),
                failed: None,
                deadline: now,
                due: now,
            };
            forwarder.pending.insert(forwarder.count, pending);
        };
        let waiting = |forwarder: &Forwarder, who: Ipv4Addr| {
            forwarder.pending.values().filter(|one| one.waiters[0].share == who).count()
        };
        ask(&mut forwarder, victim);
        // Four clients with all that one may have, and one more.
        let others = (10..13).map(|host| Ipv4Addr::new(10, 87, 1, host));
        for who in [first, second].into_iter().chain(others) {
            (0..200).for_each(|_| ask(&mut forwarder, who));
        }
        assert_eq!(forwarder.pending.len(), MOST.0);
        assert_eq!(waiting(&forwarder, victim), 1, "the oldest of all, and of a client with one question");
        assert!(waiting(&forwarder, first) > 80 && waiting(&forwarder, first) <= MOST.1);
        ask(&mut forwarder, victim);
        assert_eq!((forwarder.pending.len(), waiting(&forwarder, victim)), (MOST.0, 2));
    }

    #[test]
    fn server_that_answered_is_asked_first() {
        let servers: Vec<SocketAddr> = (1..=3).map(|host| ([10, 0, 0, host], 53).into()).collect();
        let now = Instant::now();
        let mut forwarder = Forwarder::default();
        assert_eq!(forwarder.in_order(servers.clone(), now), servers);
        forwarder.preferred = Some((servers[2], now + PREFERENCE));
        assert_eq!(forwarder.in_order(servers.clone(), now), [servers[2], servers[0], servers[1]]);
        assert_eq!(forwarder.in_order(servers.clone(), now + PREFERENCE), servers, "the first may be back");
        assert_eq!(forwarder.in_order(servers[..2].to_vec(), now), servers[..2]);
    }
}
