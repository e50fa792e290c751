//! The sources of changes: Podman's events, and the folder of receipts.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::events::{Change, Changes, parse};
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{HostExecutor, Lines, Stream};
use crate::model::command::Command;
use crate::model::types::ContainerId;

/// The first and the longest pause before `podman events` is started again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A stream that lasted this long resets the pause.
const LASTING: Duration = Duration::from_secs(60);

/// `podman events`, restarted whenever it ends.
#[derive(Debug)]
pub(super) struct Events {
    stream: Option<Stream>,
    began: Instant,
    next: Instant,
    pause: Duration,
    /// The failure reported last; reported again only after a lasting stream.
    reported: Option<String>,
}

/// New information from a source.
#[derive(Debug, Default)]
pub(super) struct SourceUpdate {
    /// Possible changes.
    pub(super) changed: Changes,
    /// A failure to report.
    pub(super) problem: Option<Error>,
}

impl Events {
    pub(super) fn new(now: Instant) -> Self {
        Self { stream: None, began: now, next: now, pause: PAUSE.0, reported: None }
    }

    /// Starts the stream if it is not running and is due. Earlier events were missed, so everything may have changed.
    ///
    /// Podman notices that its reader is gone only when it writes the next event. If this program is killed, `setpriv` makes
    /// the kernel end Podman.
    pub(super) fn start(&mut self, executor: &mut HostExecutor, now: Instant) -> SourceUpdate {
        if self.stream.is_some() || now < self.next {
            return SourceUpdate::default();
        }
        let events = ["setpriv", "--pdeathsig", "TERM", "podman", "events", "--format", "json"];
        match executor.stream(&Command::new(events)) {
            Ok(stream) => {
                (self.stream, self.began) = (Some(stream), now);
                SourceUpdate { changed: Changes::everything(), problem: None }
            }
            Err(error) => self.failed(error, now),
        }
    }

    /// Reads new events.
    pub(super) fn read(&mut self, now: Instant) -> SourceUpdate {
        let Some(stream) = &mut self.stream else { return SourceUpdate::default() };
        let Lines { lines, end } = stream.lines();
        let mut changed = Changes::default();
        for line in &lines {
            changed.add_event(parse(line));
        }
        match end {
            None => SourceUpdate { changed, problem: None },
            Some(error) => SourceUpdate { changed, ..self.failed(error, now) },
        }
    }

    fn failed(&mut self, error: Error, now: Instant) -> SourceUpdate {
        if self.stream.take().is_some() && now.saturating_duration_since(self.began) > LASTING {
            (self.pause, self.reported) = (PAUSE.0, None);
        }
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE.1);
        let text = error.to_line();
        let is_new = self.reported.as_ref() != Some(&text);
        self.reported = Some(text);
        let problem = Error::new(Kind::PodmanEvents, "Podman's events are unavailable").source(error);
        SourceUpdate { changed: Changes::default(), problem: is_new.then_some(problem) }
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// The time of the next start.
    pub(super) fn next(&self) -> Option<Instant> {
        self.stream.is_none().then_some(self.next)
    }
}

/// Watches for receipts that are written or removed.
pub(super) fn receipts(folder: &Path) -> Result<OwnedFd> {
    let failed = |errno: rustix::io::Errno| crate::error::io("watch", folder)(errno.into());
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
    let changes = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF;
    inotify::add_watch(&inotify, folder, changes | WatchFlags::ONLYDIR).map_err(failed)?;
    Ok(inotify)
}

/// The containers whose receipts were written or removed; `None` if the folder itself was removed.
pub(super) fn drain(inotify: &OwnedFd) -> Option<Changes> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut changed = Changes::default();
    while let Ok(event) = reader.next() {
        if event.events().intersects(ReadFlags::DELETE_SELF | ReadFlags::IGNORED) {
            return None;
        }
        if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            changed.add_event(Change::Unclear);
        }
        let name = event.file_name().and_then(|name| name.to_str().ok());
        let id = name.and_then(|name| name.split_once('@')).and_then(|(id, _)| ContainerId::parse(id).ok());
        changed.add_event(id.map_or(Change::Nothing, Change::Of));
    }
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipt_changes_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("receipts");
        assert!(receipts(&folder).is_err());
        std::fs::create_dir(&folder).unwrap();
        let inotify = receipts(&folder).unwrap();
        let is_readable = || {
            let mut fds = [rustix::event::PollFd::new(&inotify, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap()
                == 1
        };
        assert!(!is_readable());
        std::fs::write(folder.join("0123@eth0.json"), "x").unwrap();
        std::fs::write(folder.join(".new"), "x").unwrap();
        assert!(is_readable());
        let containers = [ContainerId::parse("0123").unwrap()].into();
        assert_eq!(drain(&inotify), Some(Changes { containers, ..Changes::default() }));
        assert!(!is_readable());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(is_readable() && drain(&inotify).is_none());
    }

    #[test]
    fn podman_events_are_restarted_with_backoff() {
        let mut executor = HostExecutor::new(Duration::from_secs(5));
        let now = Instant::now();
        let mut events = Events::new(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let reported = events.failed(Error::new(Kind::Io, "x"), now).problem.is_some();
            assert_eq!(reported, pauses.is_empty(), "a failure is reported once");
            let pause = events.next().unwrap() - now;
            assert!(events.start(&mut executor, now + pause / 2).changed.is_nothing(), "not yet");
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }
}
