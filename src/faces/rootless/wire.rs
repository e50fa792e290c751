//! One message in each direction over a `SOCK_SEQPACKET` socket: a message arrives whole or not at all.
//!
//! Descriptors do not arrive: whoever has received one must close it, and with some file systems of users' that never ends, not
//! even by SIGKILL. The kernel discards what nobody receives.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::{Errno, Result};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendFlags, recv};

use super::message::LONGEST;

/// Sends `bytes`.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], within: Duration) -> Result<()> {
    set_socket_timeout(&socket, Timeout::Send, Some(within))?;
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL).map(drop)
}

/// The next message, of at most [`LONGEST`] bytes. Empty if the other end has closed the connection.
pub(super) fn receive(socket: impl AsFd, within: Duration) -> Result<Vec<u8>> {
    set_socket_timeout(&socket, Timeout::Recv, Some(within))?;
    let mut bytes = vec![0; LONGEST];
    let (_, length) = recv(&socket, bytes.as_mut_slice(), RecvFlags::TRUNC)?;
    if length > LONGEST {
        return Err(Errno::MSGSIZE);
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Takes the next message, if it is there, and forgets it. Closing the connection instead would take away the answer from the
/// other end.
pub(super) fn discard(socket: impl AsFd) {
    let _ = recv(&socket, &mut [0], RecvFlags::DONTWAIT);
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;

    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SocketFlags, SocketType, sendmsg,
        socketpair,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn message_arrives_whole() {
        let (one, other) = pair();
        send(&one, b"hello", SHORT).unwrap();
        send(&one, b"there", SHORT).unwrap();
        assert_eq!(receive(&other, SHORT).unwrap(), b"hello");
        assert_eq!(receive(&other, SHORT).unwrap(), b"there");
        drop(one);
        assert!(receive(&other, SHORT).unwrap().is_empty());
    }

    #[test]
    fn too_much_and_nothing_are_errors() {
        let (one, other) = pair();
        send(&one, &vec![b' '; LONGEST], SHORT).unwrap();
        assert_eq!(receive(&other, SHORT).unwrap().len(), LONGEST);
        send(&one, &vec![b' '; LONGEST + 1], SHORT).unwrap();
        assert_eq!(receive(&other, SHORT).unwrap_err(), Errno::MSGSIZE);
        assert_eq!(receive(&other, SHORT).unwrap_err(), Errno::AGAIN);
    }

    #[test]
    fn answer_before_the_question_arrives() {
        let (one, other) = pair();
        send(&one, b"question", SHORT).unwrap();
        send(&other, b"busy", SHORT).unwrap();
        discard(&other);
        drop(other);
        assert_eq!(receive(&one, SHORT).unwrap(), b"busy");
        discard(&one);
    }

    #[test]
    fn descriptors_are_not_received() {
        let (one, other) = pair();
        let (sent, kept) = pair();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [sent.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(&one, &[IoSlice::new(b"with")], &mut control, SendFlags::NOSIGNAL).unwrap();
        drop(sent);
        assert_eq!(receive(&other, SHORT).unwrap(), b"with");
        // Nobody has the other end any more.
        assert!(receive(&kept, SHORT).unwrap().is_empty());
    }
}
