//! What travels between a new host and the certificate authority: the host's request, and the invitation that answers it. Neither holds a
//! secret, and both come from elsewhere: every value in them has a type that is harmless wherever it is written.

use std::io::{ErrorKind, Read as _};
use std::net::Ipv4Addr;
use std::path::Path;

use domain::dep::octseq::Array;
use domain::utils::base64;
use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result, io, parser_says};
use crate::hex;
use crate::model::config::{OverlayKind, Peers};
use crate::model::types::{HostName, shown, string_newtype};

/// The size limit of a paper.
const MAX_BYTES: usize = 64 << 10;

/// What a new host sends to whoever signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The version of this format.
    pub flatnet_join_request: One,
    /// The host's name.
    pub host: HostName,
    /// By what other hosts know it. It refuses unknown fields.
    #[serde(flatten)]
    pub identity: Identity,
}

/// By what other hosts know a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Identity {
    /// With Nebula.
    Nebula {
        /// The public half of the host's key.
        public_key: Pem,
    },
    /// With VXLAN.
    Vxlan {
        /// The host's address in the LAN.
        address: Ipv4Addr,
    },
}

impl Identity {
    /// What carries packets between such hosts.
    #[must_use]
    pub fn kind(&self) -> OverlayKind {
        match self {
            Self::Nebula { .. } => OverlayKind::Nebula,
            Self::Vxlan { .. } => OverlayKind::Vxlan,
        }
    }
}

/// What a new host gets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The version of this format.
    pub flatnet_invitation: One,
    /// The host's name.
    pub host: HostName,
    /// The host's number.
    pub number: u16,
    /// The addresses of Flatnet on all hosts.
    pub range: Ipv4Net,
    /// The host's part of the range.
    pub subnet: Ipv4Net,
    /// The hosts' own addresses.
    pub network: Ipv4Net,
    /// What the host needs to find others. It refuses unknown fields.
    #[serde(flatten)]
    pub carrier: Carrier,
}

/// What carries packets between hosts, and what a host needs for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Carrier {
    /// Nebula.
    Nebula(Credentials),
    /// VXLAN: all hosts at the time.
    Vxlan(Peers),
}

impl Carrier {
    /// The value of `kind` in the configuration.
    #[must_use]
    pub fn kind(&self) -> OverlayKind {
        match self {
            Self::Nebula(_) => OverlayKind::Nebula,
            Self::Vxlan(_) => OverlayKind::Vxlan,
        }
    }
}

/// What a host needs for Nebula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Where hosts find one another.
    pub lighthouses: Vec<Lighthouse>,
    /// The fingerprints of certificates that no longer count.
    pub revoked: Vec<Fingerprint>,
    /// The authorities whose certificates count.
    pub ca: Pem,
    /// The host's certificate.
    pub certificate: Pem,
}

/// A lighthouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lighthouse {
    /// Its address in the overlay.
    pub address: Ipv4Addr,
    /// Where it listens.
    pub at: UdpEndpoint,
}

/// The version of a format: 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct One;

impl TryFrom<u32> for One {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number == 1 {
            Ok(Self)
        } else {
            Err(format!("version {number} is from a later Flatnet: update this one"))
        }
    }
}

impl From<One> for u32 {
    fn from(_: One) -> Self {
        1
    }
}

/// Nebula's certificates or a public key: PEM without headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem(String);

impl Pem {
    /// Checks `text`. A private key is not accepted: none may travel.
    pub fn parse(text: &str) -> Result<Self> {
        let is_body = |line: &str| {
            !line.is_empty()
                && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        };
        let is_edge = |line: &str| {
            let words =
                line.strip_prefix("-----BEGIN NEBULA ").or_else(|| line.strip_prefix("-----END NEBULA "));
            let words = words.and_then(|rest| rest.strip_suffix("-----")).unwrap_or_default();
            !words.is_empty()
                && !words.contains("PRIVATE")
                && words
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')
        };
        let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
        if lines.len() < 3 || !lines.iter().all(|line| is_edge(line) || is_body(line)) {
            // What is secret is not repeated.
            let what = if text.contains("PRIVATE") {
                "a private key is given where a public key or a certificate is needed".to_owned()
            } else {
                format!("\"{}\" is not a public key or certificate of Nebula", shown(text))
            };
            return Err(Error::new(Kind::BadValue, what));
        }
        Ok(Self(lines.join("\n") + "\n"))
    }
}

