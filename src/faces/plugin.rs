//! What the faces share: bounded input, and the way from a configuration's path to an engine.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde_json::Value;

use crate::engine::Engine;
use crate::error::line::steers;
use crate::error::{Error, Kind, Result};
use crate::log::Log;
use crate::model::config::{self, Config, DEFAULT_PATH};
use crate::model::types::{NetworkName, shown};

/// Bytes that a runtime may send.
const MAX_STDIN: u64 = 1 << 20;

/// All of standard input, up to 1 MiB.
pub fn read_stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let failed = |cause| Error::new(Kind::Io, "standard input cannot be read").source(cause);
    std::io::stdin().lock().take(MAX_STDIN + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_STDIN) {
        return Err(Error::new(Kind::Decode, format!("standard input holds more than {MAX_STDIN} bytes")));
    }
    Ok(bytes)
}

/// Writes an answer, one line, to standard output.
pub fn answer(told: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{told}").and_then(|()| stdout.flush());
    let written = if is_closed(&stdout) { Err(Errno::BADF.into()) } else { written };
    written.map_err(|cause| Error::new(Kind::Unheard, "the answer cannot be written").source(cause))
}

/// Whether standard output was closed when this process began: then Rust has put `/dev/null` there, open for both ways. A
/// caller who wants no answer gives one that is open for writing.
fn is_closed(stdout: &impl AsFd) -> bool {
    let is_null = || {
        let found = rustix::fs::fstat(stdout).ok()?;
        let null = std::fs::metadata("/dev/null").ok()?;
        Some(found.st_rdev == null.rdev())
    };
    let flags = rustix::fs::fcntl_getfl(stdout);
    flags.is_ok_and(|flags| flags.contains(OFlags::RDWR)) && is_null() == Some(true)
}

/// Answers at the end; returns the exit status. What cannot be said on standard output is said on standard error.
#[must_use]
pub fn end(told: &Value, status: u8) -> u8 {
    let Err(lost) = answer(told) else { return status };
    let _ = writeln!(std::io::stderr(), "flatnet: {}; it was {told}", lost.whole());
    1
}

/// Where the configuration lies, as a network's field `config` says; absent, in its usual place.
pub fn config_path(text: Option<&str>) -> Result<PathBuf> {
    let text = text.unwrap_or(DEFAULT_PATH);
    let leaves = text.split('/').any(|part| part == "..");
    if text.starts_with('/') && text.len() <= 512 && !text.contains(steers) && !leaves {
        return Ok(PathBuf::from(text));
    }
    let what = format!(
        "config: \"{}\" is not an absolute path of at most 512 printable characters without ..",
        shown(text)
    );
    Err(Error::new(Kind::Conflist, what)
        .remedy(format!("Write {DEFAULT_PATH} in the network's configuration")))
}

/// The engine of the network `name`, as the configuration at `path` has it.
pub fn engine(path: &Path, name: &str) -> Result<Engine> {
    let config = named(config::load(path)?, path, name)?;
    let log = Log::new(&config.paths.log);
    Engine::open(config, log)
}

/// The same to detach by, which must work while somebody edits the configuration: a runtime asks only once. State is
/// then looked for in its usual place; what is not found there, the next ADD or `flatnet gc` frees.
pub fn engine_to_detach(path: &Path, name: &str) -> Result<Engine> {
    let config = match config::load(path) {
        Ok(config) => renamed(config, path, name)?,
        Err(error) => {
            let config = Config { network: name.parse()?, ..Config::default() };
            Log::new(&config.paths.log)
                .warn(&format!("detaching without the configuration: {}", error.whole()));
            config
        }
    };
    let log = Log::new(&config.paths.log);
    Engine::open_to_detach(config, log)
}

/// The same for a network whose name was changed while containers were attached: what they have is in the state of the
/// name that they were attached by.
fn renamed(config: Config, path: &Path, name: &str) -> Result<Config> {
    let attached_by = name.parse().ok().filter(|network: &NetworkName| {
        *network != config.network && config.paths.state.join(network.as_str()).is_dir()
    });
    let Some(network) = attached_by else { return named(config, path, name) };
    let log = Log::new(&config.paths.log);
    log.warn(&format!("detaching from {network}, which {} calls {} now", path.display(), config.network));
    Ok(Config { network, ..config })
}

/// `config`, unless the runtime calls its network by another name.
fn named(config: Config, path: &Path, name: &str) -> Result<Config> {
    let network = &config.network;
    if network.as_str() == name {
        return Ok(config);
    }
    let what = format!(
        "network name mismatch: \"{}\" from the runtime, {network} in {}",
        shown(name),
        path.display()
    );
    Err(Error::new(Kind::NetworkName, what)
        .remedy("Use the same name in both; to regenerate the conflist, delete it and run `flatnet init`"))
}
