//! Installs the gateway's files.

mod differences;
mod files;
mod http2;
mod platform;
mod record;

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use differences::{Differences, differences, platform};
pub(super) use files::render;
pub use files::{File, Target, files};
pub use http2::has_directive as has_http2_directive;
pub use platform::Platform;

use self::record::Record;
use crate::error::{Result, io};
pub use crate::model::config::drive;
use crate::model::types::NetworkName;
pub use crate::setup::install::FileOutcome;
use crate::setup::install::{Content, Item, install as put};

/// The user of nginx's workers on Debian.
pub const USER: &str = "www-data";
/// Folders besides those of installed files. Workers keep the last good table in `state`; only root writes to the others.
const FOLDERS: [&str; 5] = ["conf/local.d", "state", "logs", "temp", "html"];

/// An installed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstalledFile {
    /// Its path.
    pub path: PathBuf,
    /// The outcome.
    pub outcome: FileOutcome,
}

/// The gateway's own file that was replaced was from another version.
fn updated(outcome: FileOutcome) -> FileOutcome {
    if outcome == FileOutcome::Overwritten { FileOutcome::Updated } else { outcome }
}

/// Installs the `files` of `network`'s gateway in `directory`. Files modified by the user are kept, unless `force`;
/// `conf/local.d` is never touched.
pub fn install(
    directory: &Path,
    files: &[File],
    platform: Platform,
    network: &NetworkName,
    force: bool,
) -> Result<Vec<InstalledFile>> {
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
        installed.push(InstalledFile { path, outcome: FileOutcome::Removed });
    }
    let record = File { path: record::PATH.into(), text: Record::of(files, platform, network).text() };
    put(&[item(directory, &record)], true)?;
    installed.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(installed)
}

/// Installs `items`, and returns the outcome of each.
pub(crate) fn put_all(items: Vec<Item>, force: bool) -> Result<impl Iterator<Item = InstalledFile>> {
    let outcomes = put(&items, force)?;
    let outcome = items.into_iter().zip(outcomes);
    Ok(outcome.map(|(item, outcome)| InstalledFile { path: item.path, outcome: updated(outcome) }))
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
        // nginx's workers must read it, whatever the umask is. On a Windows drive modes have no effect and may be rejected.
        match std::fs::set_permissions(&folder, Permissions::from_mode(0o755)) {
            Err(cause) if cause.kind() != ErrorKind::PermissionDenied => {
                return Err(io("open", &folder)(cause));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes `state` accessible to nginx's workers only, which write the last good table there: nginx's umask is 0. `logs` stays
/// root's, since the master opens files there as root.
pub fn hand_over_state(directory: &Path, user: &str) -> Result<()> {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let Some((uid, gid)) = account(&accounts, user) else { return Ok(()) };
    let state = directory.join("state");
    let closed = std::fs::set_permissions(&state, Permissions::from_mode(0o700));
    closed.and_then(|()| chown(&state, Some(uid), Some(gid))).map_err(io("change the owner of", &state))
}

/// The user and group ID of `user` in `/etc/passwd`.
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

    fn install(directory: &Path, files: &[File], force: bool) -> Result<Vec<InstalledFile>> {
        super::install(directory, files, Platform::Linux, &network(), force)
    }

    fn network() -> NetworkName {
        NetworkName::parse("flatnet").unwrap()
    }

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.to_owned() }
    }

    fn outcomes(installed: &[InstalledFile], directory: &Path) -> Vec<(String, FileOutcome)> {
        let name = |path: &Path| path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
        installed.iter().map(|one| (name(&one.path), one.outcome)).collect()
    }

    #[test]
    fn unedited_files_are_updated_and_edited_ones_kept() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("gateway");
        let run = |files: &[File], force| outcomes(&install(&directory, files, force).unwrap(), &directory);
        let first = [file("conf/nginx.conf", "1"), file("lua/a.lua", "1"), file("lua/old.lua", "1")];
        assert!(run(&first, false).iter().all(|(_, outcome)| *outcome == FileOutcome::Written));
        assert!(run(&first, false).iter().all(|(_, outcome)| *outcome == FileOutcome::AlreadySo));
        std::fs::write(directory.join("conf/nginx.conf"), "mine").unwrap();
        std::fs::write(directory.join("conf/local.d/mine.conf"), "mine").unwrap();
        let second = [file("conf/nginx.conf", "2"), file("lua/a.lua", "2")];
        let outcome = |list: &[(&str, FileOutcome)]| {
            list.iter().map(|(path, one)| ((*path).to_owned(), *one)).collect::<Vec<_>>()
        };
        assert_eq!(
            run(&second, false),
            outcome(&[
                ("conf/nginx.conf", FileOutcome::Kept),
                ("lua/a.lua", FileOutcome::Updated),
                ("lua/old.lua", FileOutcome::Removed)
            ])
        );
        assert_eq!(std::fs::read_to_string(directory.join("conf/nginx.conf")).unwrap(), "mine");
        // A kept file stays the user's, also for later versions.
        assert_eq!(run(&second, false)[0].1, FileOutcome::Kept);
        assert_eq!(run(&second, true)[0].1, FileOutcome::Updated);
        assert_eq!(std::fs::read_to_string(directory.join("conf/local.d/mine.conf")).unwrap(), "mine");
    }

    #[test]
    fn record_with_outside_path_removes_nothing() {
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
