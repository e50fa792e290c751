//! The service for users' rootless Podman, and what each user needs.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::serve;
use crate::model::command::Command;
use crate::model::config::{SERVE_GROUP as GROUP, SERVE_SOCKET as SOCKET};
use crate::model::types::UserName;
use crate::setup::rootless::{CNI_STATE, group_of, is_member};
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "rootless",
    group: Group::Podman,
    looks_at: "the service that users' rootless Podman asks: its socket, group and process; and the users of `rootless.users`: accounts, group, subordinate IDs",
    shows: "a user's `podman run --network flatnet` fails, and root's works",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

/// The mode of the socket.
const MODE: u32 = 0o660;
/// Where accounts, groups and subordinate IDs are.
const PASSWD: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";
const SUBORDINATE: [(&str, &str); 2] = [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")];
/// The first subordinate ID that useradd(8) gives, and how many.
const SUBORDINATE_IDS: (u64, u64) = (100_000, 65_536);

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let users: Vec<UserName> = context.engine.config.rootless.users.keys().cloned().collect();
    if users.is_empty() {
        return Ok(vec![Finding::not_applicable("no user may attach containers")]);
    }
    let groups = read(GROUPS);
    let mut found = Vec::new();
    if !Path::new(CNI_STATE).is_dir() {
        found.push(
            Finding::failure(format!(
                "{CNI_STATE} is missing, so users' Podman hides the service's socket from its plugins"
            ))
            .commands([format!("mkdir -m 755 {CNI_STATE}")]),
        );
    }
    let gid = group_of(&groups);
    match gid {
        None => {
            let members = users.iter().map(|user| format!("usermod --append --groups {GROUP} {user}"));
            let commands = std::iter::once(format!("groupadd --system {GROUP}")).chain(members);
            found.push(
                Finding::failure(format!(
                    "this host has no group {GROUP}, whose members may open the service's socket"
                ))
                .commands(commands.collect::<Vec<_>>()),
            );
        }
        Some(gid) => found.extend(socket(context, gid)),
    }
    for user in &users {
        found.extend(account(context, user, gid.map(|gid| (gid, groups.as_str()))));
    }
    if found.is_empty() {
        let users: Vec<&str> = users.iter().map(UserName::as_str).collect();
        found.push(Finding::good(format!("the service listens, for {}", users.join(", "))));
    }
    Ok(found)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The socket, and whether somebody listens there.
fn socket(context: &mut Context, gid: u32) -> Option<Finding> {
    let is_booted = units::is_booted();
    let up = context.flatnet("up");
    let start = || {
        if is_booted {
            vec![
                format!("systemctl enable --now {}", units::SERVE_SOCKET),
                format!("systemctl restart {}", units::SERVE_SOCKET),
            ]
        } else {
            // One that has lost its socket has to end first.
            let end = serve::process().map(|pid| format!("kill {pid}; tail --pid={pid} -f /dev/null"));
            end.into_iter().chain([up.clone()]).collect()
        }
    };
    let is_socket = |found: &std::fs::Metadata| found.file_type().is_socket();
    let Some(found) = std::fs::symlink_metadata(SOCKET).ok().filter(is_socket) else {
        return Some(Finding::failure(format!("the service's socket {SOCKET} is missing")).commands(start()));
    };
    let listens = if is_booted {
        let active = Command::new(["systemctl", "is-active", "--quiet", units::SERVE_SOCKET]);
        context.run(&active).is_ok_and(|output| output.success())
    } else {
        serve::process().is_some()
    };
    if !listens {
        return Some(
            Finding::failure(format!("nobody listens at the service's socket {SOCKET}")).commands(start()),
        );
    }
    let (uid, has, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
    ((uid, has, mode) != (0, gid, MODE)).then(|| {
        let what = format!("{SOCKET} belongs to {uid}:{has} with mode {mode:o}, but must belong to root:{GROUP} with mode {MODE:o}");
        Finding::failure(what).commands([format!("chown root:{GROUP} {SOCKET}"), format!("chmod {MODE:o} {SOCKET}")])
    })
}

/// What the user lacks.
fn account(context: &mut Context, user: &UserName, group: Option<(u32, &str)>) -> Vec<Finding> {
    let output = context.stdout(&Command::new(["getent", "passwd", user.as_str()])).unwrap_or_default();
    let path = context.config_path.display().to_string();
    let fields: Vec<&str> = output.lines().next().unwrap_or_default().split(':').collect();
    let number = |index: usize| fields.get(index).and_then(|number| number.parse::<u32>().ok());
    let (Some(uid), Some(own_gid)) = (number(2), number(3)) else {
        return vec![
            Finding::failure(format!("`rootless.users` lists {user}, and this host has no such user"))
                .help(format!("Remove {user} from `rootless.users` in {path}, or add the user")),
        ];
    };
    if let Some(other) = other_name(&read(PASSWD), uid, user) {
        return vec![
            Finding::failure(format!("user {user} has the number {uid}, and the service knows that number as {other}"))
                .help(format!("Write {other} instead of {user} in `rootless.users` in {path}, or give {user} a number of its own")),
        ];
    }
    let mut found = Vec::new();
    if group.is_some_and(|(gid, groups)| gid != own_gid && !is_member(groups, user)) {
        found.push(
            Finding::failure(format!(
                "user {user} is not in the group {GROUP} and cannot open the service's socket"
            ))
            .commands([format!("usermod --append --groups {GROUP} {user}")])
            .help(format!("It takes effect at {user}'s next login")),
        );
    }
    // Otherwise they come from a directory service.
    if !read("/etc/nsswitch.conf").lines().any(|line| line.starts_with("subid:")) {
        found.extend(without_subordinate_ids(user, uid));
    }
    found
}

/// The name that comes first in passwd(5), if it is another's.
fn other_name(passwd: &str, uid: u32, user: &UserName) -> Option<String> {
    let mut names = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    names.next().filter(|name| name != user.as_str())
}

fn without_subordinate_ids(user: &UserName, uid: u32) -> Option<Finding> {
    let files: BTreeMap<&str, String> = SUBORDINATE.iter().map(|(path, _)| (*path, read(path))).collect();
    let lacking: Vec<_> =
        SUBORDINATE.iter().filter(|(path, _)| !has_subordinate_ids(&files[path], user, uid)).collect();
    let (first, ..) = lacking.first()?;
    let options = lacking.iter().map(|(path, option)| {
        let start = first_free(&files[path]);
        format!("{option} {start}-{}", start + SUBORDINATE_IDS.1 - 1)
    });
    let options: Vec<String> = options.collect();
    Some(
        Finding::failure(format!(
            "user {user} has no subordinate IDs in {first}, which rootless Podman needs"
        ))
        .commands([format!("usermod {} {user}", options.join(" "))])
        .help(format!("Then, as {user}: `podman system migrate`")),
    )
}

/// Whether subuid(5) has a range for the user, by name or by number.
fn has_subordinate_ids(text: &str, user: &UserName, uid: u32) -> bool {
    text.lines().any(|line| {
        let mut fields = line.split(':');
        let is_users = fields.next().is_some_and(|name| name == user.as_str() || name.parse() == Ok(uid));
        is_users && fields.nth(1).and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count > 0)
    })
}

/// The first number after all ranges.
fn first_free(text: &str) -> u64 {
    let end = |line: &str| {
        let mut numbers = line.split(':').skip(1).filter_map(|number| number.parse::<u64>().ok());
        numbers.next()?.checked_add(numbers.next()?)
    };
    text.lines().filter_map(end).fold(SUBORDINATE_IDS.0, u64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_found_by_name_and_number() {
        let user: UserName = "alice".parse().unwrap();
        for (text, has) in [
            ("alice:100000:65536\n", true),
            ("root:1:1\n1001:100000:65536", true),
            ("alice2:100000:65536\n1002:1:1\n", false),
            ("alice:100000:0\nalice\nalice:x:y\n", false),
            ("", false),
        ] {
            assert_eq!(has_subordinate_ids(text, &user, 1001), has, "{text:?}");
        }
        assert_eq!(first_free(""), 100_000);
        assert_eq!(first_free("bob:165536:65536\nalice:100000:65536\nx:y:z\n"), 231_072);
    }

    #[test]
    fn first_name_of_a_number_is_the_services() {
        let passwd = "root:x:0:0::/root:\nalice:x:1001:1001:::\nalias:x:1001:1001:::\n";
        let other = |user: &str| other_name(passwd, 1001, &user.parse().unwrap());
        assert_eq!((other("alice"), other("alias").as_deref()), (None, Some("alice")));
        assert_eq!(other_name(passwd, 7, &"of-a-directory".parse().unwrap()), None);
    }
}
