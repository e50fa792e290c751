//! The directory of the files of names, one for each network. The resolver reads them without root.
//!
//! A file is derived from receipts and gone after a reboot, so it is not synced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::names::{Change, MAX_BYTES, NamesFile};
use crate::error::{Error, Kind, Remedy, Result, io};
use crate::file::{WARILY, is_writable_by_others};
use crate::model::types::NetworkName;

/// The mode of the directory: everybody may read, and only root may write.
const MODE: u32 = 0o755;
/// The lock of the resolver. No network has this name.
const LOCK: &str = ".lock";
/// The length of a word that begins an entry, and of the blank after it.
const FIRST_WORD: usize = 5;

/// The directory.
#[derive(Clone, Debug)]
pub struct NamesDir(PathBuf);

impl NamesDir {
    /// The directory at `path`, which may be missing.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The lock of the process that serves `directory`. Only root can open it, and so nobody else keeps a resolver from
    /// starting.
    #[must_use]
    pub fn lock_of(directory: &Path) -> PathBuf {
        directory.join(LOCK)
    }

    /// Takes the lock, creating the directory; an error if another process holds it.
    pub fn lock(&self) -> Result<Lock> {
        self.create()?;
        let path = Self::lock_of(&self.0);
        Lock::try_acquire(&path)?.ok_or_else(|| {
            let what = format!("another `flatnet dns` serves {}", self.0.display());
            Error::new(Kind::TryLater, what).remedy(format!(
                "One serves all networks of this host. Stop it first: `systemctl stop flatnet-dns`, or `kill` the process that \
                 `fuser -v {}` shows",
                path.display()
            ))
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file of `network`; `None` if it is missing. An error if it is torn or not Flatnet's.
    pub fn read(&self, network: &NetworkName) -> Result<Option<NamesFile>> {
        let path = self.0.join(network.as_str());
        let Some((file, _)) = open(OpenOptions::new().read(true), &path)? else { return Ok(None) };
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(io("read", &path))?;
        NamesFile::parse(&text).map(Some)
    }

    /// Appends the lines of `changes` to the file of `network`, under the network's lock. Returns whether it did: not if
    /// the file is missing, begins otherwise than `head` (a file without entries), has more than `limit` bytes, or if
    /// its last line has no end, because its writer was killed. Then the file is to be written anew.
    pub fn append(
        &self,
        network: &NetworkName,
        head: Option<&NamesFile>,
        changes: &[Change],
        limit: u64,
    ) -> Result<bool> {
        let path = self.0.join(network.as_str());
        let Some((file, size)) = open(OpenOptions::new().read(true).append(true), &path)? else {
            return Ok(false);
        };
        let begins = |head| begins_with(&file, head);
        let is_fit = size <= limit
            && ends_with_a_line(&file, size).map_err(io("read", &path))?
            && head.map_or(Ok(true), begins).map_err(io("read", &path))?;
        if is_fit {
            let lines: String = changes.iter().map(|change| format!("{change}\n")).collect();
            // On a full disk a part of it may have been written.
            let take_back = |_: &std::io::Error| drop(file.set_len(size));
            (&file).write_all(lines.as_bytes()).inspect_err(take_back).map_err(io("write", &path))?;
        }
        Ok(is_fit)
    }

    /// Replaces the file of its network, under the network's lock. A reader finds the old one or the new one.
    pub fn write(&self, file: &NamesFile) -> Result<()> {
        self.create()?;
        let (path, new) = (self.0.join(file.network.as_str()), self.0.join(temporary(&file.network)));
        let write = || {
            // What a killed writer left is not written to: a reader of another directory could have it open.
            let _ = std::fs::remove_file(&new);
            let mut staged: File = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o644)
                .custom_flags(WARILY)
                .open(&new)?;
            // Independent of the umask.
            rustix::fs::fchmod(&staged, 0o644.into())?;
            staged.write_all(file.to_string().as_bytes())?;
            std::fs::rename(&new, &path)
        };
        write().inspect_err(|_| drop(std::fs::remove_file(&new))).map_err(io("write", &path))
    }

    /// Removes the file of `network`; it may be missing. The directory stays: the resolver may have it open.
    pub fn remove(&self, network: &NetworkName) -> Result<()> {
        for name in [temporary(network), network.to_string()] {
            let path = self.0.join(name);
            match std::fs::remove_file(&path) {
                Err(cause) if ![ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&cause.kind()) => {
                    return Err(io("remove", &path)(cause));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The networks that have a file.
    #[must_use]
    pub fn networks(&self) -> Vec<NetworkName> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Creates the directory if it is missing; an error if others can write to it.
    pub fn create(&self) -> Result<()> {
        let created = DirBuilder::new().mode(MODE).create(&self.0);
        if created.is_ok() {
            // Independent of the umask.
            rustix::fs::chmod(&self.0, MODE.into()).map_err(|errno| io("create", &self.0)(errno.into()))?;
        }
        let found = self.0.symlink_metadata().map_err(io("create", &self.0))?;
        if found.is_dir() && !is_writable_by_others(&found, own_user()) {
            return Ok(());
        }
        let what = format!("{} is not a directory that only root may write to", self.0.display());
        Err(Error::new(Kind::UnsafeDirectory, what)
            .remedy(Remedy::move_away("Check what it is, then move it away", &self.0)))
    }
}

/// Opens a file that only root may write to, and tells its size; `None` if it is missing.
fn open(how: &mut OpenOptions, path: &Path) -> Result<Option<(File, u64)>> {
    let file = match how.custom_flags(WARILY).open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(io("open", path)(cause)),
    };
    let found = file.metadata().map_err(io("stat", path))?;
    if !found.is_file() || is_writable_by_others(&found, own_user()) {
        let what = format!("{} is not a file that only root may write to", path.display());
        return Err(Error::new(Kind::ForeignFile, what));
    }
    Ok(Some((file, found.len())))
}

fn ends_with_a_line(file: &File, size: u64) -> std::io::Result<bool> {
    let mut last = [0];
    Ok(file.read_at(&mut last, size.saturating_sub(1))? == 1 && last == *b"\n")
}

/// Whether `file` is `head`, which has no entries, and then nothing but entries.
fn begins_with(file: &File, head: &NamesFile) -> std::io::Result<bool> {
    let head = head.to_string();
    let mut found = vec![0; head.len() + FIRST_WORD];
    let length = file.read_at(&mut found, 0)?;
    let rest = found[..length].strip_prefix(head.as_bytes());
    Ok(rest.is_some_and(|rest| [&b""[..], b"name ", b"gone "].contains(&rest)))
}

/// The name under which a file is written. A network's name does not begin with a dot.
fn temporary(network: &NetworkName) -> String {
    format!(".{network}.new")
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::model::types::{AttachmentId, ContainerName, HostName};
    use crate::state::names::NameEntry;

    fn file() -> NamesFile {
        let zone = HostName::parse("direct.flatnet.internal").unwrap();
        NamesFile::new("lab".parse().unwrap(), [10, 87, 1, 1].into(), "10.87.1.0/24".parse().unwrap(), zone)
    }

    #[test]
    fn names_are_replaced_as_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let names = NamesDir::new(dir.path().join("dns"));
        let lab: NetworkName = "lab".parse().unwrap();
        assert_eq!(names.read(&lab).unwrap(), None);
        names.remove(&lab).unwrap();
        names.write(&file()).unwrap();
        let inode = || names.path().join("lab").metadata().unwrap();
        let before = File::open(names.path().join("lab")).unwrap();
        assert_eq!(inode().mode() & 0o7777, 0o644);
        names.write(&file()).unwrap();
        assert_ne!(inode().ino(), before.metadata().unwrap().ino());
        assert_eq!(names.read(&lab).unwrap(), Some(file()));
        std::fs::write(names.path().join(".other.new"), "").unwrap();
        assert_eq!(names.networks(), std::slice::from_ref(&lab));
        names.remove(&lab).unwrap();
        assert_eq!(names.networks(), []);
    }

    #[test]
    fn lines_are_appended_to_the_file_that_is_expected() {
        let dir = tempfile::tempdir().unwrap();
        let names = NamesDir::new(dir.path().join("dns"));
        let lab: NetworkName = "lab".parse().unwrap();
        let entry = NameEntry {
            address: [10, 87, 1, 2].into(),
            ipv6: None,
            id: AttachmentId {
                container_id: "0123456789abcdef".parse().unwrap(),
                if_name: "eth0".parse().unwrap(),
            },
            names: vec![ContainerName::parse("db").unwrap()],
        };
        let [name, gone] = [[Change::Name(entry.clone())], [Change::Gone(entry.id.clone())]];
        let append =
            |head: Option<&NamesFile>, changes: &[Change], limit| names.append(&lab, head, changes, limit);
        assert!(!append(None, &gone, 4096).unwrap(), "it is missing");
        names.write(&file()).unwrap();
        let inode = || names.path().join("lab").metadata().unwrap();
        let before = inode();
        assert!(append(Some(&file()), &name, 4096).unwrap());
        assert_eq!(names.read(&lab).unwrap().unwrap().entries, std::slice::from_ref(&entry));
        assert!(append(Some(&file()), &name, 4096).unwrap(), "after an entry");
        assert!(append(None, &gone, 4096).unwrap() && append(Some(&file()), &gone, 4096).unwrap());
        assert_eq!(names.read(&lab).unwrap(), Some(file()));
        assert_eq!(inode().ino(), before.ino());
        let size = inode().len();
        assert!(!append(None, &gone, size - 1).unwrap() && append(None, &gone, size).unwrap());
        let other = NamesFile { upstreams: vec![[9, 9, 9, 9].into()], ..file() };
        assert!(!append(Some(&other), &name, 4096).unwrap());
        names.write(&other).unwrap();
        assert!(!append(Some(&file()), &name, 4096).unwrap(), "its beginning is the same");
        let path = names.path().join("lab");
        let torn = std::fs::read_to_string(&path).unwrap() + "name 10.87.1";
        std::fs::write(&path, torn).unwrap();
        assert!(!append(Some(&other), &name, 4096).unwrap() && !append(None, &gone, 4096).unwrap());
        assert_eq!(names.read(&lab).unwrap(), Some(other));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(append(None, &gone, 4096).unwrap_err().kind(), Kind::ForeignFile);
    }

    #[test]
    fn torn_and_foreign_names_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let names = NamesDir::new(dir.path().join("dns"));
        let lab: NetworkName = "lab".parse().unwrap();
        names.write(&file()).unwrap();
        let path = names.path().join("lab");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.split_once("subnet").unwrap().0).unwrap();
        assert!(names.read(&lab).is_err());
        std::fs::write(&path, &text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(names.read(&lab).unwrap_err().kind(), Kind::ForeignFile);
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(names.read(&lab).is_err());
        // It is replaced, not written through.
        names.write(&file()).unwrap();
        assert_eq!(names.read(&lab).unwrap(), Some(file()));
        std::fs::set_permissions(names.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(names.write(&file()).unwrap_err().kind(), Kind::UnsafeDirectory);
    }
}
