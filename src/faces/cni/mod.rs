//! The CNI plugin: <https://www.cni.dev/docs/spec/>, versions 0.1.0 to 1.1.0.
//!
//! Environment and standard input become a [`Call`]; the answer goes to standard output,
//! and so does an error, in the protocol's own JSON.

mod arguments;
mod call;
mod conf;
#[cfg(test)]
mod hostile;
mod result;
mod version;

use std::fmt::Write as _;

use serde_json::{Value, json};

pub use arguments::Environment;
pub use call::Call;
pub(crate) use conf::host_ip;
pub use version::{SUPPORTED, Version};

use call::Verb;

use crate::error::line::{one_line, shortened};
use crate::error::{Error, Kind, Result};
use crate::faces::plugin;
use crate::faces::rootless::client;
use crate::faces::rootless::message::Check;
use crate::kernel::execute::CommandFailure;
use crate::kernel::observe::netns::Netns;
use crate::model::types::NetworkName;

/// The length limit of each part of an error's `details`, in characters.
const MAX_DETAIL: usize = 4096;

/// Handles this process's call: prints the answer or the error, returns the exit status.
#[must_use]
pub fn run() -> u8 {
    let environment = Environment::of(|name| std::env::var_os(name));
    let stdin = plugin::read_stdin();
    let (document, status) = match &stdin {
        Ok(stdin) => answer(&environment, stdin, carry_out),
        Err(error) => (Some(error_json(error, Version::default())), 1),
    };
    document.map_or(status, |document| plugin::end(&document, status))
}

/// Handles one call; returns the remaining output and the exit status. Only `carry_out`, which runs after
/// parsing, touches the host.
pub fn answer(
    environment: &Environment,
    stdin: &[u8],
    carry_out: impl FnOnce(Call) -> Result<()>,
) -> (Option<Value>, u8) {
    if environment.command().is_ok_and(|command| command == "VERSION") {
        return (Some(version::answer(stdin)), 0);
    }
    let mut version = Version::default();
    match Call::parse(environment, stdin, &mut version).and_then(carry_out) {
        Ok(()) => (None, 0),
        Err(error) => (Some(error_json(&error, version)), 1),
    }
}

/// Runs the call. ADD prints its own answer; the other verbs have none.
fn carry_out(call: Call) -> Result<()> {
    if client::is_needed() {
        return ask_service(call);
    }
    let Call { version, config, network, verb } = call;
    match verb {
        Verb::Add { request, previous } => {
            let mut engine = plugin::engine(&config, &network)?;
            engine
                .attach(&request, |attached| plugin::answer(&result::render(version, attached, previous)))?;
        }
        Verb::Del(id) => plugin::engine_to_detach(&config, &network)?.detach(&id)?,
        Verb::Check { id, netns, addresses } => {
            Netns::open(&netns)?;
            plugin::engine(&config, &network)?.check(&id, &addresses)?;
        }
        Verb::Gc { valid } => {
            let collected = plugin::engine(&config, &network)?.collect_all_but(&valid)?;
            let errors: Vec<String> = collected.errors.iter().map(Error::to_line).collect();
            if !errors.is_empty() {
                let what = format!("not everything could be freed: {}", errors.join("; "));
                return Err(Error::new(Kind::NotUndone, what));
            }
        }
        Verb::Status => {
            let unavailable =
                |error: Error| Error::new(Kind::Unavailable, "ADD is unavailable").source(error);
            plugin::engine(&config, &network).map_err(unavailable)?.status()?;
        }
    }
    Ok(())
}

/// Lets root's service do it for a user.
fn ask_service(call: Call) -> Result<()> {
    let network: NetworkName = call.network.parse()?;
    match call.verb {
        Verb::Add { request, previous } => client::attach(network, &request, |attached| {
            plugin::answer(&result::render(call.version, attached, previous))
        }),
        Verb::Del(id) => client::detach(network, id),
        Verb::Check { id, addresses, .. } => client::check(network, Check { id, addresses }),
        Verb::Gc { .. } => Err(Error::new(Kind::Unsupported, "GC by a user is not supported")
            .remedy("Flatnet frees what ended without DEL by itself, each hour")),
        Verb::Status => client::status(network),
    }
}

/// An error in the specification's format. Podman prints only `msg`, so it contains everything; `details` has more.
fn error_json(error: &Error, version: Version) -> Value {
    json!({
        "cniVersion": version.as_str(),
        "code": error.kind().cni_code(),
        "msg": error.to_line(),
        "details": details(error),
    })
}

/// A pointer to the explanation, and what `msg` truncated.
fn details(error: &Error) -> String {
    let mut details = format!("`flatnet explain {}` tells more", error.kind().code());
    if let Some(full) = error.in_full() {
        let _ = write!(details, "; in full: {}", shortened(&full, MAX_DETAIL));
    }
    if let Some(failure) = CommandFailure::of(error).filter(|failure| failure.more_than_first_lines()) {
        let stderr: Vec<String> = failure.stderr.lines().map(one_line).collect();
        let _ = write!(details, "; stderr was: {}", shortened(&stderr.join("\n"), MAX_DETAIL));
    }
    details
}
