//! The resolver: its process, and whether it answers.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::dns_query::{HEADER, PORT, is_answer};
use crate::kernel::execute::Executor as _;
use crate::kernel::host::Host;
use crate::model::command::Command;
use crate::model::config::Config;
use crate::model::desired::{HostState, RESOLVER_UNIT, Resolver};
use crate::model::types::HostName;
use crate::state::names_dir::NamesDir;

/// The name in the zone of every network that leads to this host. No other server knows it.
pub const HOST: &str = "host";
/// Recursion desired; one question.
const QUERY: &[u8] = b"\x01\x00\0\x01\0\0\0\0\0\0";
/// Type A, class IN.
const TYPE_A: &[u8] = b"\0\x01\0\x01";
/// The pause before a resolver that is starting is asked again.
const PAUSE: Duration = Duration::from_millis(2);
/// How long one may take to start on a busy machine.
const STARTING: Duration = Duration::from_secs(2);
/// When one that does not answer is asked again: it may have been restarted meanwhile.
const AGAIN: Duration = Duration::from_millis(300);

/// How the resolver is started here.
pub(super) fn how_to_start(config: &Config) -> Option<Resolver> {
    if !config.names.enabled {
        return None;
    }
    if super::systemd_runs() {
        return Some(Resolver::Unit);
    }
    let program = std::env::current_exe().and_then(std::fs::canonicalize).ok()?;
    Some(Resolver::Process { program, names: config.paths.names() })
}

/// The process of the resolver. One that Flatnet started holds a lock.
pub(super) fn running(desired: &HostState, host: &mut Host) -> Option<u32> {
    match desired.resolver {
        Some(Resolver::Unit) => {
            let show = ["systemctl", "show", "--property=MainPID", "--value", RESOLVER_UNIT];
            let output = host.run(&Command::new(show), &[]).ok()?;
            output.stdout.trim().parse().ok().filter(|pid| *pid > 0)
        }
        _ => process(&NamesDir::lock_of(&desired.names)),
    }
}

/// The resolver's process: the one that holds `lock`.
#[must_use]
pub fn process(lock: &Path) -> Option<u32> {
    let found = lock.symlink_metadata().ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    holder(&locks, found.dev(), found.ino())
}

/// Waits until a resolver that was just started holds `lock`, by which others find it, to end it or because it must not be started
/// twice. For a while only: it may have failed.
pub fn await_process(lock: &Path) {
    let start = Instant::now();
    while process(lock).is_none() && start.elapsed() < STARTING {
        std::thread::sleep(PAUSE);
    }
}

/// The process with the `flock` on a file, by the text of /proc/locks.
fn holder(locks: &str, dev: u64, inode: u64) -> Option<u32> {
    let file = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(dev), rustix::fs::minor(dev));
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, "WRITE", pid, at, ..] if at == file => pid.parse().ok(),
            _ => None,
        }
    })
}

/// How long to wait for the resolver.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// If nobody listens: it may be starting.
    pub refused: Duration,
    /// If nobody answers: it may have no processor yet.
    pub silent: Duration,
}

/// A question whether the resolver answers at an address for a zone. It is sent at once and its answer read later, so that the
/// caller can work meanwhile.
#[derive(Debug)]
pub struct Question {
    listen: Ipv4Addr,
    zone: HostName,
    /// The socket that received no answer yet.
    asked: Option<Asked>,
    /// Whether an answer with a record came.
    is_found: bool,
}

impl Question {
    /// Asks the resolver at `listen` for `zone`.
    #[must_use]
    pub fn ask(listen: Ipv4Addr, zone: &HostName) -> Self {
        Self { listen, zone: zone.clone(), asked: Asked::new(listen, zone).ok(), is_found: false }
    }

