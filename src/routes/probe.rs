//! Probes whether a port speaks HTTP, from this host at the flat address.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use super::port_choice::{Answer, Answers};

/// The time limits to accept a connection, and to answer.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(1));
/// The number of parallel probes: as many as a host's subnet has addresses, since each silent port takes the full second.
pub(super) const AT_ONCE: usize = 256;

/// Probes all of `ports` in parallel.
#[must_use]
pub fn ask_all(ports: impl IntoIterator<Item = SocketAddrV4>) -> Answers {
    let ports: Vec<SocketAddrV4> = ports.into_iter().collect();
    let mut answers = Answers::new();
    for some in ports.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let start = |port| std::thread::Builder::new().spawn_scoped(scope, move || ask(port));
            let asked: Vec<_> = some.iter().map(|&port| (port, start(port))).collect();
            answers.extend(asked.into_iter().map(|(port, asked)| match asked {
                Ok(asked) => (port, asked.join().unwrap_or(Answer::Nothing)),
                // If no thread can be started, probe in sequence.
                Err(_) => (port, ask(port)),
            }));
        });
    }
    answers
}

/// Requests `/` from one port, as a browser would.
#[must_use]
pub fn ask(port: SocketAddrV4) -> Answer {
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::V4(port), PATIENCE.0) else {
        return Answer::Nothing;
    };
    let limits = stream.set_read_timeout(Some(PATIENCE.1)).and(stream.set_write_timeout(Some(PATIENCE.1)));
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {port}\r\nUser-Agent: flatnet\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    if limits.and_then(|()| stream.write_all(request.as_bytes())).is_err() {
        return Answer::Silence;
    }
    judge(&first_bytes(&mut stream))
}

/// The first bytes of the answer.
fn first_bytes(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16];
    while bytes.len() < HTTP.len() {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Ok(0) | Err(_) => break,
        }
    }
    bytes
}

const HTTP: &[u8] = b"HTTP/1.";

fn judge(bytes: &[u8]) -> Answer {
    match bytes {
        [] => Answer::Silence,
        _ if bytes.starts_with(HTTP) => Answer::Http,
        _ => Answer::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Instant;

    use super::*;

    /// A server that accepts one connection, reads something and sends `answer`.
    fn server(answer: &'static [u8]) -> SocketAddrV4 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(at) = listener.local_addr().unwrap() else { unreachable!("bound to IPv4") };
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
            for byte in answer {
                stream.write_all(&[*byte]).unwrap();
            }
        });
        at
    }

    #[test]
    fn probe_recognises_only_http_answers() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let SocketAddr::V4(closed) = closed else { unreachable!("bound to IPv4") };
        let ports = [
            (server(b"HTTP/1.0 404 Not Found\r\n\r\n"), Answer::Http),
            (server(b"HTTP/1.1 401 Unauthorized\r\n\r\n"), Answer::Http),
            (server(b"-ERR unknown command 'GET'\r\n"), Answer::Other),
            (server(b"HTT"), Answer::Other),
            (server(b""), Answer::Silence),
            (closed, Answer::Nothing),
        ];
        assert_eq!(ask_all(ports.map(|(port, _)| port)), ports.into());
    }

    /// As with a host full of databases.
    #[test]
    fn silent_ports_are_probed_in_parallel() {
        let listeners: Vec<TcpListener> =
            (1..=150).map(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 9, last), 0)).unwrap()).collect();
        let ports = listeners.iter().map(|listener| match listener.local_addr().unwrap() {
            SocketAddr::V4(at) => at,
            SocketAddr::V6(_) => unreachable!("bound to IPv4"),
        });
        let began = Instant::now();
        let answers = ask_all(ports);
        assert!(began.elapsed() < PATIENCE.1 * 3, "{:?}", began.elapsed());
        assert!(
            answers.len() == 150 && answers.values().all(|answer| *answer == Answer::Silence),
            "{answers:?}"
        );
    }
}
