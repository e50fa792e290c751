//! What `flatnet init --rootless USER` does, and how it is taken back.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::install::{Content, Item};
use super::units;
use crate::error::{self, Error, Kind, Result};
use crate::kernel::execute::Executor;
use crate::kernel::observe::serve;
use crate::model::command::Command;
use crate::model::config::SERVE_GROUP as GROUP;
use crate::model::config::{self, Config};
use crate::model::types::UserName;
use crate::setup::podman::Podman;
use crate::setup::task::Task;
use crate::setup::templates;

/// Podman mounts a directory of its own over this one for a user's plugins or, if it is missing, over /var/lib, which hides the
/// socket.
pub(crate) const CNI_STATE: &str = "/var/lib/cni";
const GROUPS: &str = "/etc/group";
/// How many bytes of a user's file are read: more than Flatnet writes. The user may have made it as large as can be.
const LONGEST: &str = "65536";

/// A user who gets containers on the network, or loses them.
#[derive(Debug)]
pub(crate) struct RootlessUser<'a> {
    name: &'a UserName,
    /// Where Podman with CNI looks for the network, and what is there, as the user sees it.
    conflist: (PathBuf, Option<String>),
    /// Where Podman looks for what this host is called in containers, and what is there.
    this_host: (PathBuf, Option<String>),
    path: &'a Path,
    config: &'a Config,
}

/// What is left to the user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ByUser(pub(crate) Vec<String>);

impl<'a> RootlessUser<'a> {
    /// The user `name`, for the network whose configuration is at `path`.
    pub(crate) fn find(
        name: &'a UserName,
        path: &'a Path,
        config: &'a Config,
        executor: &mut impl Executor,
    ) -> Result<Self> {
        let output = executor.run(&Command::new(["getent", "passwd", name.as_str()]), &[])?;
        let fields: Vec<&str> = output.stdout.trim_end().split(':').collect();
        let unknown = || Error::new(Kind::BadValue, format!("this host has no user {name}"));
        let (Some(uid), Some(home)) = (fields.get(2).and_then(|uid| uid.parse::<u32>().ok()), fields.get(5))
        else {
            return Err(
                unknown().remedy(format!("Add the user first, or check the name: `getent passwd {name}`"))
            );
        };
        if uid == 0 {
            return Err(Error::new(Kind::BadValue, format!("user {name} is root"))
                .remedy("Root uses the network without this"));
        }
        let folder = PathBuf::from(home).join(".config");
        let network = &config.network;
        let mut find = |path: PathBuf| -> Result<_> {
            let found =
                executor.run(&as_user(name, ["head", "-c", LONGEST, &path.display().to_string()]), &[])?;
            Ok((path, found.success().then_some(found.stdout)))
        };
        let conflist = find(folder.join("cni/net.d").join(format!("{network}.conflist")))?;
        let this_host = find(folder.join("containers/containers.conf.d").join(format!("{network}.conf")))?;
        Ok(Self { name, conflist, this_host, path, config })
    }

    /// Gives the user containers on the network, `addresses` at once.
    pub(crate) fn add(
        &self,
        addresses: Option<u16>,
        program: &Path,
        podman: &Podman,
    ) -> Result<(Vec<Task>, ByUser)> {
        let text = std::fs::read_to_string(self.path).map_err(error::io("read", self.path))?;
        let groups = std::fs::read_to_string(GROUPS).unwrap_or_default();
        let mut tasks = Vec::new();
        if group_of(&groups).is_none() {
            tasks.push(
                Task::new(
                    Command::new(["groupadd", "--system", GROUP]),
                    "its members may ask for containers",
                )
                .undone_by([Command::new(["groupdel", GROUP])]),
            );
        }
        if !is_member(&groups, self.name) {
            let name = self.name.as_str();
            tasks.push(
                Task::new(
                    Command::new(["usermod", "--append", "--groups", GROUP, name]),
                    "may open the socket",
                )
                .undone_by([Command::new(["gpasswd", "--delete", name, GROUP])]),
            );
        }
        if !self.config.rootless.users.contains_key(self.name) {
            tasks.push(self.put_configuration(
                &with_user(&text, self.name, addresses, self.path)?,
                "may have containers",
            ));
        }
        if !Path::new(CNI_STATE).exists() {
            let why = "keeps Podman from hiding the socket from its plugins";
            tasks.push(
                Task::new(Command::new(["mkdir", "-m", "755", CNI_STATE]), why)
                    .undone_by([Command::new(["rmdir", CNI_STATE])]),
            );
        }
        if units::is_booted() {
            for item in units::serve(program) {
                tasks.extend(put(&super::or_packaged(item)?)?);
            }
            tasks.push(Task::new(Command::new(["systemctl", "daemon-reload"]), "reads the units"));
            let enable = Command::new(["systemctl", "enable", "--now", units::SERVE_SOCKET]);
            let disable = Command::new(["systemctl", "disable", "--now", units::SERVE_SOCKET]);
            tasks.push(Task::new(enable, "listens for requests").undone_by([disable]));
        } else if serve::process().is_none() {
            let up = Command::new([
                &program.display().to_string(),
                "--config",
                &self.path.display().to_string(),
                "up",
            ]);
            tasks.push(Task::new(up, "starts the service for users"));
        }
        let (network, by_user) = self.network(podman);
        tasks.extend(network);
        Ok((tasks, by_user))
    }

