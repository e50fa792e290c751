//! Asks other hosts for their routes: those that are known each second, the other numbers in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::fetch::{Reply, fetch};
use crate::error::parser_says;
use crate::model::config::{Config, ROUTES_PORT};
use crate::routes::others::{Other, Others, check};
use crate::routes::sync::now as time_now;
use crate::routes::table::Table;
use crate::routes::watch::wake::Wake;

/// The interval at which a known host is asked, and one that is away: Nebula logs each attempt to find it.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// How many unknown numbers are asked at what interval: until all have been asked once, twice, and after that. A host that starts
/// asks all others, so that those know of it at once; the rest is for hosts that could not reach one another then.
const UNKNOWN: [(usize, Duration); 3] =
    [(32, Duration::from_secs(1)), (4, Duration::from_secs(1)), (1, Duration::from_secs(10))];
/// How many hosts are asked at the same time: each that is away takes a second.
const AT_ONCE: usize = 256;
/// How many questions in a row a host leaves unanswered before it counts as away.
const UNANSWERED: u32 = 3;
/// The largest size of all hosts' tables together: the merged one must remain readable.
const LARGEST: usize = 32 << 20;

/// The hosts to ask, and what they have answered.
#[derive(Debug)]
pub(super) struct Asker {
    config: Arc<Config>,
    own: u16,
    wake: Wake,
    results: (Sender<Answer>, Receiver<Answer>),
    known: BTreeMap<u16, Known>,
    /// How many questions are on their way.
    running: usize,
    /// The unknown number that was asked last, how often all were asked, and when the next are.
    last_unknown: u16,
    laps: usize,
    next_unknown: Instant,
    /// The other hosts' routes.
    pub(super) others: Others,
}

/// A host that has been heard of.
#[derive(Debug)]
struct Known {
    next: Instant,
    is_running: bool,
    /// The tag of the table it sent last, also of an invalid one, and its size.
    etag: Option<String>,
    size: usize,
    /// Why that table is not used.
    problem: Option<String>,
    /// How many questions in a row it has not answered.
    unanswered: u32,
    /// The time of its last answer.
    heard: Option<String>,
}

/// What became of a question.
type Answer = (u16, std::io::Result<News>);

#[derive(Debug)]
enum News {
    Same,
    Table { etag: String, size: usize, table: Result<Box<Table>, String> },
}

impl Known {
    fn new(now: Instant) -> Self {
        Self { next: now, is_running: false, etag: None, size: 0, problem: None, unanswered: 0, heard: None }
    }
}

impl Asker {
    /// Asks from now on. `others` is what is known from before.
    pub(super) fn new(config: Arc<Config>, own: u16, others: Others, wake: Wake, now: Instant) -> Self {
        let known = others.keys().map(|&number| (number, Known::new(now))).collect();
        Self {
            config,
            own,
            wake,
            results: channel(),
            known,
            running: 0,
            last_unknown: 0,
            laps: 0,
            next_unknown: now,
            others,
        }
    }

    /// These hosts have asked, so they are there, perhaps again.
    pub(super) fn meet(&mut self, numbers: impl IntoIterator<Item = u16>, now: Instant) {
        for number in numbers {
            let host = self.known.entry(number).or_insert_with(|| Known::new(now));
            if host.unanswered > 0 {
                host.next = host.next.min(now);
            }
        }
    }

    /// Asks those that are due, the longest overdue first.
    pub(super) fn ask_due(&mut self, now: Instant) {
        let waiting = self.known.iter().filter(|(_, host)| !host.is_running && host.next <= now);
        let mut due: Vec<(Instant, u16)> = waiting.map(|(&number, host)| (host.next, number)).collect();
        due.sort_unstable();
        for (_, number) in due {
            if self.running >= AT_ONCE {
                break;
            }
            let etag = self.known.get(&number).and_then(|host| host.etag.clone());
            let is_running = self.ask(number, etag);
            if let Some(host) = self.known.get_mut(&number) {
                let is_away = host.unanswered >= UNANSWERED;
                let interval = if is_away { INTERVAL.1 } else { INTERVAL.0 };
                (host.is_running, host.next) = (is_running, now + interval);
            }
        }
        if self.next_unknown <= now {
            let (most, interval) = UNKNOWN[self.laps.min(UNKNOWN.len() - 1)];
            self.next_unknown = now + interval;
            for number in self.take_unknown(most) {
                self.ask(number, None);
            }
        }
    }

    /// The unknown numbers whose turn it is.
    fn take_unknown(&mut self, most: usize) -> Vec<u16> {
        let (hosts, mut taken) = (self.config.hosts(), Vec::new());
        for _ in 0..hosts {
            if taken.len() == most {
                break;
            }
            if self.last_unknown >= hosts {
                (self.last_unknown, self.laps) = (0, self.laps + 1);
            }
            self.last_unknown += 1;
            if self.last_unknown != self.own && !self.known.contains_key(&self.last_unknown) {
                taken.push(self.last_unknown);
            }
        }
        taken
    }

