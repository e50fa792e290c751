//! Laying down the gateway's files.

mod files;
mod found;
mod http2;
mod platform;
mod record;

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub(super) use files::render;
pub use files::{File, For, files};
pub use found::{Found, found, platform};
pub use http2::has_directive as has_http2_directive;
pub use platform::Platform;

use self::record::Record;
use crate::error::{Result, io};
pub use crate::model::config::drive;
use crate::model::types::NetworkName;
use crate::setup::install::{Content, Item, Outcome, install as put};

/// The account of nginx's workers on Debian.
pub const USER: &str = "www-data";
/// Folders that nginx and the user need. Workers keep the last good table in `state`; in the others only root writes.
const FOLDERS: [&str; 5] = ["conf/local.d", "state", "logs", "temp", "html"];

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub outcome: Became,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// There was nothing.
    Written,
    /// It was an older one of Flatnet's, or was to be overwritten.
    Updated,
    /// It is as wanted.
    AlreadySo,
    /// Somebody has edited it, and it stays.
    Kept,
    /// It was one of an older Flatnet's, and is needed no more.
    Removed,
}

impl Became {
    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Updated => "updated",
            Self::AlreadySo => "unchanged",
            Self::Kept => "kept",
            Self::Removed => "removed",
        }
    }
}

impl From<Outcome> for Became {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Written => Self::Written,
            Outcome::Overwritten => Self::Updated,
            Outcome::AlreadySo => Self::AlreadySo,
            Outcome::Kept => Self::Kept,
        }
    }
}

/// Puts the `files` of `network`'s gateway into `directory`. What somebody has edited stays, unless `force`; `conf/local.d` is the user's own.
pub fn install(
    directory: &Path,
    files: &[File],
    platform: Platform,
    network: &NetworkName,
    force: bool,
) -> Result<Vec<Installed>> {
    make_folders(directory)?;
    let before = Record::read(directory);
    let (ours, others): (Vec<&File>, Vec<&File>) =
        files.iter().partition(|file| force || before.is_untouched(directory, &file.path));
    let mut installed = Vec::new();
    for (files, force) in [(ours, true), (others, false)] {
        let items: Vec<Item> = files.into_iter().map(|file| item(directory, file)).collect();
        installed.extend(put_all(items, force)?);
    }
    for path in before.not_in(files).filter(|path| before.is_untouched(directory, path)) {
        let path = directory.join(path);
        std::fs::remove_file(&path).map_err(io("remove", &path))?;
        installed.push(Installed { path, outcome: Became::Removed });
    }
    let record = File { path: record::PATH.into(), text: Record::of(files, platform, network).text() };
    put(&[item(directory, &record)], true)?;
    installed.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(installed)
}

/// Puts `items` in their place, and says what became of each.
pub(crate) fn put_all(items: Vec<Item>, force: bool) -> Result<impl Iterator<Item = Installed>> {
    let outcomes = put(&items, force)?;
    let became = items.into_iter().zip(outcomes);
    Ok(became.map(|(item, outcome)| Installed { path: item.path, outcome: outcome.into() }))
}

fn item(directory: &Path, file: &File) -> Item {
    Item { path: directory.join(&file.path), content: Content::File(file.text.clone()) }
}