    /// Takes back what the user got, who has containers if `has_containers`: they stay until they end, and to end them the user
    /// still needs the socket and the network.
    pub(crate) fn remove(&self, has_containers: bool) -> Result<(Vec<Task>, ByUser)> {
        let text = std::fs::read_to_string(self.path).map_err(error::io("read", self.path))?;
        let groups = std::fs::read_to_string(GROUPS).unwrap_or_default();
        let mut tasks = Vec::new();
        if self.config.rootless.users.contains_key(self.name) {
            tasks.push(self.put_configuration(
                &without_user(&text, self.name, self.path)?,
                "may have no more containers",
            ));
        }
        if is_member(&groups, self.name) && !has_containers {
            let leave = Command::new(["gpasswd", "--delete", self.name.as_str(), GROUP]);
            tasks.push(Task::new(leave, "may no longer open the socket"));
        }
        for ((file, found), why) in [
            (&self.conflist, "removes the network from the user's Podman"),
            (&self.this_host, "is no longer needed by the user's Podman"),
        ] {
            if found.is_some() && !has_containers {
                tasks.push(Task::new(as_user(self.name, ["rm", "-f", &file.display().to_string()]), why));
            }
        }
        let network = self.config.network.as_str();
        Ok((tasks, ByUser(vec![format!("podman network rm {network}    # with Podman 5")])))
    }

    /// The network in the user's own Podman, and what only the user can do.
    fn network(&self, podman: &Podman) -> (Vec<Task>, ByUser) {
        let network = self.config.network.as_str();
        let run = format!("podman run --network {network} IMAGE");
        if !matches!(podman, Podman::Cni { .. }) {
            let is_default = self.path == Path::new(config::DEFAULT_PATH);
            let option =
                if is_default { String::new() } else { format!(" -o config={}", self.path.display()) };
            // Podman remembers the directories of its first call: it is called in the user's own session only.
            let create = format!("podman network create -d flatnet{option} {network}");
            // Otherwise it is an address of pasta's, which does not lead here from this network.
            let text =
                format!("[containers]\nhost_containers_internal_ip = \"{}\"\n", self.config.bridge_address());
            let task = self.install(&self.this_host, text, "host.containers.internal is this host");
            return (task.into_iter().collect(), ByUser(vec![create, run]));
        }
        let text = templates::conflist(&self.config.network, self.path);
        let task = self.install(&self.conflist, text, "the network of the user's Podman");
        (task.into_iter().collect(), ByUser(vec![run]))
    }

    /// Writes a file of the user's that is missing or another.
    fn install(
        &self,
        (path, found): &(PathBuf, Option<String>),
        text: String,
        why: &'static str,
    ) -> Option<Task> {
        if found.as_ref() == Some(&text) {
            return None;
        }
        let shown = path.display().to_string();
        let install = as_user(self.name, ["install", "-D", "-m", "644", "/dev/stdin", &shown]).stdin(text);
        let undo = as_user(self.name, ["rm", "-f", &shown]);
        Some(Task::new(install, why).undone_by([undo]))
    }