    /// Whether the resolver answers. Unless it did so already, waits and asks again.
    pub fn is_answered(&mut self, patience: Patience) -> bool {
        let start = Instant::now();
        while !self.is_found {
            let left = patience.silent.saturating_sub(start.elapsed()).min(AGAIN);
            let asked = self.asked.take().map_or_else(|| Asked::new(self.listen, &self.zone), Ok);
            let limit = match asked.and_then(|asked| asked.answer(left)) {
                Ok(is_found) => {
                    self.is_found = is_found;
                    return is_found;
                }
                Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => patience.refused,
                Err(_) => patience.silent,
            };
            if start.elapsed() + PAUSE >= limit {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }
}

/// One message that was sent.
#[derive(Debug)]
struct Asked {
    socket: UdpSocket,
    id: [u8; 2],
}

impl Asked {
    fn new(listen: Ipv4Addr, zone: &HostName) -> std::io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((listen, PORT))?;
        // The kernel chooses a random port, and a connected socket receives only from the server.
        let id = socket.local_addr()?.port().to_be_bytes();
        socket.send(&question(id, zone))?;
        Ok(Self { socket, id })
    }

    /// Whether the answer has a record. An error if none comes, or a refusal.
    fn answer(self, patience: Duration) -> std::io::Result<bool> {
        // Zero means forever.
        self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut header = [0; HEADER];
        let length = self.socket.recv(&mut header)?;
        Ok(is_found(&header[..length], self.id))
    }
}

fn question(id: [u8; 2], zone: &HostName) -> Vec<u8> {
    let mut message = [&id[..], QUERY].concat();
    for label in [HOST].into_iter().chain(zone.as_str().split('.')) {
        // A label of a host name has at most 63 characters.
        message.push(u8::try_from(label.len()).unwrap_or_default());
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(TYPE_A);
    message
}

/// Whether an answer to `id` has no error and a record.
fn is_found(header: &[u8], id: [u8; 2]) -> bool {
    is_answer(header, id) && header[3] & 0x0f == 0 && header[6..8] != [0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_holder_is_found_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 101 00:1a:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 102 00:1a:43 0 EOF\n\
                     3: FLOCK  ADVISORY  READ 103 00:1a:42 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 104 00:1a:42 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 105 00:1a:42 0 EOF\n";
        let dev = rustix::fs::makedev(0, 0x1a);
        assert_eq!(holder(locks, dev, 42), Some(105), "neither a reader nor one that waits");
        assert_eq!(holder(locks, dev, 43), Some(102));
        assert_eq!(holder(locks, rustix::fs::makedev(1, 0x1a), 43), None);
    }

    #[test]
    fn question_asks_for_the_address_of_this_host() {
        let zone = HostName::parse("ab.c").unwrap();
        let question = question([1, 2], &zone);
        assert_eq!(question, b"\x01\x02\x01\x00\0\x01\0\0\0\0\0\0\x04host\x02ab\x01c\0\0\x01\0\x01");
    }

    #[test]
    fn silence_is_borne_longer_than_a_refusal() {
        let zone = HostName::parse("ab.c").unwrap();
        let patience = |refused, silent| Patience {
            refused: Duration::from_millis(refused),
            silent: Duration::from_millis(silent),
        };
        // An address of its own, so that no other program has the port; without root nothing can listen there.
        let listen = Ipv4Addr::new(127, 87, 1, 53);
        let start = Instant::now();
        assert!(!Question::ask(listen, &zone).is_answered(patience(20, 60_000)));
        assert!(start.elapsed() < Duration::from_secs(30), "nobody listens");
        let Ok(server) = UdpSocket::bind((listen, PORT)) else { return };
        let start = Instant::now();
        let mut question = Question::ask(listen, &zone);
        assert!(!question.is_answered(patience(0, 400)));
        assert!(start.elapsed() >= Duration::from_millis(390));
        // An answer that says no is asked for again, one that says yes is not.
        let answer = |answers: u8| {
            let mut message = [0; 64];
            let (_, client) = server.recv_from(&mut message).unwrap();
            let header = [message[0], message[1], 0x84, 0, 0, 1, 0, answers, 0, 0, 0, 0];
            server.send_to(&header, client).unwrap();
        };
        let mut question = Question::ask(listen, &zone);
        while server.set_nonblocking(true).is_ok() && server.recv_from(&mut [0; 64]).is_ok() {}
        server.set_nonblocking(false).unwrap();
        drop(question.asked.take());
        for (answers, is_found) in [(0, false), (1, true)] {
            question.asked = Asked::new(listen, &zone).ok();
            answer(answers);
            assert_eq!(question.is_answered(patience(0, 400)), is_found);
        }
        assert!(question.is_answered(patience(0, 0)) && question.asked.is_none());
    }

    #[test]
    fn only_an_answer_with_a_record_counts() {
        let header = |code: u8, answers: u8| [7, 8, 0x84, code, 0, 1, 0, answers, 0, 0, 0, 0];
        assert!(is_found(&header(0, 1), [7, 8]));
        for (header, id) in [(header(3, 0), [7, 8]), (header(0, 0), [7, 8]), (header(0, 1), [7, 9])] {
            assert!(!is_found(&header, id), "{header:?}");
        }
        assert!(!is_found(&header(0, 1)[..11], [7, 8]));
    }
}
