//! The CNI plugin: <https://www.cni.dev/docs/spec/>, versions 0.1.0 to 1.1.0.
//!
//! Environment and standard input become a [`Request`]; the answer goes to standard output,
//! and so does an error, in the protocol's own JSON.

mod arguments;
mod conf;
#[cfg(test)]
mod hostile;
mod result;
mod version;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

pub(crate) use conf::host_ip;
pub use version::{SUPPORTED, Version};

use crate::error::line::{one_line, shortened};
use crate::error::{Error, Kind, Result};
use crate::execute::CommandFailure;
use crate::face;
use crate::request::Request;

use arguments::Environment;
use conf::Conf;

/// Characters of each part of an error's `details`.
const MAX_DETAIL: usize = 4096;

/// Answers one call. Prints the answer, or the error; returns the exit status.
#[must_use]
pub fn run() -> u8 {
    let mut version = Version::default();
    match answer(&mut version) {
        Ok(answer) => {
            if let Some(answer) = answer {
                face::write_line(&answer.to_string());
            }
            0
        }
        Err(error) => {
            face::write_line(&error_json(&error, version).to_string());
            1
        }
    }
}

/// `version` is set as soon as the input tells it, so that an error can bear it too.
fn answer(version: &mut Version) -> Result<Option<Value>> {
    let command = std::env::var("CNI_COMMAND").unwrap_or_default();
    let stdin = face::read_stdin()?;
    if command == "VERSION" {
        return Ok(Some(version::answer(&stdin)));
    }
    let conf = Conf::parse(&stdin, version)?;
    let environment = Environment::read()?;
    match command.as_str() {
        "ADD" => add(&conf, &environment).map(Some),
        "DEL" => del(&conf, &environment).map(|()| None),
        "CHECK" => check(&conf, &environment).map(|()| None),
        "GC" => gc(&conf).map(|()| None),
        "STATUS" => status(&conf).map(|()| None),
        _ => Err(Error::new(
            Kind::Environment,
            format!(
                "CNI_COMMAND is \"{}\", and none of ADD, DEL, CHECK, GC, STATUS, VERSION",
                crate::types::shown(&command)
            ),
        )),
    }
}

fn add(conf: &Conf, environment: &Environment) -> Result<Value> {
    let (id, netns) = environment.attachment_in_netns()?;
    let arguments = environment.arguments()?;
    let request = Request {
        id,
        netns,
        aliases: conf.aliases()?,
        ip: conf.requested_ip(&arguments)?,
        mac: conf.requested_mac(&arguments)?,
        name: arguments.name,
        ports: conf.port_mappings()?,
    };
    let previous = conf.previous()?;
    let mut engine = face::engine(&conf.config, &conf.name)?;
    let attached = engine.attach(&request)?;
    Ok(result::render(conf.version, &attached, &engine.config.dns, previous))
}

fn del(conf: &Conf, environment: &Environment) -> Result<()> {
    let id = environment.attachment()?;
    face::engine_to_detach(&conf.config, &conf.name)?.detach(&id)
}

fn check(conf: &Conf, environment: &Environment) -> Result<()> {
    conf.version.require(Version::V0_4_0, "CHECK")?;
    let (id, netns) = environment.attachment_in_netns()?;
    let Some(previous) = conf.previous()? else {
        return Err(Error::new(Kind::Conflist, "CHECK needs the field prevResult, with the result of ADD"));
    };
    crate::observe::netns::Netns::open(&netns)?;
    let addresses: Vec<Ipv4Addr> = previous.addresses(&id.if_name);
    face::engine(&conf.config, &conf.name)?.check(&id, &addresses)
}

fn gc(conf: &Conf) -> Result<()> {
    conf.version.require(Version::V1_1_0, "GC")?;
    let valid: BTreeSet<_> = conf.valid_attachments()?;
    let collected = face::engine(&conf.config, &conf.name)?.collect_all_but(&valid)?;
    let errors: Vec<String> = collected.errors.iter().map(Error::whole).collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::NotUndone, format!("not all could be collected: {}", errors.join("; "))))
}

fn status(conf: &Conf) -> Result<()> {
    conf.version.require(Version::V1_1_0, "STATUS")?;
    let unavailable = |error: Error| Error::new(Kind::Unavailable, "ADD could not work now").source(error);
    face::engine(&conf.config, &conf.name).map_err(unavailable)?.status()
}

/// An error as the specification has it. Podman shows `msg`, so that says all; `details` where there is more to read.
fn error_json(error: &Error, version: Version) -> Value {
    json!({
        "cniVersion": version.as_str(),
        "code": error.kind().cni_code(),
        "msg": error.whole(),
        "details": details(error),
    })
}

/// Where to read on, and all of what `msg` had to cut short.
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
