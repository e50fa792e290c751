//! Atomic replacement of files, and flags for files in directories that others can write to.
//!
//! Flatnet's own state directory works on an open directory instead: see [`crate::state::dir`].

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::TempPath;

/// Flags for std's `custom_flags` to open a file in a directory that others can write to: follow no link, wait for no pipe.
#[expect(clippy::cast_possible_wrap, reason = "the flags are far below the sign bit")]
pub(crate) const WARILY: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;

/// Whether users other than `owner` can write to a file with the metadata `found`.
pub(crate) fn is_writable_by_others(found: &Metadata, owner: u32) -> bool {
    found.uid() != owner || found.mode() & 0o022 != 0
}

/// Writes a file under a temporary name beside `path`, to be renamed. Dropping it removes it.
pub(crate) fn stage(path: &Path, bytes: &[u8]) -> std::io::Result<TempPath> {
    let write_new = |new: &Path| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
        file.write_all(bytes)?;
        // Independent of the umask, since others read these files: the gateway's user, rootless users of Podman.
        match file.set_permissions(Permissions::from_mode(0o644)) {
            // On a Windows disk modes have no meaning, and changing them fails.
            Err(cause) if cause.kind() != ErrorKind::PermissionDenied => return Err(cause),
            _ => {}
        }
        file.sync_all()
    };
    stage_by(path, write_new)
}

/// The same, with `make` writing to the temporary path.
pub(crate) fn stage_by(
    path: &Path,
    make: impl FnMut(&Path) -> std::io::Result<()>,
) -> std::io::Result<TempPath> {
    let staged = tempfile::Builder::new().prefix(".flatnet-new-").make_in(folder_of(path), make)?;
    Ok(staged.into_temp_path())
}

/// Replaces the file at `path` atomically.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    stage(path, bytes)?.persist(path).map_err(|refused| refused.error)?;
    sync_folder(path);
    Ok(())
}

/// Makes the name at `path` as durable as its bytes, if the directory can be synced.
pub(crate) fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
