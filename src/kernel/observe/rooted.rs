//! Reads a file below another process's root folder, such as a container's. That process controls its owner and
//! contents.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

/// The root folder of the process `pid`, kept open.
pub(super) fn root_of(pid: u32) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty())?.into())
}

/// The first `limit` bytes of the file `path` below `root`; `None` if it does not exist. Links cannot leave
/// `root`. Only regular files are opened: a pipe would block, a device may do anything.
pub(super) fn read(root: &File, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = match openat2(root, path.trim_start_matches('/'), flags, Mode::empty(), resolve) {
        Ok(found) => File::from(found),
        Err(errno) => {
            let cause = io::Error::from(errno);
            let is_none = matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            return if is_none { Ok(None) } else { Err(cause) };
        }
    };
    if !found.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))?.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    #[test]
    fn symlinks_stay_below_root_and_only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let within = |name: &str| root.join(name);
        std::fs::create_dir_all(within("etc")).unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        std::fs::write(within("file"), "inside, and more").unwrap();
        for (link, target) in [
            ("up", "../secret"),
            ("absolute", dir.path().join("secret").to_str().unwrap()),
            ("inner", "/file"),
            ("loop", "loop"),
            ("magic", "/proc/self/exe"),
        ] {
            symlink(target, within(link)).unwrap();
        }
        symlink(dir.path(), within("folder")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, within("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let opened = |path: &Path| File::open(path).unwrap();
        let read = |name: &str| read(&opened(&root), name, 6);
        for name in ["/file", "file", "/inner"] {
            assert_eq!(read(name).unwrap().as_deref(), Some(&b"inside"[..]), "{name}");
        }
        for name in ["/none", "/none/none", "/file/none", "/up", "/absolute", "/folder/secret", "/magic"] {
            assert_eq!(read(name).unwrap(), None, "{name}");
        }
        for name in ["/pipe", "/etc", "/loop"] {
            assert!(read(name).is_err(), "{name}");
        }
    }
}
