//! The user's half: hands the plugin's call to root's service.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::message::{Answer, Attach, Call, Check, Message};
use super::wire;
use crate::error::{Error, Kind, Result, parser_says};
use crate::model::config::SERVE_SOCKET as SOCKET;
use crate::model::request::{Attached, Request};
use crate::model::types::{AttachmentId, NetworkName};

/// How long the service may take: the limits of its engine, and then some.
const PATIENCE: Duration = Duration::from_secs(120);
/// For how long a busy service is asked again.
const BUSY: Duration = Duration::from_secs(60);
/// For how long one is asked again that closes connections: it does that with too many, before it knows whose they are.
const CLOSED: Duration = Duration::from_secs(10);
/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether this process has to ask the service: it is not root, or root of a user namespace in which the service's socket belongs
/// to somebody else. Never where there is no service.
#[must_use]
pub fn is_needed() -> bool {
    let found = std::fs::symlink_metadata(SOCKET);
    found.is_ok_and(|socket| !rustix::process::geteuid().is_root() || socket.uid() != 0)
}

/// Attaches a container and passes the result to `answer`. If that fails, the container is detached.
pub fn attach(
    network: NetworkName,
    request: &Request,
    answer: impl FnOnce(&Attached) -> Result<()>,
) -> Result<()> {
    let path = &request.netns;
    let netns = File::open(path.as_str()).map_err(|cause| {
        Error::new(Kind::Netns, format!("cannot open the network namespace {path}")).source(cause)
    })?;
    let Request { id, name, aliases, ips, .. } = request.clone();
    let descriptor = netns.as_raw_fd().unsigned_abs();
    let attach = Attach { id, netns: path.clone(), descriptor, name, aliases, ips };
    let message = Message::new(network.clone(), Call::Attach(attach));
    let Answer::Attached(attached) = ask(&message)? else { return Err(unexpected()) };
    answer(&attached).map_err(|lost| match detach(network, request.id.clone()) {
        Ok(()) => lost.outcome("everything was rolled back"),
        Err(error) => lost.outcome(error.to_line()),
    })
}

/// Detaches a container.
pub fn detach(network: NetworkName, id: AttachmentId) -> Result<()> {
    do_it(network, Call::Detach(id))
}

/// Reports whether a container is attached with these addresses.
pub fn check(network: NetworkName, check: Check) -> Result<()> {
    do_it(network, Call::Check(check))
}

/// Reports whether containers can be attached.
pub fn status(network: NetworkName) -> Result<()> {
    do_it(network, Call::Status)
}

fn do_it(network: NetworkName, call: Call) -> Result<()> {
    match ask(&Message::new(network, call))? {
        Answer::Done => Ok(()),
        _ => Err(unexpected()),
    }
}

fn ask(message: &Message) -> Result<Answer> {
    let started = Instant::now();
    loop {
        let answer = ask_once(message);
        let longest = match &answer {
            Ok(None) => CLOSED,
            Err(error) if error.kind() == Kind::TryLater => BUSY,
            _ => Duration::ZERO,
        };
        if started.elapsed() >= longest {
            return answer?.ok_or_else(silent);
        }
        std::thread::sleep(PAUSE);
    }
}

fn silent() -> Error {
    Error::new(Kind::NoService, "the service for rootless Podman ended without an answer")
}

/// The answer; `None` if the service closes the connection without one. What it may have done is done again, or undone, by the
/// same request.
fn ask_once(message: &Message) -> Result<Option<Answer>> {
    let unreachable = |errno: Errno| {
        let what = format!("the service for rootless Podman at {SOCKET} cannot be reached");
        Error::new(Kind::NoService, what).source(std::io::Error::from(errno))
    };
    let service = connected().map_err(unreachable)?;
    let text = serde_json::to_vec(message).map_err(|cause| silent().source(parser_says(&cause)))?;
    let sent = wire::send(&service, &text, PATIENCE);
    // A service that is busy may answer before it reads.
    let bytes = match (wire::receive(&service, PATIENCE), sent) {
        (Ok(answer), _) => answer,
        (Err(Errno::CONNRESET), _) => return Ok(None),
        (Err(errno), Ok(())) | (Err(_), Err(errno)) => {
            return Err(silent().source(std::io::Error::from(errno)));
        }
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    let answer = serde_json::from_slice(&bytes).map_err(|cause| {
        Error::new(Kind::NoService, "the service for rootless Podman sent an answer that is none")
            .source(parser_says(&cause))
    })?;
    match answer {
        Answer::Refused(refusal) => Err(refusal.into()),
        answer => Ok(Some(answer)),
    }
}

fn connected() -> Result<OwnedFd, Errno> {
    let service = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    // `connect` waits while others' connections wait.
    set_socket_timeout(&service, Timeout::Send, Some(PATIENCE))?;
    connect(&service, &SocketAddrUnix::new(Path::new(SOCKET))?)?;
    Ok(service)
}

fn unexpected() -> Error {
    Error::new(Kind::NoService, "the service for rootless Podman sent the answer to another question")
}