fn make_folders(directory: &Path) -> Result<()> {
    let below = ["conf", "conf/conf.d", "lua", "lua/flatnet"].into_iter().chain(FOLDERS);
    std::fs::create_dir_all(directory).map_err(io("make", directory))?;
    for folder in std::iter::once(directory.to_owned()).chain(below.map(|name| directory.join(name))) {
        match std::fs::create_dir(&folder) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists && folder != directory => continue,
            Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(io("make", &folder)(cause)),
            _ => {}
        }
        // Whatever the umask is, nginx's workers read it. On Windows' disk a mode means nothing, and may be refused.
        match std::fs::set_permissions(&folder, Permissions::from_mode(0o755)) {
            Err(cause) if cause.kind() != ErrorKind::PermissionDenied => {
                return Err(io("open", &folder)(cause));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Lets nginx's workers, and nobody else, write the last good table into `state`: nginx's umask is 0. Not into `logs`: the
/// master opens what lies there as root.
pub fn hand_over_state(directory: &Path, user: &str) -> Result<()> {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let Some((uid, gid)) = account(&accounts, user) else { return Ok(()) };
    let state = directory.join("state");
    let closed = std::fs::set_permissions(&state, Permissions::from_mode(0o700));
    closed.and_then(|()| chown(&state, Some(uid), Some(gid))).map_err(io("give away", &state))
}

/// User and group number of `user` in the text of `/etc/passwd`.
fn account(accounts: &str, user: &str) -> Option<(u32, u32)> {
    let mut fields = accounts
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut line| (line.next() == Some(user)).then_some(line))?;
    let _password = fields.next()?;
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(directory: &Path, files: &[File], force: bool) -> Result<Vec<Installed>> {
        super::install(directory, files, Platform::Linux, &network(), force)
    }

    fn network() -> NetworkName {
        NetworkName::parse("flatnet").unwrap()
    }

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.to_owned() }
    }

    fn outcomes(installed: &[Installed], directory: &Path) -> Vec<(String, Became)> {
        let name = |path: &Path| path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
        installed.iter().map(|one| (name(&one.path), one.outcome)).collect()
    }

    #[test]
    fn ours_are_updated_and_what_was_edited_stays() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("gateway");
        let run = |files: &[File], force| outcomes(&install(&directory, files, force).unwrap(), &directory);
        let first = [file("conf/nginx.conf", "1"), file("lua/a.lua", "1"), file("lua/old.lua", "1")];
        assert!(run(&first, false).iter().all(|(_, became)| *became == Became::Written));
        assert!(run(&first, false).iter().all(|(_, became)| *became == Became::AlreadySo));
        std::fs::write(directory.join("conf/nginx.conf"), "mine").unwrap();
        std::fs::write(directory.join("conf/local.d/mine.conf"), "mine").unwrap();
        let second = [file("conf/nginx.conf", "2"), file("lua/a.lua", "2")];
        let became = |list: &[(&str, Became)]| {
            list.iter().map(|(path, one)| ((*path).to_owned(), *one)).collect::<Vec<_>>()
        };
        assert_eq!(
            run(&second, false),
            became(&[
                ("conf/nginx.conf", Became::Kept),
                ("lua/a.lua", Became::Updated),
                ("lua/old.lua", Became::Removed)
            ])
        );
        assert_eq!(std::fs::read_to_string(directory.join("conf/nginx.conf")).unwrap(), "mine");
        // Kept is not ours: neither now nor by a later version.
        assert_eq!(run(&second, false)[0].1, Became::Kept);
        assert_eq!(run(&second, true)[0].1, Became::Updated);
        assert_eq!(std::fs::read_to_string(directory.join("conf/local.d/mine.conf")).unwrap(), "mine");
    }

    #[test]
    fn a_record_that_points_elsewhere_removes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("victim"), "x").unwrap();
        let directory = dir.path().join("gateway");
        install(&directory, &[file("a", "1")], false).unwrap();
        let text = std::fs::read_to_string(directory.join(record::PATH)).unwrap();
        let hash = Record::of(&[file("../victim", "x")], Platform::Linux, &network()).text();
        assert_ne!(text, hash);
        std::fs::write(directory.join(record::PATH), hash).unwrap();
        install(&directory, &[file("a", "1")], false).unwrap();
        assert!(dir.path().join("victim").exists());
    }

    #[test]
    fn accounts_are_found_by_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:34:www:/var/www:/x\n";
        assert_eq!(account(accounts, "www-data"), Some((33, 34)));
        assert_eq!(account(accounts, "www"), None);
    }
}
