//! The files of names, looked at again at each question, so that a name is right as soon as its file is.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat, fstat, lstat, openat, statat};
use rustix::io::Errno;

use super::network::Network;
use crate::error::{self, Error, Kind, Result};
use crate::file::is_writable_by_others;
use crate::model::types::{NetworkName, shown};
use crate::state::names::{Change, MAX_BYTES, NamesFile};

/// What identifies one state of a file. It is replaced by rename or grows, so a new state has another inode or size; a
/// clock alone is too coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
}

impl Stamp {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "the types differ between architectures"
    )]
    pub(super) fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev.into(),
            inode: found.st_ino.into(),
            size: found.st_size,
            modified: (found.st_mtime, found.st_mtime_nsec as u64),
        }
    }
}

/// The files of a directory.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    /// Opened before root is given up: its parent may be closed to others.
    directory: Option<OwnedFd>,
    /// Becomes readable when a file comes or goes.
    changes: Option<OwnedFd>,
    followed: Vec<Followed>,
    /// What could not be read, to be reported.
    problems: Vec<Error>,
    /// Whether the directory itself is missing, and was reported.
    is_missing: bool,
}

#[derive(Debug)]
struct Followed {
    name: NetworkName,
    /// Its state when it was read last; `None` before.
    stamp: Option<Stamp>,
    /// As it was when it could be read last.
    read: Option<ReadFile>,
    /// Why it cannot be read now; it is told once.
    problem: Option<String>,
}

/// A file whose lines were read.
#[derive(Debug)]
struct ReadFile {
    /// Open, so that its inode number is no other file's.
    file: File,
    /// The length of the lines that were read.
    length: u64,
    network: Network,
}

impl Files {
    pub(super) fn new(path: &Path) -> Self {
        let path = path.to_owned();
        Self {
            path,
            directory: None,
            changes: None,
            followed: Vec::new(),
            problems: Vec::new(),
            is_missing: false,
        }
    }

    /// Becomes readable when a file comes or goes.
    pub(super) fn changes(&self) -> Option<&OwnedFd> {
        self.changes.as_ref()
    }

    pub(super) fn problems(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.problems)
    }

    /// The networks whose files can be read.
    pub(super) fn networks(&self) -> impl Iterator<Item = &Network> + Clone {
        self.followed.iter().filter_map(|one| Some(&one.read.as_ref()?.network))
    }

    /// The same, with that of `own` first.
    pub(super) fn networks_for(&self, own: &NetworkName) -> impl Iterator<Item = &Network> + Clone {
        let is_own = move |network: &&Network| network.file.network == *own;
        self.networks().filter(is_own).chain(self.networks().filter(move |network| !is_own(network)))
    }

    pub(super) fn network(&self, name: &NetworkName) -> Option<&Network> {
        self.networks().find(|network| network.file.network == *name)
    }

    /// Finds files that came. Returns whether `changes` is a new one.
    pub(super) fn scan(&mut self) -> bool {
        let is_gone = self.directory.as_ref().is_none_or(|directory| self.is_elsewhere(directory));
        if is_gone {
            (self.directory, self.changes) = (None, None);
            self.open();
        }
        let Some(directory) = &self.directory else {
            self.followed.clear();
            return is_gone;
        };
        if let Some(changes) = &self.changes {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(changes, &mut buffer);
            while reader.next().is_ok() {}
        }
        let names = Dir::read_from(directory).map(|entries| {
            let name =
                |entry: rustix::fs::DirEntry| NetworkName::parse(entry.file_name().to_str().ok()?).ok();
            entries.flatten().filter_map(name).collect::<Vec<_>>()
        });
        for name in names.unwrap_or_default() {
            if !self.followed.iter().any(|one| one.name == name) {
                self.followed.push(Followed { name, stamp: None, read: None, problem: None });
            }
        }
        self.refresh();
        is_gone
    }

    /// Whether the open directory was removed, or moved away. Its parent may be closed to this user.
    fn is_elsewhere(&self, directory: &OwnedFd) -> bool {
        let Ok(found) = fstat(directory) else { return false };
        match lstat(&self.path) {
            Ok(there) => (found.st_dev, found.st_ino) != (there.st_dev, there.st_ino),
            Err(errno) => errno == Errno::NOENT || found.st_nlink == 0,
        }
    }

    fn open(&mut self) {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(directory) => {
                self.is_missing = false;
                self.changes = watch(&directory).ok();
                self.directory = Some(directory);
            }
            Err(errno) if !std::mem::replace(&mut self.is_missing, true) => {
                let failed = error::io("open", &self.path)(errno.into());
                self.problems.push(match errno {
                    Errno::NOENT => {
                        failed.remedy("Run `flatnet up`, which writes the names of its network there")
                    }
                    _ => failed,
                });
            }
            Err(_) => {}
        }
    }

    /// Reads again what changed, and forgets what was removed. Returns whether servers to forward to may be others.
    pub(super) fn refresh(&mut self) -> bool {
        let Self { path, directory: Some(directory), followed, problems, .. } = self else { return false };
        let mut is_other = false;
        followed.retain_mut(|one| {
            let found = match statat(&*directory, one.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => Stamp::of(&found),
                Err(Errno::NOENT) => return false,
                Err(errno) => {
                    problems.push(error::io("stat", &path.join(one.name.as_str()))(errno.into()));
                    return false;
                }
            };
            if one.stamp == Some(found) {
                return true;
            }
            if one.read.as_mut().is_some_and(|read| read.read_on(directory, found).is_some()) {
                one.stamp = Some(found);
                return true;
            }
            match read(directory, path, &one.name) {
                Ok(read) => {
                    let new = &read.network.file;
                    let before = one.read.as_ref().map(|read| &read.network.file);
                    is_other |= before.is_some_and(|before| before.upstreams != new.upstreams);
                    if !new.unknown.is_empty() && before.is_none_or(|before| before.unknown != new.unknown) {
                        problems.push(of_newer_version(&path.join(one.name.as_str()), &new.unknown));
                    }
                    (one.stamp, one.read, one.problem) = (Some(found), Some(read), None);
                }
                // It is tried again at the next question: a descriptor may have been missing.
                Err(error) => {
                    one.stamp = None;
                    let text = error.to_line();
                    if one.problem.as_ref() != Some(&text) {
                        problems.push(error);
                        one.problem = Some(text);
                    }
                }
            }
            true
        });
        is_other
    }
}

