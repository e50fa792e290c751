//! Serves the table of this host's containers to other hosts, and to nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_ip_freebind, set_socket_reuseaddr};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, bind, listen, shutdown, socket_with};
use sha2::{Digest, Sha256};

use super::stream;
use crate::hex;
use crate::model::config::Config;
use crate::routes::watch::wake::Wake;

/// How many connections wait to be accepted.
const BACKLOG: i32 = 128;
/// How many there are at most, in all and of one host. Whoever is no host has one share with all others who are not.
const MOST: (usize, usize) = (64, 4);
/// The time limits for a request and for its answer.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// The largest request, and the number of its headers.
const LARGEST: (usize, usize) = (4 << 10, 32);

/// A listening server. It ends when this value is dropped.
#[derive(Debug)]
pub(super) struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    wake: Wake,
    /// What is served, once it is known.
    table: Mutex<Option<Arc<Served>>>,
    /// The hosts that have asked and were not taken yet.
    met: Mutex<BTreeSet<u16>>,
    /// The number of connections of each host; 0 is whoever is none.
    open: Mutex<BTreeMap<u16, usize>>,
}

/// A table as JSON, and its tag.
#[derive(Debug)]
struct Served {
    etag: String,
    json: Vec<u8>,
}

impl Server {
    /// Listens at `at`, whose address need not be there yet.
    pub(super) fn start(at: SocketAddrV4, config: Arc<Config>, wake: Wake) -> std::io::Result<Self> {
        let listener = open(at)?;
        let accepting = listener.try_clone()?;
        let (table, met, open) = Default::default();
        let shared = Arc::new(Shared { config, wake, table, met, open });
        let served = Arc::clone(&shared);
        std::thread::Builder::new().name("routes".to_owned()).spawn(move || accept(&accepting, &served))?;
        Ok(Self { listener, shared })
    }

    /// Serves this table from now on.
    pub(super) fn set_table(&self, json: Vec<u8>) {
        let etag = format!("\"{}\"", hex::digits(&Sha256::digest(&json)[..16]));
        *locked(&self.shared.table) = Some(Arc::new(Served { etag, json }));
    }

    /// The hosts that have asked since the last call.
    pub(super) fn take_met(&self) -> BTreeSet<u16> {
        std::mem::take(&mut locked(&self.shared.met))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends `accept`.
        let _ = shutdown(&self.listener, Shutdown::Both);
    }
}

fn open(at: SocketAddrV4) -> std::io::Result<TcpListener> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_ip_freebind(&socket, true)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &at)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// A thread that panicked left the value as it was before or after one statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept() {
            Ok((stream, SocketAddr::V4(peer))) => begin(stream, *peer.ip(), shared),
            Ok(_) => {}
            Err(cause) if cause.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => return,
            // Without memory or descriptors: some will be free soon.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Answers in a thread of its own, or drops the connection if there are too many.
fn begin(stream: TcpStream, peer: Ipv4Addr, shared: &Arc<Shared>) {
    let number = shared.config.other_host_at(peer);
    let Some(turn) = Turn::take(number.unwrap_or(0), shared) else { return };
    if let Some(number) = number {
        if locked(&shared.met).insert(number) {
            shared.wake.ring();
        }
    }
    let answer = move || {
        // The other host asks again.
        let _ = converse(stream, number, &turn.0);
    };
    // If no thread can be started, the connection is dropped.
    let _ = std::thread::Builder::new().name("routes".to_owned()).spawn(answer);
}

/// One of the connections that a host may have.
struct Turn(Arc<Shared>, u16);

impl Turn {
    fn take(number: u16, shared: &Arc<Shared>) -> Option<Self> {
        let mut open = locked(&shared.open);
        let own = open.get(&number).copied().unwrap_or(0);
        if own >= MOST.1 || open.values().sum::<usize>() >= MOST.0 {
            return None;
        }
        open.insert(number, own + 1);
        Some(Self(Arc::clone(shared), number))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = locked(&self.0.open);
        let left = open.remove(&self.1).unwrap_or(1) - 1;
        if left > 0 {
            open.insert(self.1, left);
        }
    }
}

