//! State directories that only root may enter, with files that are written atomically.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::{self, Error, Kind, Remedy, Result};
use crate::file::is_writable_by_others;
use crate::shell::quote;

/// The size limit of a state file.
const MAX_BYTES: u64 = 64 << 20;
/// Separates the name of a file that was set aside from the time.
pub(crate) const ASIDE: &str = ".bad-";
/// How often the lock of a directory is tried by those who can do without, and the pause.
const BUSY: (u32, Duration) = (20, Duration::from_micros(500));
/// The suffix of files that are being written. The next holder of the lock removes what a killed writer left.
pub(crate) const TEMPORARY: &str = ".new";

/// An open directory with mode 0700, owned by root. No symbolic link is followed to it or below it.
#[derive(Debug)]
pub struct StateDir {
    /// `None`: it is missing or may not be opened, in read-only mode.
    fd: Option<OwnedFd>,
    path: PathBuf,
    look_only: bool,
    refused: Option<Box<Error>>,
}

impl StateDir {
    /// Opens the directory at `path`, creating it and its parents if missing.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(error::io("create", parent))?;
        }
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(error::io("create", path)(errno.into())),
        }
        Self::open(path)?.ok_or_else(|| went_away(path))
    }

    /// Opens the directory at `path`; `None` if it does not exist.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Self { fd: Some(fd), path: path.to_owned(), look_only: false, refused: None }
                .checked()
                .map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(Error::new(
                Kind::UnsafeDirectory,
                format!("{} is not a directory, or is a symbolic link", path.display()),
            )
            .remedy(Remedy::move_away("Flatnet does not follow links to its state; move it away", path))),
            Err(errno) => Err(error::io("open", path)(errno.into())),
        }
    }

    /// Opens the directory at `path` read-only. A missing or unreadable one counts as empty.
    #[must_use]
    pub fn open_to_look(path: &Path) -> Self {
        let (fd, refused) = match Self::open(path) {
            Ok(dir) => (dir.and_then(|dir| dir.fd), None),
            Err(error) => (None, Some(Box::new(error))),
        };
        Self { fd, path: path.to_owned(), look_only: true, refused }
    }

    /// Why the directory counts as empty, if [`StateDir::open_to_look`] was refused.
    #[must_use]
    pub fn refused(&self) -> Option<&Error> {
        self.refused.as_deref()
    }

    /// The descriptor, for a change.
    fn writable(&self) -> std::io::Result<&OwnedFd> {
        self.fd.as_ref().filter(|_| !self.look_only).ok_or_else(|| Errno::ROFS.into())
    }

    /// The directory `name` below this one, created if missing.
    pub fn subdir(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        let fd = self.writable().map_err(error::io("create", &path))?;
        match mkdirat(fd, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(error::io("create", &path)(errno.into())),
        }
        Self::open(&path)?.ok_or_else(|| went_away(&path))
    }

    fn checked(self) -> Result<Self> {
        let fd = self.writable().map_err(error::io("stat", &self.path))?;
        let found = rustix::fs::fstat(fd).map_err(|errno| error::io("stat", &self.path)(errno.into()))?;
        if found.st_uid == rustix::process::geteuid().as_raw() && found.st_mode & 0o077 == 0 {
            return Ok(self);
        }
        let shown = self.path.display();
        let quoted = quote(&self.path.to_string_lossy());
        Err(Error::new(
            Kind::UnsafeDirectory,
            format!(
                "{shown} is accessible to other users (owner {}, mode {:04o})",
                found.st_uid,
                found.st_mode & 0o7777
            ),
        )
        .remedy(Remedy::by(
            "Check that everything in it is Flatnet's, then restrict it to root",
            [format!("chown root {quoted}"), format!("chmod 700 {quoted}")],
        )))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's bytes; `None` if it does not exist. Anything but a regular file is [`Kind::ForeignFile`].
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        let Some(fd) = &self.fd else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(foreign("is a symbolic link")),
            Err(Errno::NXIO) => return Err(foreign("is a socket")),
            Err(errno) => return Err(error::io("read", &path)(errno.into())),
        };
        let found = file.metadata().map_err(error::io("stat", &path))?;
        if !found.is_file() || found.size() > MAX_BYTES {
            return Err(foreign("is not a regular file"));
        }
        if is_writable_by_others(&found, rustix::process::geteuid().as_raw()) {
            let whose = format!(
                "is writable by other users (owner {}, mode {:04o})",
                found.uid(),
                found.mode() & 0o7777
            );
            return Err(foreign(&whose));
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(error::io("read", &path))?;
        Ok(Some(bytes))
    }

    /// Replaces the file atomically: a reader, or a run after a crash, finds the old bytes or the new ones. The
    /// caller holds the lock that covers this directory.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        self.write_and_rename(name, bytes).inspect_err(|_| self.sweep()).map_err(error::io("write", &path))
    }

    /// Replaces the file atomically by what `change` makes of its bytes, without syncing anything. Returns whether it did: not
    /// if other processes keep changing something here. For files that nothing depends on.
    pub fn update(&self, name: &str, change: impl FnOnce(Option<Vec<u8>>) -> Vec<u8>) -> Result<bool> {
        let path = self.path.join(name);
        let update = || {
            let fd = self.writable()?;
            if !is_free(fd) {
                return Ok(false);
            }
            let bytes = change(self.read(name).ok().flatten());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let written = openat(fd, TEMPORARY, flags, Mode::RUSR | Mode::WUSR)
                .map_err(std::io::Error::from)
                .and_then(|new| File::from(new).write_all(&bytes))
                .and_then(|()| Ok(renameat(fd, TEMPORARY, fd, name)?))
                .inspect_err(|_| self.sweep());
            let _ = rustix::fs::flock(fd, FlockOperation::Unlock);
            written.map(|()| true)
        };
        update().map_err(error::io("write", &path))
    }

    /// Removes what a failed or killed writer left, if possible. The caller holds the lock that covers this directory.
    pub fn sweep(&self) {
        if let Ok(fd) = self.writable() {
            let _ = unlinkat(fd, TEMPORARY, AtFlags::empty());
        }
    }

    fn write_and_rename(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.writable()?;
        let mut file = File::from(openat(fd, TEMPORARY, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(bytes)?;
        file.sync_data()?;
        renameat(fd, TEMPORARY, fd, name)?;
        // Makes the name as durable as the bytes.
        Ok(fsync(fd)?)
    }

    /// Appends `line` to the file. A line torn by a crash stays a line of its own, which the reader skips.
    pub fn append(&self, name: &str, line: &str) -> Result<()> {
        let path = self.path.join(name);
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let append = || {
            let mut file = File::from(openat(self.writable()?, name, flags, Mode::empty())?);
            let mut last = [b'\n'];
            if let Some(end) = file.metadata()?.len().checked_sub(1) {
                file.read_exact_at(&mut last, end)?;
            }
            let start = if last == [b'\n'] { "" } else { "\n" };
            file.write_all(format!("{start}{line}").as_bytes())
        };
        append().map_err(error::io("append to", &path))
    }

    /// Creates an empty file, or keeps an existing one.
    pub fn touch(&self, name: &str) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let make = || Ok(openat(self.writable()?, name, flags, Mode::RUSR | Mode::WUSR).map(drop)?);
        make().map_err(error::io("create", &self.path.join(name)))
    }

    /// Removes the file; it may be missing.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        let failed = error::io("remove", &path);
        let fd = match self.writable() {
            Ok(fd) => fd,
            Err(cause) => return Err(failed(cause)),
        };
        match unlinkat(fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// Runs `change` while no other process is in here. A file that is to be set aside must be read again in
    /// here, since another process may have rewritten it.
    pub fn alone<T>(&self, change: impl FnOnce() -> T) -> T {
        let lock = |operation| self.fd.as_ref().map(|fd| rustix::fs::flock(fd, operation));
        let _ = lock(FlockOperation::LockExclusive);
        let changed = change();
        let _ = lock(FlockOperation::Unlock);
        changed
    }

    /// Moves an unusable file out of the way; returns its new name. In read-only mode it stays.
    pub fn set_aside(&self, name: &str) -> Result<PathBuf> {
        if self.look_only {
            return Ok(self.path.join(name));
        }
        let aside = format!("{name}{ASIDE}{}", jiff::Timestamp::now().as_millisecond());
        let rename = || self.writable().and_then(|fd| Ok(renameat(fd, name, fd, &aside)?));
        rename().map_err(error::io("set aside", &self.path.join(name)))?;
        Ok(self.path.join(aside))
    }

    /// The same for anything at `name` that is not a regular file.
    pub fn set_foreign_aside(&self, name: &str) -> Result<Option<PathBuf>> {
        let path = self.path.join(name);
        let is_foreign = || path.symlink_metadata().is_ok_and(|found| !found.is_file());
        if !is_foreign() {
            return Ok(None);
        }
        self.alone(|| is_foreign().then(|| self.set_aside(name)).transpose())
    }

    /// The names of files that end in `suffix`, sorted.
    pub fn names(&self, suffix: &str) -> Result<Vec<String>> {
        let failed = |errno: Errno| error::io("list", &self.path)(errno.into());
        let Some(fd) = &self.fd else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(fd.as_fd()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().to_str() {
                if name.ends_with(suffix) {
                    names.push(name.to_owned());
                }
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Locks the directory, unless other processes hold its lock for longer than [`BUSY`] allows.
fn is_free(fd: &OwnedFd) -> bool {
    let (tries, pause) = BUSY;
    (0..tries).any(|number| {
        if number > 0 {
            std::thread::sleep(pause);
        }
        rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

/// The error for something in a state file's place that is not a state file.
fn foreign(what: &str) -> Error {
    Error::new(Kind::ForeignFile, format!("it {what}"))
}

fn went_away(path: &Path) -> Error {
    Error::new(Kind::Io, format!("{} was removed right after it was created", path.display()))
        .remedy("Find out what removes it, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_atomically() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(&dir.path().join("s")).unwrap();
        assert_eq!(state.read("a.json").unwrap(), None);
        state.write("a.json", b"1").unwrap();
        state.write("a.json", b"22").unwrap();
        state.append("a.json", "3\n").unwrap();
        state.append("a.json", "4\n").unwrap();
        assert_eq!(state.read("a.json").unwrap().unwrap(), b"22\n3\n4\n", "22 is torn, 3 is whole");
        assert_eq!(
            state.names("").unwrap().iter().filter(|name| !name.starts_with("..")).count(),
            2,
            "a.json and ."
        );
        state.remove("a.json").unwrap();
        state.remove("a.json").unwrap();
    }

    #[test]
    fn updates_do_not_wait_for_a_process_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(&dir.path().join("s")).unwrap();
        let add = |found: Option<Vec<u8>>| [&found.unwrap_or_default()[..], b"1"].concat();
        assert!(state.update("n", add).unwrap() && state.update("n", add).unwrap());
        assert_eq!(state.read("n").unwrap().unwrap(), b"11");
        let other = StateDir::create(state.path()).unwrap();
        assert!(!other.alone(|| state.update("n", add).unwrap()));
        assert!(state.update("n", add).unwrap());
        assert_eq!(state.read("n").unwrap().unwrap(), b"111");
        // A pipe in its place is not waited for, and what a killed writer left is overwritten.
        std::fs::write(state.path().join(TEMPORARY), "what was left").unwrap();
        state.remove("n").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, state.path().join("n"), Mode::RWXU).unwrap();
        assert!(state.update("n", add).unwrap());
        assert_eq!(state.read("n").unwrap().unwrap(), b"1");
    }

    #[test]
    fn symlinks_and_open_permissions_are_rejected() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        StateDir::create(&real).unwrap();
        symlink(&real, dir.path().join("link")).unwrap();
        assert!(StateDir::create(&dir.path().join("link")).is_err());
        symlink("/etc/passwd", real.join("x.json")).unwrap();
        assert!(StateDir::create(&real).unwrap().read("x.json").is_err());
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(StateDir::create(&real).unwrap_err().to_string().contains("mode 0755"));
    }
}
