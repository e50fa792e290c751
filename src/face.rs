//! What the faces share: bounded input, and the way from a configuration's path to an engine.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::config::{self, Config, DEFAULT_PATH};
use crate::engine::Engine;
use crate::error::line::steers;
use crate::error::{Error, Kind, Result};
use crate::log::Log;
use crate::types::shown;

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

/// Writes one line to standard output; a reader that went away is nobody's fault.
pub fn write_line(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Where the configuration lies, as a network's field `config` says; absent, in its usual place.
pub fn config_path(text: Option<&str>) -> Result<PathBuf> {
    let text = text.unwrap_or(DEFAULT_PATH);
    let leaves = text.split('/').any(|part| part == "..");
    if text.starts_with('/') && text.len() <= 512 && !text.contains(steers) && !leaves {
        return Ok(PathBuf::from(text));
    }
    let what = format!(
        "config: \"{}\" is no absolute path of at most 512 printable characters without ..",
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
        Ok(config) => named(config, path, name)?,
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

/// `config`, unless the runtime calls its network by another name.
fn named(config: Config, path: &Path, name: &str) -> Result<Config> {
    let network = &config.network;
    if network.as_str() == name {
        return Ok(config);
    }
    let what =
        format!("the runtime calls this network \"{}\", {} calls it {network}", shown(name), path.display());
    Err(Error::new(Kind::NetworkName, what)
        .remedy("Give both the same name; `flatnet init` writes a conflist that was removed anew"))
}
