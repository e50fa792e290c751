//! What goes through the socket: one JSON document in each direction.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Remedy, Result, parser_says};
use crate::model::request::Attached;
use crate::model::types::{AttachmentId, ContainerName, NetnsPath, NetworkName, shown};

/// The version of the protocol.
const VERSION: u32 = 1;
/// What to do about a request that cannot be read.
pub(super) const SAME: &str = "Let the user's Podman call the same version of Flatnet as root's";
/// The longest document, in bytes.
pub const LONGEST: usize = 64 << 10;

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    version: u32,
    /// The network.
    pub network: NetworkName,
    /// What to do.
    pub call: Call,
}

/// What to do. IDs and names are as the user's Podman has them; the service adds whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Attach a container.
    Attach(Attach),
    /// Detach a container.
    Detach(AttachmentId),
    /// Report whether a container is attached with these addresses.
    Check(Check),
    /// Report whether [`Call::Attach`] would work.
    Status,
}

/// A container to attach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The container and its interface.
    pub id: AttachmentId,
    /// What the user's runtime calls the network namespace.
    pub netns: NetnsPath,
    /// By which number the process that asks has it open.
    pub descriptor: u32,
    /// The container's name.
    pub name: Option<ContainerName>,
    /// Other names of the container on this network.
    pub aliases: Vec<ContainerName>,
    /// The requested addresses.
    pub ips: Vec<IpAddr>,
}

/// What [`Call::Check`] compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The container and its interface.
    pub id: AttachmentId,
    /// The addresses that its runtime knows of.
    pub addresses: Vec<IpAddr>,
}

/// What the service answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The container is attached.
    Attached(Box<Attached>),
    /// It was done.
    Done,
    /// It was not done.
    Refused(Refusal),
}

/// An error of the service.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refusal {
    code: String,
    message: String,
    remedy: String,
}

impl Message {
    /// A message about `network`.
    #[must_use]
    pub fn new(network: NetworkName, call: Call) -> Self {
        Self { version: VERSION, network, call }
    }

    /// Parses a message, whoever sent it.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let failed = |cause| {
            Error::new(Kind::Decode, "the request is not one of Flatnet's")
                .source(parser_says(&cause))
                .remedy(SAME)
        };
        let message: Self = serde_json::from_slice(bytes).map_err(failed)?;
        if message.version == VERSION {
            return Ok(message);
        }
        let what = format!("the request has version {}, and this service knows {VERSION}", message.version);
        Err(Error::new(Kind::Decode, what).remedy(SAME))
    }
}

impl Refusal {
    /// What is said of `error`.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let causes: Vec<String> = std::iter::once(error.message().to_owned())
            .chain(error.causes())
            .chain(error.outcome_text().map(str::to_owned))
            .collect();
        Self { code: error.kind().code().to_owned(), message: causes.join(": "), remedy: error.advice() }
    }
}

impl From<Refusal> for Error {
    fn from(Refusal { code, message, remedy }: Refusal) -> Self {
        match Kind::of_code(&code) {
            Some(kind) => Self::new(kind, message).remedy(Remedy::from(remedy)),
            None => Self::new(
                Kind::NoService,
                format!("the service for rootless Podman sent an unknown error, {}: {message}", shown(&code)),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attach() -> Message {
        let id =
            AttachmentId { container_id: "0123456789ab".parse().unwrap(), if_name: "eth0".parse().unwrap() };
        let attach = Attach {
            id,
            netns: "/run/user/1001/netns/netns-1".parse().unwrap(),
            descriptor: 3,
            name: Some("web".parse().unwrap()),
            aliases: vec!["www".parse().unwrap()],
            ips: vec!["10.87.1.9".parse().unwrap()],
        };
        Message::new("flatnet".parse().unwrap(), Call::Attach(attach))
    }

    #[test]
    fn message_round_trips() {
        let text = serde_json::to_string(&attach()).unwrap();
        assert_eq!(
            text,
            r#"{"version":1,"network":"flatnet","call":{"attach":{"id":{"container_id":"0123456789ab","if_name":"eth0"},"netns":"/run/user/1001/netns/netns-1","descriptor":3,"name":"web","aliases":["www"],"ips":["10.87.1.9"]}}}"#
        );
        assert_eq!(Message::parse(text.as_bytes()).unwrap(), attach());
    }

    #[test]
    fn other_messages_are_refused() {
        let text = serde_json::to_string(&attach()).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"web\"", "\"../web\""),
            ("\"eth0\"", "\"eth0; reboot\""),
            ("/run/user", "/run/../user"),
            ("\"network\":", "\"config\":\"/home/alice/x.yaml\",\"network\":"),
            ("\"ips\"", "\"mac\":\"02:00:00:00:00:01\",\"ips\""),
            ("attach", "repair"),
        ] {
            assert_ne!(text.replace(from, to), text, "{from}");
            let refused = Message::parse(text.replace(from, to).as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), Kind::Decode, "{to}");
        }
    }

    #[test]
    fn error_arrives_as_it_was() {
        let sent = Error::new(Kind::PortTaken, "port 80").remedy("Take another one");
        let text = serde_json::to_string(&Answer::Refused(Refusal::of(&sent))).unwrap();
        let Answer::Refused(refusal) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        assert_eq!(Error::from(refusal).to_line(), sent.to_line());
    }
}
