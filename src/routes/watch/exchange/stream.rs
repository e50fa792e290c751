//! Reads and writes with one time limit for the whole, so that nobody can hold a thread by sending or taking a byte at a time.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Instant;

/// The end of the head of a request or a response.
pub(super) const HEAD_END: &[u8] = b"\r\n\r\n";

/// Reads until `is_complete` or the end of the stream. An error at `most` bytes.
pub(super) fn read(
    stream: &mut TcpStream,
    until: Instant,
    most: usize,
    is_complete: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while !is_complete(&bytes) {
        if bytes.len() >= most {
            return Err(std::io::Error::new(ErrorKind::InvalidData, format!("it exceeds {most} bytes")));
        }
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(bytes)
}

/// Writes all of `bytes`.
pub(super) fn write(stream: &mut TcpStream, until: Instant, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

fn left(until: Instant) -> Result<std::time::Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The position after the first [`HEAD_END`].
pub(super) fn after_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(HEAD_END.len()).position(|four| four == HEAD_END).map(|at| at + HEAD_END.len())
}
