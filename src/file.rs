//! Files in folders that others may write to, and files that are replaced as a whole.
//!
//! Flatnet's own state directory has its own way, by an open directory: see [`crate::state::dir`].

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::TempPath;

/// How a file in somebody else's folder is opened, as std's `custom_flags` takes it: no link is followed, no pipe is waited
/// for.
#[expect(clippy::cast_possible_wrap, reason = "the flags are far below the sign bit")]
pub(crate) const WARILY: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;

/// Whether anyone but the user `owner` may write what was `found`.
pub(crate) fn is_writable_by_others(found: &Metadata, owner: u32) -> bool {
    found.uid() != owner || found.mode() & 0o022 != 0
}

/// Writes a file under a temporary name beside `path`, to be renamed to it. It is removed when it is dropped before.
pub(crate) fn stage(path: &Path, bytes: &[u8]) -> std::io::Result<TempPath> {
    let write_new = |new: &Path| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
        file.write_all(bytes)?;
        // Whatever the umask is, others read these files: the gateway's user, rootless users of Podman.
        match file.set_permissions(Permissions::from_mode(0o644)) {
            // On Windows' disk a mode means nothing, and to change it is refused.
            Err(cause) if cause.kind() != ErrorKind::PermissionDenied => return Err(cause),
            _ => {}
        }
        file.sync_all()
    };
    stage_by(path, write_new)
}

/// The same for what `make` puts at the temporary path that it gets.
pub(crate) fn stage_by(
    path: &Path,
    make: impl FnMut(&Path) -> std::io::Result<()>,
) -> std::io::Result<TempPath> {
    let staged = tempfile::Builder::new().prefix(".flatnet-new-").make_in(folder_of(path), make)?;
    Ok(staged.into_temp_path())
}

/// Replaces the file at `path`: a reader finds the old bytes or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    stage(path, bytes)?.persist(path).map_err(|refused| refused.error)?;
    sync_folder(path);
    Ok(())
}

/// Makes the name at `path` as durable as its bytes, where the folder can be synced.
pub(crate) fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