    /// Asks a host in the background. Returns whether it could be started.
    fn ask(&mut self, number: u16, etag: Option<String>) -> bool {
        let (config, send, wake) = (Arc::clone(&self.config), self.results.0.clone(), self.wake.clone());
        let at = SocketAddrV4::new(config.bridge_address_of(number), ROUTES_PORT);
        let ask = move || {
            let news = fetch(at, etag.as_deref()).map(|reply| News::of(reply, number, &config));
            let _ = send.send((number, news));
            wake.ring();
        };
        let is_running = std::thread::Builder::new().name("ask".to_owned()).spawn(ask).is_ok();
        self.running += usize::from(is_running);
        is_running
    }

    /// Takes the answers. Returns whether the routes, or what is known of hosts, have changed.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let mut has_changed = false;
        while let Ok((number, news)) = self.results.1.try_recv() {
            self.running = self.running.saturating_sub(1);
            has_changed |= match news {
                Ok(news) => self.answered(number, news, now, &time_now()),
                Err(cause) => {
                    if is_without_overlay(&cause) {
                        // Nobody was asked: begin anew.
                        (self.last_unknown, self.laps) = (0, 0);
                    }
                    self.unanswered(number, &time_now())
                }
            };
        }
        has_changed
    }

    fn answered(&mut self, number: u16, news: News, now: Instant, time: &str) -> bool {
        let size_of_others: usize =
            self.known.iter().filter(|(other, _)| **other != number).map(|(_, host)| host.size).sum();
        let host =
            self.known.entry(number).or_insert_with(|| Known { next: now + INTERVAL.0, ..Known::new(now) });
        (host.is_running, host.unanswered, host.heard) = (false, 0, Some(time.to_owned()));
        let is_back = self.others.get_mut(&number).is_some_and(|other| {
            let is_back = !other.answers;
            if is_back {
                (other.answers, other.since) = (true, time.to_owned());
            }
            is_back
        });
        let News::Table { etag, size, table } = news else { return is_back };
        host.etag = Some(etag);
        let before = host.problem.take();
        let table = table.and_then(|table| {
            let is_fit = size_of_others + size <= LARGEST;
            is_fit
                .then_some(table)
                .ok_or_else(|| format!("all hosts' tables together exceed {LARGEST} bytes"))
        });
        match table {
            Ok(table) => {
                host.size = size;
                let since =
                    self.others.get(&number).map_or_else(|| time.to_owned(), |other| other.since.clone());
                let other = Other::new(*table, since);
                let is_new = self.others.get(&number) != Some(&other);
                self.others.insert(number, other);
                is_back || is_new || before.is_some()
            }
            Err(why) => {
                host.problem = Some(why);
                is_back || host.problem != before
            }
        }
    }

    fn unanswered(&mut self, number: u16, time: &str) -> bool {
        let Some(host) = self.known.get_mut(&number) else { return false };
        host.is_running = false;
        host.unanswered = host.unanswered.saturating_add(1);
        match self.others.get_mut(&number) {
            Some(other) if other.answers && host.unanswered >= UNANSWERED => {
                other.answers = false;
                other.since = host.heard.clone().unwrap_or_else(|| time.to_owned());
                true
            }
            _ => false,
        }
    }

    /// Forgets hosts that are away and not among `published`, until they answer again.
    pub(super) fn forget_all_but(&mut self, published: &BTreeSet<u16>) {
        self.others.retain(|number, other| {
            let stays = other.answers || published.contains(number);
            if !stays {
                self.known.remove(number);
            }
            stays
        });
    }

    /// When someone is due, unless an answer comes first.
    pub(super) fn next(&self) -> Instant {
        if self.running >= AT_ONCE {
            return self.next_unknown;
        }
        let known = self.known.values().filter(|host| !host.is_running).map(|host| host.next);
        known.fold(self.next_unknown, Instant::min)
    }

    /// The hosts whose last table is not used, and why.
    pub(super) fn problems(&self) -> Vec<String> {
        let problem = |(number, host): (&u16, &Known)| {
            let why = host.problem.as_ref()?;
            Some(format!("the routes that host {number} sends are not used: {why}"))
        };
        self.known.iter().filter_map(problem).collect()
    }
}

/// Whether the overlay's interface is missing: then the range is unreachable, and the kernel says so at once.
fn is_without_overlay(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)
}

impl News {
    fn of(reply: Reply, number: u16, config: &Config) -> Self {
        match reply {
            Reply::Same => Self::Same,
            Reply::Table { etag, body } => {
                let table = serde_json::from_slice::<Table>(&body);
                let table = table.map_err(|cause| parser_says(&cause));
                let table = table.and_then(|table| check(table, number, config)).map(Box::new);
                Self::Table { etag, size: body.len(), table }
            }
        }
    }
}

#[cfg(test)]
mod tests;
