//! Wakes the thread that waits for events, from other threads.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Readable after [`Wake::ring`], for `poll`.
#[derive(Clone, Debug)]
pub(in crate::routes) struct Wake(Arc<(UnixStream, UnixStream)>);

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

impl Wake {
    pub(in crate::routes) fn new() -> std::io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        Ok(Self(Arc::new((receiver, sender))))
    }

    pub(in crate::routes) fn ring(&self) {
        // If the buffer is full, `poll` wakes anyway.
        let _ = (&self.0.1).write(&[0]);
    }

    /// Takes what was rung so far.
    pub(in crate::routes) fn drain(&self) {
        let mut bytes = [0; 256];
        while matches!((&self.0.0).read(&mut bytes), Ok(1..)) {}
    }
}
