//! The signals that end a command that runs until it is stopped.

use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Kind, Result};

/// A socket that becomes readable on SIGTERM or SIGINT.
pub(super) fn signals() -> Result<UnixStream> {
    let failed = |cause| Error::new(Kind::Internal, "cannot wait for signals").source(cause);
    let (stop, signalled) = UnixStream::pair().map_err(failed)?;
    for signal in [SIGTERM, SIGINT] {
        let signalled = signalled.try_clone().map_err(failed)?;
        signal_hook::low_level::pipe::register(signal, signalled).map_err(failed)?;
    }
    Ok(stop)
}
