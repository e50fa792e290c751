//! Root is given up for good.

use std::path::Path;

use rustix::process::{Gid, Uid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::error::{self, Error, Kind, Result};

/// Users to become, the first that exists.
const USERS: [&str; 2] = ["flatnet-dns", "nobody"];
const PASSWD: &str = "/etc/passwd";

/// Becomes an unprivileged user that keeps one capability, for ports below 1024. Root also gives `own`, a directory, to it.
///
/// Only the calling thread changes, so no other may have been started.
pub fn give_up(own: Option<&Path>) -> Result<()> {
    let failed = |errno: rustix::io::Errno| {
        Error::new(Kind::NotAllowed, "the resolver cannot give up root").source(std::io::Error::from(errno))
    };
    if geteuid().is_root() {
        let text = std::fs::read_to_string(PASSWD).map_err(error::io("read", Path::new(PASSWD)))?;
        let (uid, gid) = USERS.iter().find_map(|name| user(&text, name)).ok_or_else(|| {
            Error::new(Kind::NotAllowed, format!("{PASSWD} has neither {} nor {}", USERS[0], USERS[1]))
                .remedy("Add a user for the resolver: `useradd --system --no-create-home --shell /usr/sbin/nologin flatnet-dns`")
        })?;
        if let Some(own) = own {
            hand_over(own, uid, gid)?;
        }
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
        return Err(Error::new(
            Kind::NotAllowed,
            "the resolver could not give up root: the kernel kept some of it",
        ));
    }
    Ok(())
}

fn hand_over(own: &Path, uid: Uid, gid: Gid) -> Result<()> {
    use rustix::fs::{AtFlags, Mode, OFlags, chownat, open};
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(own).map_err(error::io("create", own))?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
    let owned = open(own, flags, Mode::empty())
        .and_then(|fd| chownat(&fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH));
    owned.map_err(|errno| error::io("change the owner of", own)(errno.into()))
}

/// The IDs of the user `name` in the text of /etc/passwd.
fn user(passwd: &str, name: &str) -> Option<(Uid, Gid)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2).map(|id| id.parse::<u32>().ok().filter(|id| *id > 0));
    Some((Uid::from_raw(ids.next()??), Gid::from_raw(ids.next()??)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_and_never_root() {
        let text =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nbad:x:0:5::/:\nshort:x:7\n";
        assert_eq!(user(text, "nobody"), Some((Uid::from_raw(65534), Gid::from_raw(65533))));
        for name in ["root", "bad", "short", "nobod", ""] {
            assert_eq!(user(text, name), None, "{name}");
        }
    }
}
