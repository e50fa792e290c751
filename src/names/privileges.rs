//! Root is given up for good.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchown, fstat, open};
use rustix::process::{Gid, Uid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::{self, Error, Kind, Remedy, Result};

/// Users to become, the first that exists.
const USERS: [&str; 2] = ["flatnet-dns", "nobody"];
const PASSWD: &str = "/etc/passwd";

/// A user to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    gid: Gid,
}

/// The user to become; `None` if this process is not root.
pub fn user() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(PASSWD).map_err(error::io("read", Path::new(PASSWD)))?;
    let missing = || {
        let add = "useradd --system --no-create-home --shell /usr/sbin/nologin flatnet-dns";
        Error::new(Kind::NotAllowed, format!("{PASSWD} has neither {} nor {}", USERS[0], USERS[1]))
            .remedy(Remedy::by("Add a user for the resolver", [add.to_owned()]))
    };
    USERS.iter().find_map(|name| in_passwd(&text, name)).map(Some).ok_or_else(missing)
}

/// Makes `directory` the user's own: one that is new, or was a resolver's before.
pub fn hand_over(directory: &Path, user: User) -> Result<()> {
    let is_new = match DirBuilder::new().mode(0o755).create(directory) {
        Ok(()) => true,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => false,
        Err(cause) => return Err(error::io("create", directory)(cause)),
    };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = open(directory, flags, Mode::empty()).and_then(|fd| Ok((fstat(&fd)?.st_uid, fd)));
    let (owner, fd) = opened.map_err(|errno| error::io("open", directory)(errno.into()))?;
    let text = std::fs::read_to_string(PASSWD).unwrap_or_default();
    let was_own =
        USERS.iter().filter_map(|name| in_passwd(&text, name)).any(|user| user.uid.as_raw() == owner);
    if !is_new && !was_own {
        let whose = format!("{} is not the resolver's: user {owner} owns it", directory.display());
        return Err(
            Error::new(Kind::ForeignFile, whose).remedy("Give it a directory of its own with --counters")
        );
    }
    fchown(&fd, Some(user.uid), Some(user.gid))
        .map_err(|errno| error::io("change the owner of", directory)(errno.into()))
}

/// Becomes `user`, if there is one to become, and keeps one capability, for ports below 1024.
///
/// Only the calling thread changes, so no other may have been started.
pub fn give_up(user: Option<User>) -> Result<()> {
    let failed = |errno: rustix::io::Errno| {
        Error::new(Kind::NotAllowed, "the resolver cannot give up root").source(std::io::Error::from(errno))
    };
    if let Some(User { uid, gid }) = user {
        set_keep_capabilities(true).map_err(failed)?;
        set_thread_groups(&[]).map_err(failed)?;
        set_thread_res_gid(gid, gid, gid).map_err(failed)?;
        set_thread_res_uid(uid, uid, uid).map_err(failed)?;
    }
    let kept = CapabilitySet::NET_BIND_SERVICE & capabilities(None).map_err(failed)?.permitted;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    clear_ambient_capability_set().map_err(failed)?;
    set_capabilities(None, sets).map_err(failed)?;
    set_no_new_privs(true).map_err(failed)?;
    // What is done cannot be undone, or it was not done.
    let is_root = geteuid().is_root() || getuid().is_root() || getgid().is_root();
    let can_return = set_thread_res_uid(None, Uid::ROOT, None).is_ok();
    let has_groups = getgroups().map_err(failed)?.contains(&Gid::ROOT);
    if is_root || can_return || has_groups || capabilities(None).map_err(failed)? != sets {
        let what = "the resolver could not give up root: the kernel kept some of it";
        return Err(Error::new(Kind::NotAllowed, what));
    }
    Ok(())
}

/// The IDs of the user `name` in the text of /etc/passwd.
fn in_passwd(passwd: &str, name: &str) -> Option<User> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2).map(|id| id.parse::<u32>().ok().filter(|id| *id > 0));
    let (uid, gid) = (Uid::from_raw(ids.next()??), Gid::from_raw(ids.next()??));
    Some(User { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_and_never_root() {
        let text =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nbad:x:0:5::/:\nshort:x:7\n";
        let nobody = User { uid: Uid::from_raw(65534), gid: Gid::from_raw(65533) };
        assert_eq!(in_passwd(text, "nobody"), Some(nobody));
        for name in ["root", "bad", "short", "nobod", ""] {
            assert_eq!(in_passwd(text, name), None, "{name}");
        }
    }
}
