//! Reads and replaces `state/routes.json` atomically, also on a Windows drive.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::table::Table;
use crate::error::{Error, Kind, Remedy, Result, io, parser_says};
use crate::file::{self, WARILY};
use crate::shell::quote;

/// The maximum size of a table: 10,000 routes take about 4 MB.
const MAX_BYTES: u64 = 64 << 20;
/// How often a rename is tried if another program has the file open, and the first pause, which doubles.
const TRIES: (u32, Duration) = (8, Duration::from_millis(10));

/// The file that the gateway reads.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.join("state/routes.json")
}

/// Whether there is a gateway to publish routes to.
#[must_use]
pub fn has_gateway(directory: &Path) -> bool {
    directory.join("state").is_dir()
}

/// The published table, if it is readable.
#[must_use]
pub fn published(directory: &Path) -> Option<Table> {
    read(&path(directory)).ok()
}

/// The gateway's copy of the last good table.
#[must_use]
pub fn last_good(directory: &Path) -> Option<Table> {
    read(&directory.join("state/routes.last-good.json")).ok()
}

/// Reads the table at `path`. The error says why it is unusable.
pub fn read(path: &Path) -> Result<Table, String> {
    let unreadable = |cause: std::io::Error| match cause.kind() {
        ErrorKind::NotFound => "not found".to_owned(),
        _ => format!("cannot be read: {cause}"),
    };
    let file = OpenOptions::new().read(true).custom_flags(WARILY).open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    let table: Table = serde_json::from_str(&text)
        .map_err(|cause| format!("not a valid routes table: {}", parser_says(&cause)))?;
    if table.generation != table.end {
        return Err(format!(
            "incomplete: it begins as generation {} and ends as {}",
            table.generation, table.end
        ));
    }
    Ok(table)
}

/// Whether the gateway, which runs as another user, can read the file. On a Windows drive it always can.
#[must_use]
pub fn may_be_read(directory: &Path) -> bool {
    path(directory).metadata().is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

/// Replaces the published table by `table`.
pub fn publish(directory: &Path, table: &Table) -> Result<()> {
    let path = path(directory);
    if !has_gateway(directory) {
        let what = format!("there is no gateway in {}", directory.display());
        return Err(Error::new(Kind::GatewayMissing, what).remedy(Remedy::run([format!(
            "flatnet gateway install {}",
            quote(&directory.to_string_lossy())
        )])));
    }
    let failed = |cause: serde_json::Error| {
        Error::new(Kind::Internal, "cannot encode the routes table as JSON").source(cause)
    };
    let mut text = serde_json::to_vec(table).map_err(failed)?;
    text.push(b'\n');
    replace(&path, &text)
}

/// Replaces the file at `path`, which another program may have open.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = file::stage(path, bytes).map_err(io("write", path))?;
    let replaced = patiently(TRIES, || std::fs::rename(&new, path));
    replaced.map_err(|cause| match cause.kind() {
        ErrorKind::IsADirectory => io("write", path)(cause),
        _ if is_held(&cause) => {
            Error::new(Kind::RoutesHeld, format!("cannot replace {}", path.display())).source(cause)
        }
        _ => io("write", path)(cause),
    })?;
    // After the rename it is no longer a temporary file.
    let _ = new.keep();
    file::sync_folder(path);
    Ok(())
}

/// Retries `work` while another program has the file open: Windows does not replace open files, and `DrvFs` reports this as
/// `EACCES`, `EPERM` or `EBUSY`.
fn patiently<T>(
    (tries, first): (u32, Duration),
    mut work: impl FnMut() -> std::io::Result<T>,
) -> std::io::Result<T> {
    let mut pause = first;
    for _ in 1..tries {
        match work() {
            Err(cause) if is_held(&cause) => std::thread::sleep(pause),
            other => return other,
        }
        pause *= 2;
    }
    work()
}

fn is_held(cause: &std::io::Error) -> bool {
    let held = [Errno::ACCESS, Errno::PERM, Errno::BUSY].map(Errno::raw_os_error);
    cause.raw_os_error().is_some_and(|code| held.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::model::types::{HostName, NetworkName};
    use crate::routes::table::{Host, VERSION};

    fn table(generation: u64) -> Table {
        let host = Host {
            name: HostName::parse("dev-pc").unwrap(),
            network: NetworkName::parse("flatnet").unwrap(),
            subnet: "10.87.1.0/24".parse().unwrap(),
            number: None,
        };
        let written = "2026-11-23T12:00:00Z".to_owned();
        let (hosts, routes, unrouted) = (Vec::new(), Vec::new(), Vec::new());
        Table { version: VERSION, generation, written, host, hosts, routes, unrouted, end: generation }
    }

    #[test]
    fn table_is_replaced_atomically_and_world_readable() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(publish(dir.path(), &table(1)).unwrap_err().kind(), Kind::GatewayMissing);
        std::fs::create_dir(dir.path().join("state")).unwrap();
        for generation in [1, 2] {
            publish(dir.path(), &table(generation)).unwrap();
            assert_eq!(published(dir.path()), Some(table(generation)));
        }
        assert_eq!(path(dir.path()).metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(
            std::fs::read_dir(dir.path().join("state")).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn damaged_table_is_ignored_and_last_good_one_is_used() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        assert_eq!(last_good(dir.path()), None);
        publish(dir.path(), &table(7)).unwrap();
        std::fs::copy(path(dir.path()), dir.path().join("state/routes.last-good.json")).unwrap();
        let whole = std::fs::read_to_string(path(dir.path())).unwrap();
        for bad in ["", "{}", &whole[..whole.len() / 2], &whole.replace("\"end\":7", "\"end\":6")] {
            std::fs::write(path(dir.path()), bad).unwrap();
            assert_eq!((published(dir.path()), last_good(dir.path())), (None, Some(table(7))), "{bad}");
        }
        std::fs::remove_file(path(dir.path())).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path(dir.path()), rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(
            published(dir.path()),
            None,
            "a pipe that the workers' account made there is not waited for"
        );
        std::fs::remove_file(path(dir.path())).unwrap();
        std::fs::create_dir(path(dir.path())).unwrap();
        assert!(publish(dir.path(), &table(8)).is_err());
        assert_eq!(
            std::fs::read_dir(dir.path().join("state")).unwrap().count(),
            2,
            "no temporary file is left"
        );
    }

    #[test]
    fn only_busy_file_errors_are_retried() {
        let brief = (4, Duration::from_millis(1));
        for (errno, tried) in [(Errno::ACCESS, 3), (Errno::PERM, 3), (Errno::BUSY, 3), (Errno::NOSPC, 1)] {
            let mut calls = 0;
            let result = patiently(brief, || {
                calls += 1;
                if calls < 3 { Err(errno.into()) } else { Ok(()) }
            });
            assert_eq!((calls, result.is_ok()), (tried, tried == 3), "{errno}");
        }
        let began = Instant::now();
        assert!(patiently(brief, || Err::<(), _>(Errno::BUSY.into())).is_err(), "it has an end");
        assert!(began.elapsed() >= Duration::from_millis(7));
    }
}