impl Pem {
    /// Whether all of `others` are among these.
    #[must_use]
    pub fn contains(&self, others: &Self) -> bool {
        others.blocks().all(|block| self.0.contains(&block))
    }

    /// These certificates, then those of `others` that are not among them.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        let new = others.blocks().filter(|block| !self.0.contains(block.as_str()));
        Self(std::iter::once(self.0.clone()).chain(new).collect())
    }

    /// Each certificate or key, with its edges.
    fn blocks(&self) -> impl Iterator<Item = String> + '_ {
        self.0
            .split_inclusive("-----\n")
            .collect::<Vec<_>>()
            .chunks(2)
            .map(<[&str]>::concat)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The key in hexadecimal digits, if it is one.
    #[must_use]
    pub fn key_digits(&self) -> Option<String> {
        let body: String = self.0.lines().filter(|line| !line.starts_with('-')).collect();
        let key: Array<32> = base64::decode(&body).ok()?;
        Some(hex::digits(key.as_ref()))
    }

    /// Whether it is one public key of the kind that hosts have.
    #[must_use]
    pub fn is_public_key(&self) -> bool {
        let text = self.0.as_str();
        text.starts_with("-----BEGIN NEBULA X25519 PUBLIC KEY-----\n")
            && text.matches("-----BEGIN ").count() == 1
    }
}

/// The SHA-256 of a certificate: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(
            Kind::BadValue,
            format!("\"{}\" is not a fingerprint: use 64 hexadecimal digits", shown(text)),
        ))
    }
}

/// A host and a port of UDP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UdpEndpoint(String);

impl UdpEndpoint {
    /// Checks `ADDRESS:PORT` or `NAME:PORT`.
    pub fn parse(text: &str) -> Result<Self> {
        let is_host = |host: &str| host.parse::<Ipv4Addr>().is_ok() || HostName::parse(host).is_ok();
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        match text.rsplit_once(':') {
            Some((host, port)) if is_host(host) && is_port(port) => Ok(Self(text.to_ascii_lowercase())),
            _ => Err(Error::new(
                Kind::BadValue,
                format!("\"{}\" is not an address and port such as 203.0.113.7:4242", shown(text)),
            )),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default()
    }
}

string_newtype!(Pem);
string_newtype!(UdpEndpoint);
string_newtype!(Fingerprint);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// A [`JoinRequest`].
    Request,
    /// An [`Invitation`].
    Invitation,
    /// The hosts of an overlay of kind `vxlan`.
    Hosts,
    /// Certificates of Nebula.
    Certificate,
    /// The record of an authority.
    Authority,
    /// A passphrase.
    Passphrase,
}

