//! One message in each direction over a `SOCK_SEQPACKET` socket: a message arrives whole or not at all.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::{Errno, Result};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::message::LONGEST;

/// Sends `bytes`, and a descriptor.
pub(super) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
    within: Duration,
) -> Result<()> {
    set_socket_timeout(&socket, Timeout::Send, Some(within))?;
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Errno::NOBUFS);
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// The next message, of at most [`LONGEST`] bytes, with at most one descriptor. Empty if the other end has closed the connection.
pub(super) fn receive(socket: impl AsFd, within: Duration) -> Result<(Vec<u8>, Option<OwnedFd>)> {
    set_socket_timeout(&socket, Timeout::Recv, Some(within))?;
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    // Alignment leaves space for a second one.
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || descriptors.len() > 1 {
        return Err(Errno::MSGSIZE);
    }
    bytes.truncate(received.bytes);
    Ok((bytes, descriptors.pop()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn message_arrives_whole_with_its_descriptor() {
        let (one, other) = pair();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        send(&one, b"hello", Some(file.as_fd()), SHORT).unwrap();
        send(&one, b"there", None, SHORT).unwrap();
        let (bytes, descriptor) = receive(&other, SHORT).unwrap();
        let mut text = String::new();
        std::fs::File::from(descriptor.unwrap()).read_to_string(&mut text).unwrap();
        assert!(bytes == b"hello" && text.contains("Uid:"));
        assert!(matches!(receive(&other, SHORT).unwrap(), (bytes, None) if bytes == b"there"));
        drop(one);
        assert!(receive(&other, SHORT).unwrap().0.is_empty());
    }

    #[test]
    fn too_much_and_nothing_are_errors() {
        let (one, other) = pair();
        send(&one, &vec![b' '; LONGEST], None, SHORT).unwrap();
        assert_eq!(receive(&other, SHORT).unwrap().0.len(), LONGEST);
        send(&one, &vec![b' '; LONGEST + 1], None, SHORT).unwrap();
        assert_eq!(receive(&other, SHORT).unwrap_err(), Errno::MSGSIZE);
        assert_eq!(receive(&other, SHORT).unwrap_err(), Errno::AGAIN);
    }

    #[test]
    fn more_descriptors_than_one_are_refused() {
        let (one, other) = pair();
        let file = std::fs::File::open("/dev/null").unwrap();
        let many = [file.as_fd(); 9];
        for count in [2, 3, 9] {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(9))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&many[..count])));
            sendmsg(&one, &[IoSlice::new(b"many")], &mut control, SendFlags::NOSIGNAL).unwrap();
            assert_eq!(receive(&other, SHORT).unwrap_err(), Errno::MSGSIZE, "{count}");
        }
    }
}
