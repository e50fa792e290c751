//! Stops a run at a lock, for concurrency tests; compiled only with the feature `faults`.
//!
//! `FLATNET_FAULT=pause@N` stops this process the N-th time (from 1) that it is about to take or release a lock. It
//! then creates the file [`PAUSED`] and continues once [`GO_ON`] exists.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The variable that requests the fault; [`crate::kernel::execute`] handles the other faults.
pub(crate) const VARIABLE: &str = "FLATNET_FAULT";
/// Created when the run has stopped.
const PAUSED: &str = "/tmp/flatnet-paused";
/// The file it waits for.
const GO_ON: &str = "/tmp/flatnet-go-on";

static WANTED: LazyLock<Option<usize>> = LazyLock::new(|| {
    let asked = std::env::var(VARIABLE).ok()?;
    asked.strip_prefix("pause@")?.parse().ok()
});
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Stops here, if this is the requested boundary.
pub(super) fn boundary() {
    let Some(wanted) = *WANTED else { return };
    if SEEN.fetch_add(1, Ordering::SeqCst) + 1 != wanted {
        return;
    }
    let _ = std::fs::write(PAUSED, "");
    while !Path::new(GO_ON).exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
}
