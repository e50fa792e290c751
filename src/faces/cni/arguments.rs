//! The `CNI_*` environment variables.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};
use crate::model::request;
use crate::model::types::{AttachmentId, ContainerName, Mac, NetnsPath, shown};

/// The environment; each variable is read when a verb needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    command: OsString,
    container_id: OsString,
    if_name: OsString,
    netns: OsString,
    arguments: OsString,
}

/// The keys of `CNI_ARGS` that Flatnet uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// `K8S_POD_NAME`, in which Podman passes the name of the container or pod.
    pub(super) name: Option<ContainerName>,
    /// `IP`.
    pub(super) ip: Option<IpAddr>,
    /// `MAC`.
    pub(super) mac: Option<Mac>,
}

impl Environment {
    /// Reads with `variable`; an empty value counts as unset.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name| variable(name).unwrap_or_default();
        Self {
            command: variable("CNI_COMMAND"),
            container_id: variable("CNI_CONTAINERID"),
            if_name: variable("CNI_IFNAME"),
            netns: variable("CNI_NETNS"),
            arguments: variable("CNI_ARGS"),
        }
    }

    /// The verb.
    pub(super) fn command(&self) -> Result<&str> {
        text("CNI_COMMAND", &self.command)
    }

    /// The attachment, for a verb that needs no namespace.
    pub(super) fn attachment(&self) -> Result<AttachmentId> {
        refuse_missing(&[("CNI_CONTAINERID", &self.container_id), ("CNI_IFNAME", &self.if_name)])?;
        Ok(AttachmentId {
            container_id: parsed("CNI_CONTAINERID", &self.container_id)?,
            if_name: parsed("CNI_IFNAME", &self.if_name)?,
        })
    }

    /// The attachment and its namespace.
    pub(super) fn attachment_in_netns(&self) -> Result<(AttachmentId, NetnsPath)> {
        refuse_missing(&[
            ("CNI_CONTAINERID", &self.container_id),
            ("CNI_NETNS", &self.netns),
            ("CNI_IFNAME", &self.if_name),
        ])?;
        let netns = parsed("CNI_NETNS", &self.netns)?;
        Ok((self.attachment()?, netns))
    }

    /// `CNI_ARGS`. Only ADD reads it: an invalid value must not keep DEL from cleaning up.
    pub(super) fn arguments(&self) -> Result<Arguments> {
        Arguments::parse(text("CNI_ARGS", &self.arguments)?)
    }
}

fn text<'a>(name: &str, value: &'a OsStr) -> Result<&'a str> {
    value.to_str().ok_or_else(|| Error::new(Kind::Environment, format!("{name} is not UTF-8")))
}

fn parsed<T: FromStr<Err = Error>>(name: &str, value: &OsStr) -> Result<T> {
    text(name, value)?.parse().map_err(|error| environment(name, &error))
}

/// The error names every missing variable.
fn refuse_missing(variables: &[(&str, &OsString)]) -> Result<()> {
    let missing: Vec<&str> =
        variables.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Environment, format!("{} must be set", missing.join(" and "))))
}

impl Arguments {
    /// Parses `KEY=VALUE;KEY=VALUE`. An unknown key is an error, unless `IgnoreUnknown=1` (or `true`) is given.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut arguments = Self::default();
        let mut unknown = Vec::new();
        let mut ignore_unknown = false;
        for pair in text.split(';').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                Error::new(Kind::Environment, format!("CNI_ARGS: \"{}\" is not KEY=VALUE", shown(pair)))
            })?;
            match key {
                "IgnoreUnknown" => ignore_unknown = ["1", "t", "T", "true", "TRUE", "True"].contains(&value),
                "K8S_POD_NAME" if value.is_empty() => {}
                "K8S_POD_NAME" => {
                    arguments.name = Some(value.parse().map_err(|error| environment("CNI_ARGS", &error))?);
                }
                "IP" => {
                    arguments.ip =
                        Some(request::address(value).map_err(|error| environment("CNI_ARGS: IP", &error))?);
                }
                "MAC" => {
                    arguments.mac = Some(value.parse().map_err(|error| environment("CNI_ARGS", &error))?);
                }
                _ => unknown.push(shown(key)),
            }
        }
        if unknown.is_empty() || ignore_unknown {
            return Ok(arguments);
        }
        Err(Error::new(Kind::Environment, format!("CNI_ARGS: unknown key {}", unknown.join(", ")))
            .remedy("Add IgnoreUnknown=1 to ignore unknown keys"))
    }
}

fn environment(variable: &str, error: &Error) -> Error {
    Error::new(Kind::Environment, format!("{variable}: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_arguments_are_parsed() {
        let parsed =
            Arguments::parse("IgnoreUnknown=1;K8S_POD_NAME=web;X=y;IP=10.87.1.9;MAC=02:00:00:00:00:01")
                .unwrap();
        assert_eq!(parsed.name.unwrap().as_str(), "web");
        assert_eq!(parsed.ip, Some(IpAddr::from([10, 87, 1, 9])));
        assert_eq!(parsed.mac.unwrap().to_string(), "02:00:00:00:00:01");
    }

    #[test]
    fn unknown_or_malformed_argument_is_code_4() {
        for text in ["X=y", "IP", "IP=10.87.1.999", "MAC=zz", "K8S_POD_NAME=a b"] {
            assert_eq!(Arguments::parse(text).unwrap_err().kind().cni_code(), 4, "{text}");
        }
    }
}
