//! Stops a run at a boundary of a lock, for tests of what others do meanwhile; compiled with the feature `faults` only.
//!
//! `FLATNET_FAULT=pause@N` stops this process the N-th time (from 1) that it is about to take a lock, or to let
//! one go. It makes the file [`PAUSED`] then and goes on once [`GO_ON`] is there.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Where the fault is asked for; others than this one are [`crate::kernel::execute`]'s.
pub(crate) const VARIABLE: &str = "FLATNET_FAULT";
/// Made when the run has stopped.
const PAUSED: &str = "/tmp/flatnet-paused";
/// What it waits for.
const GO_ON: &str = "/tmp/flatnet-go-on";

static WANTED: LazyLock<Option<usize>> = LazyLock::new(|| {
    let asked = std::env::var(VARIABLE).ok()?;
    asked.strip_prefix("pause@")?.parse().ok()
});
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Stops here, where this is the boundary that was asked for.
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
