//! Who asks, by what the kernel says.

use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::net::sockopt::socket_peercred;

use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{Executor, Exit, Output};
use crate::kernel::observe::netns::Netns;
use crate::model::command::Command;
use crate::model::types::{NetnsPath, UserName};

/// A number that no user has, and no namespace maps.
const NOBODYS: &str = "4294967294";
/// What cannot be started, and the exit status that reports it.
const NO_PROGRAM: &str = "/";
const NOT_EXECUTABLE: i32 = 126;

/// The process at the other end of a connection, when it connected.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its user.
    pub uid: NonZeroU32,
    gid: u32,
    pid: u32,
}

impl Peer {
    /// Asks the kernel.
    pub fn of(connection: impl AsFd) -> Result<Self> {
        let failed = |cause: std::io::Error| Error::new(Kind::Io, "cannot tell who asks").source(cause);
        let found = socket_peercred(connection).map_err(|errno| failed(errno.into()))?;
        let root = || Error::new(Kind::UserRefused, "root needs no service").remedy("Run Podman as root");
        let uid = NonZeroU32::new(found.uid.as_raw()).ok_or_else(root)?;
        let pid = u32::try_from(found.pid.as_raw_nonzero().get());
        Ok(Self {
            uid,
            gid: found.gid.as_raw(),
            pid: pid.map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))?,
        })
    }

    /// The network namespace that the peer has open as `descriptor`, and that Flatnet calls `path`. An error if it is none, if it is
    /// this host's, or if the peer's user could not enter it without help: then it belongs to somebody else.
    ///
    /// It is looked up, and only a namespace is opened. If the peer has ended, and another process has its number, the user must be able to
    /// enter what is found all the same.
    pub fn netns(
        &self,
        descriptor: u32,
        path: &NetnsPath,
        name: &UserName,
        executor: &mut dyn Executor,
    ) -> Result<Netns> {
        let netns = Netns::found_at(&format!("/proc/{}/fd/{descriptor}", self.pid), path)?;
        executor.hold(path, Rc::clone(&netns.descriptor()));
        let output = executor.run(&self.entering(path), &[])?;
        if has_entered(&output) {
            return Ok(netns);
        }
        let what = format!("the network namespace {path} does not belong to user {name}");
        Err(Error::new(Kind::UserRefused, what))
    }

    /// A command that gets as far as starting a program if the peer's user, without any capability of this host's, may enter the namespace from the
    /// peer's user namespace. The kernel allows that for namespaces that belong to it, or to one below it.
    ///
    /// The user could take over a process of theirs and have it report success. This one is the user's by its effective number only, so
    /// the kernel lets nobody trace it, as long as it starts no program from inside: therefore that program is none.
    fn entering(&self, path: &NetnsPath) -> Command {
        let (uid, gid) = (self.uid.to_string(), self.gid.to_string());
        let user_namespace = format!("--user=/proc/{}/ns/user", self.pid);
        let words = [
            "setpriv",
            "--ruid",
            NOBODYS,
            "--euid",
            &uid,
            "--regid",
            &gid,
            "--clear-groups",
            "--no-new-privs",
            "nsenter",
            "--preserve-credentials",
            &user_namespace,
            "--net=/proc/self/fd/9",
            NO_PROGRAM,
        ];
        Command { netns: Some(path.clone()), ..Command::new(words) }
    }
}

/// Whether `nsenter` has entered the namespaces: it could not start the program then.
fn has_entered(output: &Output) -> bool {
    output.exit == Exit::Code(NOT_EXECUTABLE) && output.stderr.starts_with("nsenter: ")
}
