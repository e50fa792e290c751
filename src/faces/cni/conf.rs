//! The network configuration on standard input.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Version;
use super::arguments::Arguments;
use super::result::Previous;
use crate::error::{self, Error, Kind, Result};
use crate::faces::plugin;
use crate::model::request;
use crate::model::types::{AttachmentId, ContainerName, Mac, PortMapping, shown};

/// The fields of the network configuration that this plugin reads.
#[derive(Debug)]
pub(super) struct Conf {
    /// `cniVersion`.
    pub(super) version: Version,
    /// `name`.
    pub(super) name: String,
    /// `config`: Flatnet's own key, the path of its configuration.
    pub(super) config: PathBuf,
    raw: Value,
}

/// The spelling of CNI's conventions, and that of containerd's CRI, in capitals.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    #[serde(alias = "HostPort")]
    host_port: u16,
    #[serde(alias = "ContainerPort")]
    container_port: u16,
    #[serde(default, alias = "Protocol")]
    protocol: String,
    #[serde(default, rename = "hostIP", alias = "HostIP")]
    host_ip: String,
}

#[derive(Deserialize)]
struct RawAttachment {
    #[serde(rename = "containerID")]
    container_id: String,
    ifname: String,
}

impl Conf {
    /// Parses standard input; sets `version` as soon as it is known.
    pub(super) fn parse(stdin: &[u8], version: &mut Version) -> Result<Self> {
        let raw: Value = serde_json::from_slice(stdin).map_err(|cause| {
            Error::new(Kind::Decode, "the network configuration on standard input is not JSON")
                .source(error::parser_says(&cause))
        })?;
        let text = |key: &str| match raw.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Error::new(
                Kind::Decode,
                format!("the network configuration's field {key} is not a string"),
            )),
        };
        if !raw.is_object() {
            return Err(Error::new(
                Kind::Decode,
                "the network configuration on standard input is not a JSON object",
            ));
        }
        *version = Version::parse(text("cniVersion")?)?;
        let name = text("name")?.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?.to_owned();
        let config = plugin::config_path(text("config")?)?;
        Ok(Self { version: *version, name, config, raw })
    }

    /// A field of `runtimeConfig`; null counts as absent.
    fn runtime<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.raw.pointer(&format!("/runtimeConfig/{key}")) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone()).map(Some).map_err(|cause| {
                Error::new(Kind::Decode, format!("runtimeConfig.{key} cannot be read"))
                    .source(error::parser_says(&cause))
            }),
        }
    }

    /// The container's other names on this network; Podman sends a map by network.
    pub(super) fn aliases(&self) -> Result<Vec<ContainerName>> {
        let mut all: BTreeMap<String, Option<Vec<String>>> = self.runtime("aliases")?.unwrap_or_default();
        let own = all.remove(&self.name).flatten().unwrap_or_default();
        request::aliases(&own)
    }

    /// The requested addresses, from `runtimeConfig.ips`, `CNI_ARGS` or `args.cni.ips`.
    pub(super) fn requested_ips(&self, arguments: &Arguments) -> Result<Vec<IpAddr>> {
        let runtime: Vec<String> = self.runtime("ips")?.unwrap_or_default();
        let args = self.raw.pointer("/args/cni/ips").and_then(Value::as_array).into_iter().flatten();
        let texts = runtime.iter().map(String::as_str).chain(args.filter_map(Value::as_str));
        arguments.ip.map(Ok).into_iter().chain(texts.map(request::address)).collect()
    }

    /// The requested MAC, from `runtimeConfig.mac`, `CNI_ARGS` or `args.cni.mac`.
    pub(super) fn requested_mac(&self, arguments: &Arguments) -> Result<Option<Mac>> {
        if let Some(mac) = self.runtime::<Mac>("mac")? {
            return Ok(Some(mac));
        }
        match self.raw.pointer("/args/cni/mac").and_then(Value::as_str) {
            Some(text) => text.parse().map(Some),
            None => Ok(arguments.mac),
        }
    }

    /// The published ports. IPv6 host addresses are rejected, since nothing would answer there.
    pub(super) fn port_mappings(&self) -> Result<Vec<PortMapping>> {
        let raw: Vec<RawPort> = self.runtime("portMappings")?.unwrap_or_default();
        raw.iter().filter(|port| port.host_port != 0).map(port_mapping).collect()
    }

    /// `prevResult`, in the format of [`Conf::version`].
    pub(super) fn previous(&self) -> Result<Option<Previous>> {
        match self.raw.get("prevResult") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Previous::parse(value, self.version).map(Some),
        }
    }

    /// `cni.dev/valid-attachments`. It is required, since without it GC would remove everything. Entries that Flatnet
    /// could not have attached are skipped.
    pub(super) fn valid_attachments(&self) -> Result<BTreeSet<AttachmentId>> {
        const KEY: &str = "cni.dev/valid-attachments";
        let value = self.raw.get(KEY).ok_or_else(|| missing(KEY))?;
        let all: Option<Vec<RawAttachment>> = serde_json::from_value(value.clone()).map_err(|cause| {
            Error::new(Kind::Decode, format!("{KEY} cannot be read")).source(error::parser_says(&cause))
        })?;
        let id = |raw: RawAttachment| {
            Some(AttachmentId {
                container_id: raw.container_id.parse().ok()?,
                if_name: raw.ifname.parse().ok()?,
            })
        };
        Ok(all.unwrap_or_default().into_iter().filter_map(id).collect())
    }
}

fn port_mapping(raw: &RawPort) -> Result<PortMapping> {
    if raw.container_port == 0 {
        return Err(Error::new(
            Kind::BadValue,
            format!("host port {} is published to container port 0", raw.host_port),
        ));
    }
    Ok(PortMapping {
        protocol: if raw.protocol.is_empty() {
            crate::model::types::Protocol::Tcp
        } else {
            raw.protocol.parse()?
        },
        host_ip: host_ip(&raw.host_ip)?,
        host_port: raw.host_port,
        container_port: raw.container_port,
    })
}

/// The host address of a published port; empty means every address.
pub(crate) fn host_ip(text: &str) -> Result<Option<IpAddr>> {
    if text.is_empty() {
        return Ok(None);
    }
    let address: IpAddr = text.parse().map_err(|_| {
        Error::new(Kind::Unsupported, format!("a port cannot be published at \"{}\"", shown(text)))
            .remedy("Use an address of this host, or no address")
    })?;
    if address == Ipv6Addr::LOCALHOST {
        return Err(Error::new(
            Kind::Unsupported,
            "a port cannot be published at ::1, which is valid on no link",
        )
        .remedy("Use 127.0.0.1, or no address"));
    }
    Ok(Some(address))
}

fn missing(key: &str) -> Error {
    Error::new(Kind::Conflist, format!("the network configuration has no field {key}"))
}
