//! Asking ports again and again until they answer, each in its own time and without holding up anything else.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::routes::choose::{Answer, Answers};
use crate::routes::probe;

/// How long is waited at least, and at most, before a port that refuses is asked again.
const REFUSING: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// The same of one that takes the question and says nothing: a database, as a rule, which writes that to its log.
const SILENT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Ports that are being asked.
#[derive(Debug)]
pub(super) struct Prober {
    asked: BTreeMap<SocketAddrV4, Asked>,
    results: (Sender<Answered>, Receiver<Answered>),
    /// A byte comes with each answer, for `poll`.
    wake: (UnixStream, UnixStream),
}

type Answered = (SocketAddrV4, String, Answer);

#[derive(Debug)]
struct Asked {
    /// The life of its container.
    life: String,
    since: Instant,
    next: Instant,
    is_asked_now: bool,
    answer: Option<Answer>,
}

impl AsFd for Prober {
    /// Readable when an answer has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.0.as_fd()
    }
}

impl Prober {
    pub(super) fn new() -> std::io::Result<Self> {
        let wake = UnixStream::pair()?;
        wake.0.set_nonblocking(true)?;
        wake.1.set_nonblocking(true)?;
        Ok(Self { asked: BTreeMap::new(), results: channel(), wake })
    }

    /// Asks `ports` from now on, and no others. What a port answered in the same life of its container still holds.
    pub(super) fn want(&mut self, ports: BTreeMap<SocketAddrV4, String>, now: Instant) {
        self.asked.retain(|port, asked| ports.get(port) == Some(&asked.life));
        for (port, life) in ports {
            let fresh = || Asked { life, since: now, next: now, is_asked_now: false, answer: None };
            self.asked.entry(port).or_insert_with(fresh);
        }
    }

    /// Asks those whose time has come.
    pub(super) fn ask_due(&mut self, now: Instant) {
        let running = self.asked.values().filter(|asked| asked.is_asked_now).count();
        let due = self.asked.iter_mut().filter(|(_, asked)| asked.is_waiting() && asked.next <= now);
        for (&port, asked) in due.take(probe::AT_ONCE.saturating_sub(running)) {
            let (send, life, wake) = (self.results.0.clone(), asked.life.clone(), self.wake.1.try_clone());
            let ask = move || {
                let _ = send.send((port, life, probe::ask(port)));
                // Where the buffer is full, there are bytes enough to wake.
                let _ = wake.map(|mut wake| wake.write(&[0]));
            };
            // Where there is no room for a thread, the next time will do.
            asked.is_asked_now = std::thread::Builder::new().name("probe".to_owned()).spawn(ask).is_ok();
            asked.next = now + REFUSING.0;
        }
    }

    /// Takes the answers that have come; whether there is one that tells something new.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let mut bytes = [0; 256];
        while matches!((&self.wake.0).read(&mut bytes), Ok(1..)) {}
        let mut is_news = false;
        while let Ok((port, life, answer)) = self.results.1.try_recv() {
            let Some(asked) = self.asked.get_mut(&port).filter(|asked| asked.life == life) else { continue };
            is_news |= asked.answer != Some(answer);
            asked.is_asked_now = false;
            asked.answer = Some(answer);
            asked.next = now + pause(answer, now.saturating_duration_since(asked.since));
        }
        is_news
    }

    /// What has been answered.
    pub(super) fn answers(&self) -> Answers {
        self.asked.iter().filter_map(|(port, asked)| Some((*port, asked.answer?))).collect()
    }

    /// When one is to be asked next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.asked.values().filter(|asked| asked.is_waiting()).map(|asked| asked.next).min()
    }
}

impl Asked {
    /// Whether it is to be asked some time: what speaks HTTP, or something else, will not change.
    fn is_waiting(&self) -> bool {
        !self.is_asked_now && !matches!(self.answer, Some(Answer::Http | Answer::Other))
    }
}

/// A part of the time that it has been asked for already: who starts slowly is found a little later.
fn pause(answer: Answer, asked_for: Duration) -> Duration {
    let (part, (least, most)) = if answer == Answer::Silence { (2, SILENT) } else { (20, REFUSING) };
    (asked_for / part).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use super::*;

    fn until(prober: &mut Prober, what: impl Fn(&Answers) -> bool) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !what(&prober.answers()) {
            assert!(Instant::now() < limit, "{prober:?}");
            prober.ask_due(Instant::now());
            prober.take(Instant::now());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_port_is_asked_until_it_speaks_and_then_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(at) = listener.local_addr().unwrap() else { unreachable!("bound to IPv4") };
        drop(listener);
        let mut prober = Prober::new().unwrap();
        prober.want(BTreeMap::from([(at, "one".to_owned())]), Instant::now());
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
        // The same container still, then started again.
        prober.want(BTreeMap::from([(at, "one".to_owned())]), Instant::now());
        assert_eq!(prober.answers().len(), 1);
        prober.want(BTreeMap::from([(at, "two".to_owned())]), Instant::now());
        assert!(prober.answers().is_empty() && prober.next().is_some());
        prober.want(BTreeMap::new(), Instant::now());
        assert_eq!(prober.next(), None);
    }

    #[test]
    fn an_answer_about_an_earlier_life_is_none() {
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
        let mut prober = Prober::new().unwrap();
        prober.want(BTreeMap::from([(at, "two".to_owned())]), Instant::now());
        prober.results.0.send((at, "one".to_owned(), Answer::Http)).unwrap();
        assert!(!prober.take(Instant::now()) && prober.answers().is_empty());
    }

    #[test]
    fn it_is_asked_more_and_more_seldom() {
        let pauses = |answer, asked_for: &[u64]| -> Vec<u128> {
            asked_for.iter().map(|&seconds| pause(answer, Duration::from_secs(seconds)).as_millis()).collect()
        };
        assert_eq!(pauses(Answer::Nothing, &[0, 4, 20, 600, 6000]), [200, 200, 1000, 30_000, 30_000]);
        assert_eq!(pauses(Answer::Silence, &[0, 4, 20_000]), [1000, 2000, 3_600_000]);
    }
}