fn converse(mut stream: TcpStream, number: Option<u16>, shared: &Shared) -> std::io::Result<()> {
    let until = Instant::now() + PATIENCE.0;
    let request = stream::read(&mut stream, until, LARGEST.0, |bytes| stream::after_head(bytes).is_some())?;
    let table = locked(&shared.table).clone();
    let response = respond(&request, number, table.as_deref());
    stream::write(&mut stream, Instant::now() + PATIENCE.1, &response)
}

/// The answer to a request of host `number`.
fn respond(request: &[u8], number: Option<u16>, table: Option<&Served>) -> Vec<u8> {
    let mut headers = [httparse::EMPTY_HEADER; LARGEST.1];
    let mut parsed = httparse::Request::new(&mut headers);
    let is_whole = parsed.parse(request).is_ok_and(|status| status.is_complete());
    let empty = |status: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
    };
    if number.is_none() {
        return empty("403 Forbidden");
    } else if !is_whole {
        return empty("400 Bad Request");
    } else if (parsed.method, parsed.path) != (Some("GET"), Some(super::PATH)) {
        return empty("404 Not Found");
    }
    let Some(Served { etag, json }) = table else { return empty("503 Service Unavailable") };
    let has_it = |header: &&mut httparse::Header<'_>| {
        header.name.eq_ignore_ascii_case("if-none-match") && header.value == etag.as_bytes()
    };
    if parsed.headers.iter_mut().find(has_it).is_some() {
        return empty(&format!("304 Not Modified\r\nETag: {etag}"));
    }
    let length = json.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: {etag}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), json].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(request: &str, number: Option<u16>) -> String {
        let table = Served { etag: "\"a\"".to_owned(), json: b"{}".to_vec() };
        String::from_utf8(respond(request.as_bytes(), number, Some(&table))).unwrap()
    }

    #[test]
    fn only_hosts_get_the_table() {
        let get = "GET /routes.json HTTP/1.1\r\nHost: x\r\n";
        let answer = said(&format!("{get}\r\n"), Some(2));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n{}"), "{answer}");
        for (request, number, status) in [
            (format!("{get}\r\n"), None, "403"),
            ("junk".to_owned(), None, "403"),
            (get.to_owned(), Some(2), "400"),
            ("GET /../etc HTTP/1.1\r\n\r\n".to_owned(), Some(2), "404"),
            ("POST /routes.json HTTP/1.1\r\n\r\n".to_owned(), Some(2), "404"),
            (format!("{get}If-None-Match: \"a\"\r\n\r\n"), Some(2), "304"),
            (format!("{get}If-None-Match: \"b\"\r\n\r\n"), Some(2), "200"),
        ] {
            let answer = said(&request, number);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert_eq!(answer.contains("{}"), status == "200", "{answer}");
        }
        let none = respond(format!("{get}\r\n").as_bytes(), Some(2), None);
        assert!(none.starts_with(b"HTTP/1.1 503 "));
    }

    #[test]
    fn connections_are_counted_for_each_host() {
        let wake = Wake::new().unwrap();
        let (table, met, open) = Default::default();
        let shared = Arc::new(Shared { config: Arc::default(), wake, table, met, open });
        let turns: Vec<Turn> = (0..MOST.1).map(|_| Turn::take(2, &shared).unwrap()).collect();
        assert!(Turn::take(2, &shared).is_none() && Turn::take(3, &shared).is_some());
        let others: Vec<Turn> = (4..).map_while(|number| Turn::take(number, &shared)).collect();
        assert_eq!(turns.len() + others.len(), MOST.0);
        drop(turns);
        assert!(Turn::take(2, &shared).is_some());
        drop(others);
        assert!(locked(&shared.open).is_empty());
    }
}
