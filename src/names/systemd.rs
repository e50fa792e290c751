//! systemd keeps the resolver's sockets while it is restarted, so that questions wait for it instead of failing.
//!
//! This is the file descriptor store of `FileDescriptorStoreMax=`, see `sd_pid_notify_with_fds(3)`. Without systemd nothing is
//! kept.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::getsockname;
use sd_notify::NotifyState;

use super::listener::Listener;

/// The sockets that were kept, or are those of a socket unit.
pub(super) fn kept() -> Vec<OwnedFd> {
    // What the environment says wrongly was kept by nobody.
    let given = sd_listen_fds::get().unwrap_or_default();
    given.into_iter().map(|(_, socket)| socket.into_std()).collect()
}

/// Lets the sockets be kept. Nothing is lost if that fails: they are opened again.
pub(super) fn keep(listener: &Listener) {
    // Without the last one a socket would be dropped when an answer does not arrive.
    let (name, no_poll) = (listener.address.to_string(), NotifyState::Custom("FDPOLL=0"));
    let state = [NotifyState::FdStore, NotifyState::FdName(&name), no_poll];
    let _ = sd_notify::notify_with_fds(&state, &[listener.udp.as_fd(), listener.tcp.as_fd()]);
}

/// Lets the sockets at `address` be kept no longer. They would take questions that nobody reads.
pub(super) fn forget(address: IpAddr) {
    let _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&address.to_string())]);
}

/// Does the same for a socket.
pub(super) fn forget_socket(socket: &OwnedFd) {
    if let Some(address) = getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok()) {
        forget(address.ip());
    }
}

/// Says that questions are answered from now on.
pub(super) fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}
