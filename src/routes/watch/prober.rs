//! Probes ports repeatedly until they answer, each on its own schedule and in the background.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::wake::Wake;
use crate::routes::port_choice::{Answer, Answers};
use crate::routes::probe;

/// The shortest and the longest pause before a port that refuses connections is probed again.
const REFUSING: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// The same for a port that accepts but stays silent: usually a database, which logs each probe.
const SILENT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// The ports to probe.
#[derive(Debug)]
pub(super) struct Prober {
    ports: BTreeMap<SocketAddrV4, PortState>,
    results: (Sender<ProbeResult>, Receiver<ProbeResult>),
    /// Rung with each answer.
    wake: Wake,
}

type ProbeResult = (SocketAddrV4, String, Answer);

#[derive(Debug)]
struct PortState {
    /// The run of its container.
    life: String,
    since: Instant,
    next: Instant,
    is_running: bool,
    answer: Option<Answer>,
}

impl Prober {
    pub(super) fn new(wake: Wake) -> Self {
        Self { ports: BTreeMap::new(), results: channel(), wake }
    }

    /// Sets the ports to probe. Answers from the same run of a container are kept.
    pub(super) fn set_ports(&mut self, ports: BTreeMap<SocketAddrV4, String>, now: Instant) {
        self.ports.retain(|port, state| ports.get(port) == Some(&state.life));
        for (port, life) in ports {
            let fresh = || PortState { life, since: now, next: now, is_running: false, answer: None };
            self.ports.entry(port).or_insert_with(fresh);
        }
    }

    /// Starts the probes that are due.
    pub(super) fn probe_due(&mut self, now: Instant) {
        let running = self.ports.values().filter(|state| state.is_running).count();
        let due = self.ports.iter_mut().filter(|(_, state)| state.is_waiting() && state.next <= now);
        for (&port, state) in due.take(probe::AT_ONCE.saturating_sub(running)) {
            let (send, life, wake) = (self.results.0.clone(), state.life.clone(), self.wake.clone());
            let ask = move || {
                let _ = send.send((port, life, probe::ask(port)));
                wake.ring();
            };
            // If no thread can be started, the probe is retried.
            state.is_running = std::thread::Builder::new().name("probe".to_owned()).spawn(ask).is_ok();
            state.next = now + REFUSING.0;
        }
    }

    /// Collects answers. Returns whether one of them is new.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let mut is_news = false;
        while let Ok((port, life, answer)) = self.results.1.try_recv() {
            let Some(state) = self.ports.get_mut(&port).filter(|state| state.life == life) else { continue };
            is_news |= state.answer != Some(answer);
            state.is_running = false;
            state.answer = Some(answer);
            state.next = now + pause(answer, now.saturating_duration_since(state.since));
        }
        is_news
    }

    /// All answers so far.
    pub(super) fn answers(&self) -> Answers {
        self.ports.iter().filter_map(|(port, state)| Some((*port, state.answer?))).collect()
    }

    /// The time of the next probe.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ports.values().filter(|state| state.is_waiting()).map(|state| state.next).min()
    }
}

impl PortState {
    /// Whether it will be probed again: a port that has answered is final.
    fn is_waiting(&self) -> bool {
        !self.is_running && !matches!(self.answer, Some(Answer::Http | Answer::Other))
    }
}

/// A fraction of the time since the first probe: the slower a program starts, the longer the pause.
fn pause(answer: Answer, asked_for: Duration) -> Duration {
    let (part, (least, most)) = if answer == Answer::Silence { (2, SILENT) } else { (20, REFUSING) };
    (asked_for / part).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use super::*;

    fn until(prober: &mut Prober, what: impl Fn(&Answers) -> bool) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !what(&prober.answers()) {
            assert!(Instant::now() < limit, "{prober:?}");
            prober.probe_due(Instant::now());
            prober.take(Instant::now());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn port_is_probed_until_it_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(at) = listener.local_addr().unwrap() else { unreachable!("bound to IPv4") };
        drop(listener);
        let mut prober = Prober::new(Wake::new().unwrap());
        prober.set_ports(BTreeMap::from([(at, "one".to_owned())]), Instant::now());
        until(&mut prober, |answers| answers.get(&at) == Some(&Answer::Nothing));
        let listener = TcpListener::bind(at).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        });
        until(&mut prober, |answers| answers.get(&at) == Some(&Answer::Http));
        server.join().unwrap();
        assert_eq!(prober.next(), None);
        // The same run, then a restart.
        prober.set_ports(BTreeMap::from([(at, "one".to_owned())]), Instant::now());
        assert_eq!(prober.answers().len(), 1);
        prober.set_ports(BTreeMap::from([(at, "two".to_owned())]), Instant::now());
        assert!(prober.answers().is_empty() && prober.next().is_some());
        prober.set_ports(BTreeMap::new(), Instant::now());
        assert_eq!(prober.next(), None);
    }

    #[test]
    fn stale_probe_answer_is_discarded() {
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
        let mut prober = Prober::new(Wake::new().unwrap());
        prober.set_ports(BTreeMap::from([(at, "two".to_owned())]), Instant::now());
        prober.results.0.send((at, "one".to_owned(), Answer::Http)).unwrap();
        assert!(!prober.take(Instant::now()) && prober.answers().is_empty());
    }

    #[test]
    fn probe_interval_grows_with_time() {
        let pauses = |answer, asked_for: &[u64]| -> Vec<u128> {
            asked_for.iter().map(|&seconds| pause(answer, Duration::from_secs(seconds)).as_millis()).collect()
        };
        assert_eq!(pauses(Answer::Nothing, &[0, 4, 20, 600, 6000]), [200, 200, 1000, 30_000, 30_000]);
        assert_eq!(pauses(Answer::Silence, &[0, 4, 20_000]), [1000, 2000, 3_600_000]);
    }
}
