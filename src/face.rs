//! What the faces share: bounded input, and the way from a configuration's path to an engine.

use std::io::{Read, Write};
use std::path::Path;

use crate::config::{self, Config};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::log::Log;

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

/// The engine of the network `name`, as the configuration at `path` has it.
pub fn engine(path: &Path, name: &str) -> Result<Engine> {
    let config = config::load(path)?;
    if config.network.as_str() != name {
        let network = &config.network;
        return Err(Error::new(
            Kind::NetworkName,
            format!(
                "the runtime calls this network \"{}\", {} calls it {network}",
                crate::types::shown(name),
                path.display()
            ),
        ));
    }
    open(config)
}

/// The same to detach by, which must work while somebody edits the configuration: a runtime asks only once. State is
/// then looked for in its usual place; what is not found there, the next ADD or `flatnet gc` frees.
pub fn engine_to_detach(path: &Path, name: &str) -> Result<Engine> {
    let Err(error) = config::load(path) else { return engine(path, name) };
    let config = Config { network: name.parse()?, ..Config::default() };
    Log::new(&config.paths.log).warn(&format!("detaching without the configuration: {}", error.whole()));
    open(config)
}

fn open(config: Config) -> Result<Engine> {
    let log = Log::new(&config.paths.log);
    Engine::open(config, log)
}