    fn put_configuration(&self, text: &str, why: &'static str) -> Task {
        let path = std::fs::canonicalize(self.path).unwrap_or_else(|_| self.path.to_owned());
        let mode = std::fs::metadata(&path).map_or(0o644, |found| found.mode() & 0o777);
        Task::put(&path, &format!("{mode:o}"), text, why)
    }
}

/// A command that the user runs: root opens no path of the user's. In a session of its own, since the user can take over its process,
/// and would type at root's terminal (`TIOCSTI`).
fn as_user<const N: usize>(name: &UserName, words: [&str; N]) -> Command {
    Command::new(["setsid", "--wait", "runuser", "-u", name.as_str(), "--"].into_iter().chain(words))
}

/// Writes a unit that is missing or another.
fn put(Item { path, content }: &Item) -> Result<Option<Task>> {
    let item = Item { path: path.clone(), content: content.clone() };
    let Content::File(text) = content else { return Ok(None) };
    let is_there = item.is_in_place()?;
    Ok((!is_there).then(|| Task::put(path, "644", text, "the service for users")))
}

/// The number of the service's group in lines of group(5).
pub(crate) fn group_of(groups: &str) -> Option<u32> {
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == GROUP).then(|| fields.nth(1)?.parse().ok())
    };
    groups.lines().find_map(number).flatten()
}

/// Whether the user is listed as a member of the service's group in lines of group(5).
pub(crate) fn is_member(groups: &str, user: &UserName) -> bool {
    let members = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(GROUP)).then(|| fields.nth(2).unwrap_or_default().to_owned())
    };
    groups.lines().find_map(members).is_some_and(|list| list.split(',').any(|member| member == user.as_str()))
}

/// The configuration with the user, or an error if its section `rootless` is written in a way that cannot be extended.
fn with_user(text: &str, user: &UserName, addresses: Option<u16>, path: &Path) -> Result<String> {
    let allowance = addresses.map_or_else(|| "{}".to_owned(), |most| format!("{{addresses: {most}}}"));
    let entry = format!("    {user}: {allowance}\n");
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    let section = lines.iter().position(|line| line.starts_with("rootless:"));
    match section {
        None => lines.push(format!("rootless:\n  users:\n{entry}")),
        Some(at) => {
            let users = lines.iter().skip(at).position(|line| line.trim_end() == "  users:");
            lines.insert(users.map_or(at + 1, |users| at + users + 1), entry);
        }
    }
    let extended = lines.concat();
    let has_user = |config: &Config| config.rootless.users.contains_key(user);
    match config::parse(&extended, path) {
        Ok(config) if has_user(&config) => Ok(extended),
        _ => Err(by_hand(path, &format!("write `{user}: {allowance}` below `users`"))),
    }
}

fn without_user(text: &str, user: &UserName, path: &Path) -> Result<String> {
    let is_inside = std::cell::Cell::new(false);
    let kept = text.lines().filter(|line| {
        let goes_on = is_inside.get() && line.starts_with("     ");
        is_inside.set(goes_on || line.starts_with(&format!("    {user}:")));
        !is_inside.get()
    });
    let rest: String = kept.map(|line| format!("{line}\n")).collect();
    let rest = rest.replace("rootless:\n  users:\n", "\u{0}");
    let is_last = rest.split_once('\u{0}').is_some_and(|(_, after)| !after.starts_with("    "));
    let rest = rest.replace('\u{0}', if is_last { "" } else { "rootless:\n  users:\n" });
    match config::parse(&rest, path) {
        Ok(config) if !config.rootless.users.contains_key(user) => Ok(rest),
        _ => Err(by_hand(path, &format!("remove `{user}` below `users`"))),
    }
}

fn by_hand(path: &Path, what: &str) -> Error {
    let shown = path.display();
    Error::new(
        Kind::ConfigValue,
        format!("{shown}: the section `rootless` is not in the form in which `flatnet init` writes it"),
    )
    .remedy(format!("In that section, {what} by hand; then run this again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_found_by_name() {
        assert_eq!(group_of("root:x:0:\nflatnets:x:7:\nflatnet:x:998:alice,bob\n"), Some(998));
        assert_eq!((group_of("root:x:0:\n"), group_of("flatnet:x:y:\n")), (None, None));
    }
}
