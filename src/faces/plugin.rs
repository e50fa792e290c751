//! What both plugin faces share: bounded input, output, and opening an engine by a configuration's path.

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

/// The size limit of standard input.
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

/// Writes a one-line answer to standard output.
pub fn answer(document: &Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{document}").and_then(|()| stdout.flush());
    let written = if is_closed(&stdout) { Err(Errno::BADF.into()) } else { written };
    written.map_err(|cause| Error::new(Kind::Unheard, "the answer cannot be written").source(cause))
}

/// Whether standard output was closed when this process began. Rust then opens `/dev/null` in its place for reading and
/// writing; a caller that wants no output opens it for writing only.
fn is_closed(stdout: &impl AsFd) -> bool {
    let is_null = || {
        let found = rustix::fs::fstat(stdout).ok()?;
        let null = std::fs::metadata("/dev/null").ok()?;
        Some(found.st_rdev == null.rdev())
    };
    let flags = rustix::fs::fcntl_getfl(stdout);
    flags.is_ok_and(|flags| flags.contains(OFlags::RDWR)) && is_null() == Some(true)
}

/// Writes the final answer and returns the exit status. If standard output fails, writes to standard error.
#[must_use]
pub fn end(document: &Value, status: u8) -> u8 {
    let Err(lost) = answer(document) else { return status };
    let _ = writeln!(std::io::stderr(), "flatnet: {}; it was {document}", lost.to_line());
    1
}

/// The path of the configuration: the network's field `config`, or the default.
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

/// The engine of the network `name`, with the configuration at `path`.
pub fn engine(path: &Path, name: &str) -> Result<Engine> {
    let config = named(config::load(path)?, path, name)?;
    let log = Log::new(&config.paths.log);
    Engine::open(config, log)
}

/// The same for detaching, which must work while the configuration is being edited: a runtime asks only once.
/// State is then looked up at its default path; what is not found there is freed by the next ADD or `flatnet
/// gc`.
pub fn engine_to_detach(path: &Path, name: &str) -> Result<Engine> {
    let config = match config::load(path) {
        Ok(config) => renamed(config, path, name)?,
        Err(error) => {
            let config = Config { network: name.parse()?, ..Config::default() };
            Log::new(&config.paths.log)
                .warn(&format!("detaching without the configuration: {}", error.to_line()));
            config
        }
    };
    let log = Log::new(&config.paths.log);
    Engine::open_to_detach(config, log)
}

/// The same for a network that was renamed while containers were attached: their state is under the old name.
fn renamed(config: Config, path: &Path, name: &str) -> Result<Config> {
    let attached_by = name.parse().ok().filter(|network: &NetworkName| {
        *network != config.network && config.paths.state.join(network.as_str()).is_dir()
    });
    let Some(network) = attached_by else { return named(config, path, name) };
    let log = Log::new(&config.paths.log);
    log.warn(&format!("detaching from {network}, which {} calls {} now", path.display(), config.network));
    Ok(Config { network, ..config })
}

/// `config`, if the runtime uses its network's name.
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