impl ReadFile {
    /// Reads the lines that were appended; `None` if the whole file is to be read again, since the one in `directory` is
    /// another, or did not just grow.
    fn read_on(&mut self, directory: &OwnedFd, there: Stamp) -> Option<()> {
        let owner = fstat(directory).ok()?.st_uid;
        let found = self.file.metadata().ok()?;
        let is_same = (found.dev(), found.ino()) == (there.device, there.inode);
        if !is_same || found.size() > MAX_BYTES || is_writable_by_others(&found, owner) {
            return None;
        }
        let more = found.size().checked_sub(self.length).filter(|more| *more > 0)?;
        let mut bytes = vec![0; usize::try_from(more).ok()?];
        self.file.read_exact_at(&mut bytes, self.length).ok()?;
        let lines = whole_lines(std::str::from_utf8(&bytes).ok()?);
        Change::parse_lines(lines).ok()?.into_iter().for_each(|change| self.network.apply(change));
        self.length += lines.len() as u64;
        Some(())
    }
}

/// `text` without a last line that has no end.
fn whole_lines(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

fn of_newer_version(path: &Path, lines: &[String]) -> Error {
    let words: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    let what =
        format!("{} has lines that this version ignores: {}", path.display(), shown(&words.join(", ")));
    Error::new(Kind::ForeignFile, what)
        .remedy("Restart the resolver, since a newer version of Flatnet writes the file")
}

fn watch(directory: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let flags = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE | WatchFlags::DELETE | WatchFlags::DELETE_SELF;
    inotify::add_watch(&inotify, path, flags)?;
    Ok(inotify)
}

/// Reads a file of whoever owns the directory.
fn read(directory: &OwnedFd, path: &Path, name: &NetworkName) -> Result<ReadFile> {
    let path = path.join(name.as_str());
    let foreign = |what: &str| {
        Error::new(Kind::ForeignFile, format!("{} {what}", path.display()))
            .remedy("Remove it, then run `flatnet up`, which writes it again")
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(directory, name.as_str(), flags, Mode::empty())
        .map_err(|errno| error::io("read", &path)(errno.into()))?;
    let owner = fstat(directory).map_err(|errno| error::io("stat", &path)(errno.into()))?.st_uid;
    let file = File::from(file);
    let found = file.metadata().map_err(error::io("stat", &path))?;
    if !found.is_file() || found.size() > MAX_BYTES {
        return Err(foreign("is not a regular file, or is larger than 16 MB"));
    }
    if is_writable_by_others(&found, owner) {
        return Err(foreign("is writable by others than the owner of its directory"));
    }
    let mut text = String::new();
    (&file).take(MAX_BYTES).read_to_string(&mut text).map_err(error::io("read", &path))?;
    let parsed = NamesFile::parse(&text).map_err(|error| error.context(path.display()))?;
    if parsed.network != *name {
        return Err(foreign(&format!("is of the network {}", parsed.network)));
    }
    Ok(ReadFile { file, length: whole_lines(&text).len() as u64, network: Network::new(parsed) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn text(network: &str, names: &str) -> String {
        format!(
            "version 1\nnetwork {network}\nlisten 10.87.1.1\nsubnet 10.87.1.0/24\nzone z.internal\n{names}"
        )
    }

    fn append_to(path: &Path, lines: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
    }

    fn has(files: &Files, name: &str) -> bool {
        files.networks().any(|network| network.addresses(name.as_bytes()).is_some())
    }

    #[test]
    fn files_are_read_again_when_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names");
        let mut files = Files::new(&path);
        assert!(files.scan() && files.networks().next().is_none());
        assert_eq!(files.problems().len(), 1, "the directory is missing");
        files.scan();
        assert!(files.problems().is_empty(), "it is told once");
        std::fs::create_dir(&path).unwrap();
        let write = |name: &str, text: &str| crate::file::replace(&path.join(name), text.as_bytes()).unwrap();
        write("a", &text("a", "name 10.87.1.2 x eth0 one\n"));
        assert!(files.scan() && has(&files, "one"));
        write("a", &text("a", "name 10.87.1.2 x eth0 two\n"));
        assert!(!files.refresh() && has(&files, "two") && !has(&files, "one"), "without a scan");
        let append = |lines: &str| append_to(&path.join("a"), lines);
        append("name 10.87.1.3 y eth0 three\ngone x eth0\n");
        assert!(!files.refresh() && has(&files, "three") && !has(&files, "two"), "lines were appended");
        append("gone y eth0\nname 10.87.1.4 z eth0 fo");
        assert!(!files.refresh() && !has(&files, "three") && !has(&files, "fo"), "a line is not whole yet");
        append("ur\n");
        assert!(!files.refresh() && has(&files, "four") && !has(&files, "fo"));
        append("host three 10.87.1.1\n");
        assert!(!files.refresh() && has(&files, "three") && has(&files, "four"), "the file is read again");
        assert!(files.problems().is_empty());
        write("a", &text("a", "upstream 9.9.9.9\n"));
        assert!(files.refresh(), "its servers are others");
        for _ in 0..2 {
            write("a", &text("a", "later 1\n"));
            files.refresh();
        }
        let problems: Vec<String> = files.problems().iter().map(Error::to_line).collect();
        assert!(
            problems.len() == 1 && problems[0].contains("/a has lines that this version ignores: later. "),
            "{problems:?}"
        );
        // What cannot be read leaves what was read before, and is told once.
        write("a", "nonsense 1\n");
        files.refresh();
        files.refresh();
        let problems: Vec<String> = files.problems().iter().map(Error::to_line).collect();
        assert!(
            problems.len() == 1 && problems[0].contains(&format!("{}/a: ", path.display())),
            "{problems:?}"
        );
        assert!(files.networks().count() == 1);
        // What was unreadable is read as it is by then: as another file, and as the same with further lines.
        let mode = |mode: u32| {
            std::fs::set_permissions(path.join("a"), PermissionsExt::from_mode(mode)).unwrap();
        };
        write("a", &text("a", "name 10.87.1.2 x eth0 one\n"));
        mode(0o666);
        files.refresh();
        append("name 10.87.1.3 y eth0 two\n");
        assert!(!files.refresh() && !has(&files, "one"), "others can write to it");
        mode(0o644);
        assert!(!files.refresh() && has(&files, "one") && has(&files, "two"));
        mode(0o666);
        append("gone y eth0\n");
        files.refresh();
        mode(0o644);
        files.refresh();
        assert!(has(&files, "one") && !has(&files, "two"));
        files.problems();
        let moved = dir.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        assert!(files.scan() && files.networks().next().is_none(), "its directory is elsewhere");
        std::fs::rename(&moved, &path).unwrap();
        assert!(files.scan() && has(&files, "one"));
        std::fs::remove_file(path.join("a")).unwrap();
        files.refresh();
        assert_eq!(files.networks().count(), 0);
        std::fs::remove_dir(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        write("b", &text("b", "name 10.87.1.2 x eth0 one\n"));
        assert!(files.scan() && has(&files, "one"), "another directory of that name");
    }

    #[test]
    fn files_of_others_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let good = text("a", "name 10.87.1.2 x eth0 one\n");
        std::fs::write(dir.path().join("real"), &good).unwrap();
        symlink(dir.path().join("real"), dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("b"), &good).unwrap();
        std::fs::write(dir.path().join(".hidden"), &good).unwrap();
        std::fs::write(dir.path().join("c"), text("c", "name 10.87.1.2 x eth0 one\n")).unwrap();
        std::fs::set_permissions(dir.path().join("c"), PermissionsExt::from_mode(0o666)).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("d"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let mut files = Files::new(dir.path());
        files.scan();
        assert_eq!(files.networks().count(), 0);
        let problems: Vec<String> = files.problems().iter().map(Error::to_line).collect();
        assert_eq!(problems.len(), 5, "{problems:?}");
        for says in [
            "/real is of the network a",
            "/b is of the network a",
            "/c is writable by others",
            "/d is not a regular",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(says)), "{says}: {problems:?}");
        }
    }
}
