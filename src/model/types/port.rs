//! Published ports.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::are_of_one_family;
use super::pattern::bad;
use crate::error::{Error, Result};

/// A transport protocol whose ports can be published.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "tcp" | "TCP" => Ok(Self::Tcp),
            "udp" | "UDP" => Ok(Self::Udp),
            "sctp" | "SCTP" => Ok(Self::Sctp),
            _ => Err(bad("protocol", text, "it must be tcp, udp or sctp")),
        }
    }
}

/// One port of this host that leads to a container: `podman run -p [HOST_IP:]HOST_PORT:CONTAINER_PORT/PROTOCOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// tcp, udp or sctp.
    pub protocol: Protocol,
    /// The host address; `None`: every address of the host. Unspecified: every address of its family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// The port on the host, not 0.
    pub host_port: u16,
    /// The port in the container, not 0.
    pub container_port: u16,
}

impl PortMapping {
    /// Whether some packet matches both: a port at every address conflicts with the port at each.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        let at_one_address = match (self.host_ip, other.host_ip) {
            (Some(one), Some(other)) => {
                let is_every = one.is_unspecified() || other.is_unspecified();
                one == other || is_every && are_of_one_family(one, other)
            }
            _ => true,
        };
        self.protocol == other.protocol && self.host_port == other.host_port && at_one_address
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            None => {}
            Some(address @ IpAddr::V4(_)) => write!(f, "{address}:")?,
            Some(address @ IpAddr::V6(_)) => write!(f, "[{address}]:")?,
        }
        write!(f, "{}->{}/{}", self.host_port, self.container_port, self.protocol)
    }
}
