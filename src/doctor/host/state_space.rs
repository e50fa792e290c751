//! The file systems of leases and receipts have free space.

use rustix::fs::{StatVfs, StatVfsMountFlags};

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Result, io};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "state-space",
    group: Group::Host,
    looks_at: "free bytes and inodes of the file systems of leases, receipts and locks",
    shows: "no new container on the network starts: \"No space left on device\" or \"Read-only file system\"",
    needs: Needs::Config,
    quick: true,
    look,
};

/// Enough for a thousand containers.
const BYTES: u64 = 16 << 20;
const INODES: u64 = 2000;
/// Enough for the next few containers.
const LAST_BYTES: u64 = 256 << 10;
const LAST_INODES: u64 = 8;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let paths = &context.engine.config.paths;
    let mut found = Vec::new();
    for path in [&paths.state, &paths.run] {
        // The directory may not exist yet: then its nearest existing parent counts.
        let Some(there) = path.ancestors().find(|path| path.exists()) else { continue };
        let free = rustix::fs::statvfs(there).map_err(|errno| io("look at", there)(errno.into()))?;
        found.push(judge(&there.display().to_string(), &free));
    }
    let bad: Vec<Finding> =
        found.iter().filter(|one| one.level != crate::doctor::Level::Good).cloned().collect();
    found.truncate(1);
    Ok(if bad.is_empty() { found } else { bad })
}

fn judge(path: &str, free: &StatVfs) -> Finding {
    if free.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Finding::failure(format!("{path} is on a file system that is mounted read-only"))
            .commands([format!("mount -o remount,rw \"$(findmnt -no TARGET --target {path})\"")])
            .help("The kernel remounts a disk with errors read-only: check `dmesg` first");
    }
    let bytes = free.f_bavail.saturating_mul(free.f_frsize);
    // File systems that allocate inodes dynamically (btrfs) report 0 of 0.
    let inodes = if free.f_files == 0 { u64::MAX } else { free.f_favail };
    let what = if inodes == u64::MAX {
        format!("{path}: {} MiB free", bytes >> 20)
    } else {
        format!("{path}: {} MiB and {inodes} inodes free", bytes >> 20)
    };
    let finding = if bytes < LAST_BYTES || inodes < LAST_INODES {
        Finding::failure(what)
    } else if bytes < BYTES || inodes < INODES {
        Finding::warning(what)
    } else {
        return Finding::good(what);
    };
    finding.help(format!(
        "Free space on that file system: `df -h {path}` and `df -i {path}` show the usage, `du -xh --max-depth=2` the \
         largest directories"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn low_space_and_inodes_are_reported() {
        let free = |bytes: u64, inodes: (u64, u64)| {
            let mut free = rustix::fs::statvfs("/proc").unwrap();
            (free.f_frsize, free.f_bavail, free.f_files, free.f_favail) =
                (1024, bytes / 1024, inodes.0, inodes.1);
            free.f_flag = StatVfsMountFlags::empty();
            free
        };
        for (bytes, inodes, level) in [
            (1 << 30, (10_000, 9000), Level::Good),
            (1 << 30, (0, 0), Level::Good),
            (1 << 20, (10_000, 9000), Level::Warning),
            (1 << 30, (10_000, 100), Level::Warning),
            (4096, (10_000, 9000), Level::Failure),
            (1 << 30, (10_000, 0), Level::Failure),
        ] {
            let found = judge("/var/lib/flatnet", &free(bytes, inodes));
            assert_eq!(found.level, level, "{found:?}");
        }
    }
}
