//! Without systemd: makes the service's socket, and starts a process for each connection.

use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen as listen_at,
    socket_with,
};

use super::peer::Peer;
use super::slots;
use crate::error::{self, Error, Kind, Remedy, Result};
use crate::model::config::{SERVE_GROUP as GROUP, SERVE_LOCK as LOCK, SERVE_SOCKET as SOCKET};
use crate::setup::executable;
use crate::setup::rootless::group_of;
use crate::state::lock::Lock;

const GROUPS: &str = "/etc/group";
/// How many requests of all users are worked on at once.
const MOST: usize = 64;
/// How many of one user. Most of them are only told to come again.
const MOST_OF_ONE: usize = 16;
/// How many connections wait.
const BACKLOG: i32 = 128;
/// How often to look whether processes have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Listens until `stop` becomes readable.
pub fn listen(stop: impl AsFd) -> Result<()> {
    let socket = Path::new(SOCKET);
    let directory = socket.parent().unwrap_or(Path::new("/"));
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => {
            return Err(error::io("create", directory)(cause));
        }
        _ => {}
    }
    // Held for as long as this process lives.
    let _locks = slots::locks()?;
    let _alone = Lock::acquire(Path::new(LOCK), Duration::ZERO)?;
    let listener = bound(socket)?;
    // Its path, since an upgrade replaces the file.
    let program = executable()?;
    let result = accept_until(&stop, &listener, &program);
    let _ = std::fs::remove_file(socket);
    result
}

fn bound(socket: &Path) -> Result<OwnedFd> {
    let failed = error::io("listen at", socket);
    match std::fs::remove_file(socket) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(failed(cause)),
        _ => {}
    }
    let gid = group_of(&std::fs::read_to_string(GROUPS).unwrap_or_default()).ok_or_else(|| {
        let missing = Error::new(Kind::NoService, format!("{GROUPS} has no group {GROUP}"));
        missing.remedy(Remedy::run([format!("groupadd --system {GROUP}")]))
    })?;
    let open = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        bind(&listener, &SocketAddrUnix::new(socket)?)?;
        std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        chown(socket, None, Some(gid))?;
        std::fs::set_permissions(socket, Permissions::from_mode(0o660))?;
        listen_at(&listener, BACKLOG)?;
        Ok(listener)
    };
    open().map_err(failed)
}

/// Connects to nobody between `bind` and `listen`, so the socket's mode is right before the first connection.
fn accept_until(stop: impl AsFd, listener: &OwnedFd, program: &Path) -> Result<()> {
    let mut running: Vec<(NonZeroU32, Child)> = Vec::new();
    loop {
        running.retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
        let mut asked = [PollFd::new(&stop, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        let watched = if running.len() < MOST { &mut asked[..] } else { &mut asked[..1] };
        // To reap what has ended.
        let wait = if running.is_empty() { None } else { Timespec::try_from(LOOK_AGAIN).ok() };
        if poll(watched, wait.as_ref()).is_err() {
            continue;
        }
        if asked[0].revents().contains(PollFlags::IN) {
            return Ok(());
        }
        let Ok(connection) = accept_with(listener, SocketFlags::CLOEXEC) else { continue };
        let Ok(Peer { uid, .. }) = Peer::of(&connection) else { continue };
        if running.iter().filter(|(of, _)| *of == uid).count() < MOST_OF_ONE {
            running.extend(start(program, connection).map(|child| (uid, child)));
        }
    }
}

/// A process for `connection`; without it, the other end notices that the connection is closed.
fn start(program: &Path, connection: OwnedFd) -> Option<Child> {
    let answer = connection.try_clone().ok()?;
    #[expect(clippy::disallowed_methods, reason = "this program, with a connection as its standard input")]
    let mut command = Command::new(program);
    command.arg("serve").env_clear().stdin(Stdio::from(connection)).stdout(Stdio::from(answer));
    command.spawn().ok()
}