impl Paper {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "a request",
            Self::Invitation => "an invitation",
            Self::Hosts => "a list of hosts",
            Self::Certificate => "a certificate of Nebula",
            Self::Authority => "the record of an authority",
            Self::Passphrase => "a passphrase",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Request => "Give the file with what `flatnet overlay request` printed on the new host",
            Self::Invitation => {
                "Give the file with what `flatnet overlay sign` printed where the authority is"
            }
            Self::Hosts => {
                "Give the newest host's invitation, or another host's /etc/flatnet/overlay/peers.yaml"
            }
            Self::Certificate => "Give the file ca.crt of the authority's folder",
            Self::Authority => {
                "Make an authority with `flatnet overlay ca`, or name the folder of yours with --ca"
            }
            Self::Passphrase => "Give a file whose first line is the passphrase of the authority's key",
        }
    }

    /// What `text` seems to be, if it is one of these.
    fn of(text: &str) -> Option<&'static str> {
        let has = |start: &str| text.lines().any(|line| line.starts_with(start));
        match () {
            () if has("flatnet_join_request:") => Some(Self::Request.name()),
            () if has("flatnet_invitation:") => Some(Self::Invitation.name()),
            () if has("flatnet_authority:") => Some(Self::Authority.name()),
            () if has("hosts:") => Some(Self::Hosts.name()),
            () if text.contains("PRIVATE KEY-----") => Some("a private key"),
            () if has("-----BEGIN NEBULA CERTIFICATE") => Some(Self::Certificate.name()),
            () => None,
        }
    }

    /// An error that says what is wrong with the file that should be this.
    fn error(self, what: String) -> Error {
        Error::new(Kind::Paper, what).remedy(self.remedy())
    }

    /// The text of the file at `path`, or of standard input, which should be this.
    pub fn text(self, path: Option<&Path>) -> Result<String> {
        let mut text = String::new();
        let longest = MAX_BYTES as u64 + 1;
        let (name, read) = match path {
            None => ("standard input".to_owned(), std::io::stdin().take(longest).read_to_string(&mut text)),
            Some(path) => {
                let open = std::fs::File::open(path);
                (
                    path.display().to_string(),
                    open.and_then(|file| file.take(longest).read_to_string(&mut text)),
                )
            }
        };
        match read {
            Ok(_) if text.trim().is_empty() => Err(self.error(format!("{name} is empty"))),
            Ok(_) => Ok(text),
            Err(cause) => match cause.kind() {
                ErrorKind::NotFound => Err(self.error(format!("there is no file {name}"))),
                ErrorKind::IsADirectory => Err(self.error(format!("{name} is a directory, not a file"))),
                ErrorKind::InvalidData => Err(self.error(format!("{name} is not text"))),
                _ => Err(io("read", path.unwrap_or("/dev/stdin".as_ref()))(cause)),
            },
        }
    }

    /// Reads `text`, which should be this, from what is called `name`.
    pub fn parse<T: DeserializeOwned>(self, text: &str, name: &str) -> Result<T> {
        if text.len() > MAX_BYTES {
            return Err(self.error(format!(
                "{name} is not {}: it is longer than {} KiB",
                self.name(),
                MAX_BYTES >> 10
            )));
        }
        // A file with a passphrase may be given by mistake: what the parser says would repeat it.
        match Self::of(text) {
            Some(other) if other != self.name() => {
                Err(self.error(format!("{name} is {other}, and {} is needed", self.name())))
            }
            None => Err(self.error(format!("{name} is not {}", self.name()))),
            Some(_) => serde_yaml::from_str(text).map_err(|cause| {
                let what = format!("{name} is not a valid {}: {}", self.bare(), parser_says(&cause));
                self.error(what)
            }),
        }
    }

    /// The name without its article.
    fn bare(self) -> &'static str {
        self.name().split_once(' ').map_or("", |(_, bare)| bare)
    }

    /// Reads the file at `path`, or standard input, which should be this.
    pub fn read<T: DeserializeOwned>(self, path: Option<&Path>) -> Result<T> {
        self.parse(&self.text(path)?, &called(path))
    }
}

/// What errors call the file at `path`.
#[must_use]
pub fn called(path: Option<&Path>) -> String {
    path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
}

/// The certificates in the file at `path`.
pub fn certificates_in(path: &Path) -> Result<Pem> {
    let text = Paper::Certificate.text(Some(path))?;
    match Paper::of(&text) {
        Some(other) if other != Paper::Certificate.name() => Err(Paper::Certificate.error(format!(
            "{} is {other}, and {} is needed",
            path.display(),
            Paper::Certificate.name()
        ))),
        Some(_) => Pem::parse(&text),
        None => {
            Err(Paper::Certificate.error(format!("{} is not {}", path.display(), Paper::Certificate.name())))
        }
    }
}

