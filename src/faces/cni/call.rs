//! Parses environment and standard input. Nothing is observed, changed or started here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use super::Version;
use super::arguments::Environment;
use super::conf::Conf;
use super::result::Previous;
use crate::error::{Error, Kind, Result};
use crate::model::request::Request;
use crate::model::types::{AttachmentId, Caller, NetnsPath, shown};

/// A parsed call.
#[derive(Debug)]
pub struct Call {
    pub(super) version: Version,
    /// The path of the configuration.
    pub(super) config: PathBuf,
    /// The network's name by the runtime.
    pub(super) network: String,
    pub(super) verb: Verb,
}

/// The verb with its arguments.
#[derive(Debug)]
pub(super) enum Verb {
    Add { request: Request, previous: Option<Previous> },
    Del(AttachmentId),
    Check { id: AttachmentId, netns: NetnsPath, addresses: Vec<IpAddr> },
    Gc { valid: BTreeSet<AttachmentId> },
    Status,
}

impl Call {
    /// `version` is set as soon as it is known, so that an error can use it.
    pub(super) fn parse(environment: &Environment, stdin: &[u8], version: &mut Version) -> Result<Self> {
        let conf = Conf::parse(stdin, version)?;
        let verb = match environment.command()? {
            "ADD" => add(&conf, environment)?,
            "DEL" => Verb::Del(environment.attachment()?),
            "CHECK" => check(&conf, environment)?,
            "GC" => {
                conf.version.require(Version::V1_1_0, "GC")?;
                Verb::Gc { valid: conf.valid_attachments()? }
            }
            "STATUS" => {
                conf.version.require(Version::V1_1_0, "STATUS")?;
                Verb::Status
            }
            other => {
                let what = format!(
                    "CNI_COMMAND \"{}\" is invalid; expected ADD, DEL, CHECK, GC, STATUS or VERSION",
                    shown(other)
                );
                return Err(Error::new(Kind::Environment, what));
            }
        };
        Ok(Self { version: conf.version, config: conf.config, network: conf.name, verb })
    }
}

fn add(conf: &Conf, environment: &Environment) -> Result<Verb> {
    let (id, netns) = environment.attachment_in_netns()?;
    let arguments = environment.arguments()?;
    let request = Request {
        id,
        netns,
        aliases: conf.aliases()?,
        ips: conf.requested_ips(&arguments)?,
        mac: conf.requested_mac(&arguments)?,
        name: arguments.name,
        ports: conf.port_mappings()?,
        caller: Caller::Root,
        most: None,
    };
    Ok(Verb::Add { request, previous: conf.previous()? })
}

fn check(conf: &Conf, environment: &Environment) -> Result<Verb> {
    conf.version.require(Version::V0_4_0, "CHECK")?;
    let (id, netns) = environment.attachment_in_netns()?;
    let Some(previous) = conf.previous()? else {
        return Err(Error::new(
            Kind::Conflist,
            "CHECK requires the field prevResult, which holds the result of ADD",
        ));
    };
    let addresses = previous.addresses(&id.if_name);
    Ok(Verb::Check { id, netns, addresses })
}
