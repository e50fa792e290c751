//! Asks one host for its routes, if they have changed.

use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use super::stream;

/// The time limits to accept a connection, and for everything.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// The largest table and the largest head of a response. 10,000 routes take about 4 MB.
const LARGEST: (usize, usize) = (4 << 20, 8 << 10);
/// The number of headers of a response.
const HEADERS: usize = 32;

/// What a host answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The table is that of the tag.
    Same,
    /// Another table, and its tag for the next time.
    Table {
        /// The tag.
        etag: String,
        /// The table as JSON.
        body: Vec<u8>,
    },
}

/// Asks the host at `at`. `etag` is that of the table it sent last.
pub(super) fn fetch(at: SocketAddrV4, etag: Option<&str>) -> Result<Reply> {
    let until = Instant::now() + PATIENCE.1;
    let condition = etag.map(|etag| format!("If-None-Match: {etag}\r\n")).unwrap_or_default();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: flatnet\r\n{condition}Connection: close\r\n\r\n",
        super::PATH
    );
    let mut stream = TcpStream::connect_timeout(&at.into(), PATIENCE.0)?;
    stream::write(&mut stream, until, request.as_bytes())?;
    parse(&stream::read(&mut stream, until, LARGEST.0 + LARGEST.1, |_| false)?)
}

fn parse(bytes: &[u8]) -> Result<Reply> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidData, what);
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(start)) = response.parse(bytes) else {
        return Err(invalid("it does not answer HTTP"));
    };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    match response.code {
        Some(304) => Ok(Reply::Same),
        Some(200) => {
            let body = bytes.get(start..).unwrap_or_default().to_vec();
            if header("content-length") != Some(body.len().to_string().as_str()) {
                return Err(invalid("the answer is incomplete"));
            }
            // It is sent back in a header.
            let is_tag = |tag: &&str| tag.len() <= 128 && tag.bytes().all(|byte| byte.is_ascii_graphic());
            let etag =
                header("etag").filter(is_tag).ok_or_else(|| invalid("the answer has no valid ETag"))?;
            Ok(Reply::Table { etag: etag.to_owned(), body })
        }
        code => Err(invalid(&format!("it answers with status {}", code.unwrap_or(0)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_are_taken() {
        let table = Reply::Table { etag: "\"a\"".to_owned(), body: b"{}".to_vec() };
        for (answer, reply) in [
            ("HTTP/1.1 304 Not Modified\r\n\r\n", Ok(Reply::Same)),
            ("HTTP/1.1 200 OK\r\nETag: \"a\"\r\ncontent-length: 2\r\n\r\n{}", Ok(table)),
            (
                "HTTP/1.1 200 OK\r\nETag: \"a\"\r\ncontent-length: 3\r\n\r\n{}",
                Err("the answer is incomplete"),
            ),
            ("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n{}", Err("the answer is incomplete")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Err("the answer has no valid ETag")),
            (
                "HTTP/1.1 200 OK\r\nETag: a b\r\ncontent-length: 2\r\n\r\n{}",
                Err("the answer has no valid ETag"),
            ),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", Err("it answers with status 403")),
            ("HTTP/1.1 200 OK\r\n", Err("it does not answer HTTP")),
            ("-ERR\r\n\r\n", Err("it does not answer HTTP")),
        ] {
            let parsed = parse(answer.as_bytes()).map_err(|cause| cause.to_string());
            assert_eq!(parsed, reply.map_err(str::to_owned), "{answer}");
        }
    }
}