/// A paper as text, which begins with a comment for people.
pub fn write<T: Serialize>(paper: &T, comment: &str) -> Result<String> {
    let failed = |cause| Error::new(Kind::Internal, "a paper cannot be written as YAML").source(cause);
    Ok(format!("# {comment}\n{}", serde_yaml::to_string(paper).map_err(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::Peer;

    const KEY: &str =
        "-----BEGIN NEBULA X25519 PUBLIC KEY-----\nAAAA+/==\n-----END NEBULA X25519 PUBLIC KEY-----\n";

    fn request_in(text: &str) -> Result<JoinRequest> {
        Paper::Request.parse(text, "bob.request")
    }

    fn invitation_in(text: &str) -> Result<Invitation> {
        Paper::Invitation.parse(text, "bob.invitation")
    }

    #[test]
    fn what_a_file_is_instead_is_said() {
        let says = |paper: Paper, text: &str| {
            paper.parse::<serde_yaml::Value>(text, "FILE").unwrap_err().message().to_owned()
        };
        let request = "flatnet_join_request: 1\n";
        assert_eq!(says(Paper::Invitation, request), "FILE is a request, and an invitation is needed");
        assert_eq!(
            says(Paper::Request, "flatnet_invitation: 1\nhosts: []\n"),
            "FILE is an invitation, and a request is needed"
        );
        assert_eq!(says(Paper::Hosts, request), "FILE is a request, and a list of hosts is needed");
        assert_eq!(
            says(Paper::Request, "-----BEGIN NEBULA X25519 PRIVATE KEY-----\nx\n"),
            "FILE is a private key, and a request is needed"
        );
        assert_eq!(says(Paper::Request, "correct horse\n"), "FILE is not a request");
        let long = format!("{request}{}", "x".repeat(MAX_BYTES));
        assert_eq!(says(Paper::Request, &long), "FILE is not a request: it is longer than 64 KiB");
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| {
            let path = folder.path().join(name);
            Paper::Request
                .text(Some(&path))
                .unwrap_err()
                .message()
                .replace(&path.display().to_string(), "FILE")
        };
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        assert_eq!(text("none"), "there is no file FILE");
        assert_eq!(text("."), "FILE is a directory, not a file");
        assert_eq!(text("empty"), "FILE is empty");
        assert_eq!(text("binary"), "FILE is not text");
    }

    #[test]
    fn papers_are_read_as_they_were_written() {
        let request = JoinRequest {
            flatnet_join_request: One,
            host: "bob".parse().unwrap(),
            identity: Identity::Nebula { public_key: KEY.parse().unwrap() },
        };
        let text = write(&request, "for whoever signs").unwrap();
        let expected =
            "# for whoever signs\nflatnet_join_request: 1\nhost: bob\nkind: nebula\npublic_key: |\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(request_in(&text).unwrap(), request);
        let later = text.replace(": 1\n", ": 2\n");
        assert!(request_in(&later).unwrap_err().to_line().contains("later Flatnet"));
    }

    #[test]
    fn papers_of_vxlan_are_read_as_they_were_written() {
        let address = Ipv4Addr::new(192, 168, 77, 12);
        let peer = Peer { number: 2, host: "bob".parse().unwrap(), address };
        let (request, invitation) = (
            JoinRequest {
                flatnet_join_request: One,
                host: peer.host.clone(),
                identity: Identity::Vxlan { address },
            },
            Invitation {
                flatnet_invitation: One,
                host: peer.host.clone(),
                number: 2,
                range: "10.87.0.0/16".parse().unwrap(),
                subnet: "10.87.2.0/24".parse().unwrap(),
                network: "10.86.0.0/16".parse().unwrap(),
                carrier: Carrier::Vxlan(Peers { force: false, hosts: vec![peer] }),
            },
        );
        let text = write(&request, "x").unwrap();
        assert_eq!(text, "# x\nflatnet_join_request: 1\nhost: bob\nkind: vxlan\naddress: 192.168.77.12\n");
        assert_eq!(request_in(&text).unwrap(), request);
        for extra in ["public_key: x\n", "x: y\n"] {
            request_in(&(text.clone() + extra)).unwrap_err();
        }
        let text = write(&invitation, "x").unwrap();
        assert!(text.contains("\nkind: vxlan\nhosts:\n- number: 2\n  host: bob\n"), "{text}");
        assert_eq!(invitation_in(&text).unwrap(), invitation);
        for (from, to) in
            [("kind: vxlan", "kind: nebula"), ("hosts:", "x: y\nhosts:"), ("- number", "- x: y\n  number")]
        {
            invitation_in(&text.replace(from, to)).unwrap_err();
        }
    }

    #[test]
    fn only_what_is_harmless_in_other_files_is_accepted() {
        for bad in [
            "",
            KEY.lines().next().unwrap(),
            &KEY.replace("AAAA", "AA\"A"),
            &KEY.replace("PUBLIC", "PRIVATE"),
            &format!("{KEY}x: y\n"),
            &KEY.replace("AAAA", "\u{1b}[31m"),
        ] {
            Pem::parse(bad).unwrap_err();
        }
        assert!(Pem::parse(KEY).unwrap().is_public_key());
        assert!(!Pem::parse(&KEY.replace("X25519", "P256")).unwrap().is_public_key());
        for bad in ["1.2.3.4", "1.2.3.4:0", "1.2.3.4:99999", "a b:1", "a\":1", "[::1]:4242", ":4242", "host:"]
        {
            UdpEndpoint::parse(bad).unwrap_err();
        }
        assert_eq!(
            UdpEndpoint::parse("Lights.example.org:4242").unwrap().to_string(),
            "lights.example.org:4242"
        );
        assert_eq!(UdpEndpoint::parse("203.0.113.7:4243").unwrap().port(), 4243);
    }
}
