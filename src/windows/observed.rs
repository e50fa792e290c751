//! What Windows' scripts saw, as they send it: `ops/windows/lib/look.ps1` has the same names.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::action::Store;
use crate::error::{Error, Kind, Result};

/// All of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// [`super::VERSION`] of the scripts.
    pub version: u32,
    /// What `flatnet windows facts` printed, unread.
    pub facts: String,
    /// The settings of the scripts.
    pub settings: Settings,
    /// The user's .wslconfig, if there is one.
    pub wslconfig: Option<String>,
    /// Windows' own IPv4 addresses.
    #[serde(deserialize_with = "list")]
    pub addresses: Vec<Address>,
    /// Windows' IPv4 routes, of both tables.
    #[serde(deserialize_with = "list")]
    pub routes: Vec<Route>,
    /// The route that the elevated half made last.
    pub made: Option<Made>,
    /// From where Windows would send to eth0, by `Find-NetRoute`.
    pub way: Option<Address>,
    /// From where Windows would send to the world; none where it is in no network.
    pub out: Option<Address>,
    /// Firewall rules whose name begins with `Flatnet `.
    #[serde(deserialize_with = "list")]
    pub lan_rules: Vec<Rule>,
    /// Rules that keep others from nginx: they beat all that allow.
    #[serde(deserialize_with = "list")]
    pub block_rules: Vec<Rule>,
    /// What is in force of the firewall's profiles.
    #[serde(deserialize_with = "list")]
    pub profiles: Vec<Profile>,
    /// The same as `lan_rules` of the Hyper-V firewall.
    #[serde(deserialize_with = "list")]
    pub hyperv_rules: Vec<Rule>,
    /// The Hyper-V firewall's settings for WSL2; none before Windows 11 22H2.
    pub hyperv: Option<HypervSetting>,
    /// The networks that are connected.
    #[serde(deserialize_with = "list")]
    pub networks: Vec<Network>,
    /// The scheduled task, if it is registered.
    pub task: Option<Task>,
    /// The gateway's Windows service, if there is one.
    pub service: Option<String>,
    /// Whether the program that the settings name is there.
    pub openresty: bool,
    /// Who listens on the gateway's ports.
    #[serde(deserialize_with = "list")]
    pub listeners: Vec<Listener>,
    /// All nginx processes, and the owners of `listeners`.
    #[serde(deserialize_with = "list")]
    pub processes: Vec<Process>,
    /// What `netsh interface portproxy show v4tov4` printed.
    pub portproxy: String,
    /// What `netsh int ipv4 show excludedportrange protocol=tcp` printed.
    pub excluded: String,
    /// What Windows reaches.
    pub probes: Probes,
}

/// What the administrator of this Windows has settled.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As `wsl --list` shows it.
    pub distribution: String,
    /// What may be routed to WSL2.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// The gateway's ports; the first is HTTP.
    #[serde(deserialize_with = "list")]
    pub ports: Vec<u16>,
    /// A name by which the LAN calls the gateway.
    pub name: String,
    /// Where nginx is to be.
    pub openresty: String,
    /// Where the settings are.
    pub file: String,
}

/// An address of Windows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix_length: u8,
    /// Windows' interface index.
    pub interface: u32,
    /// The adapter's name, in the language of this Windows.
    pub alias: String,
    /// Whether its device is an end of a virtual switch, where Windows tells.
    pub switch: Option<bool>,
}

/// A route of Windows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to.
    #[schemars(with = "String")]
    pub destination: Ipv4Net,
    /// Through whom; 0.0.0.0 is nobody.
    pub next_hop: Ipv4Addr,
    /// Windows' interface index.
    pub interface: u32,
    /// In which table.
    pub store: Store,
}

/// Where the elevated half led the subnet last.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Windows' interface index.
    pub interface: u32,
    /// Through whom.
    pub next_hop: Ipv4Addr,
}

/// A firewall rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// `True` or `False`.
    pub enabled: String,
    /// `Allow` or `Block`.
    pub action: String,
    /// `Any`, or names such as `Domain, Private`.
    pub profiles: String,
    /// For which program it is: a path, or `Any`.
    pub program: String,
}

/// A profile of Windows' firewall, as in force. Each value is `True`, `False` or `NotConfigured`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `Domain`, `Private` or `Public`.
    pub name: String,
    /// Whether it filters at all.
    pub enabled: String,
    /// Whether rules that allow count.
    pub inbound: String,
    /// Whether rules of this PC count beside those of a policy.
    pub local: String,
}

/// The scheduled task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// `Ready`, `Running`, `Disabled`, ..
    pub state: String,
    /// When it ran last.
    pub last_run: Option<String>,
    /// How that ended.
    pub last_result: Option<i64>,
}

/// `Get-NetFirewallHyperVVMSetting` of WSL2, as in force.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HypervSetting {
    /// `True`, `False` or `NotConfigured`.
    pub enabled: String,
    /// `Allow`, `Block` or `NotConfigured`.
    pub default_inbound: String,
    /// Why it could not be looked at.
    pub error: Option<String>,
}

/// A network that Windows is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What it is called.
    pub name: String,
    /// `Public`, `Private` or `DomainAuthenticated`.
    pub category: String,
    /// Windows' interface index.
    pub interface: u32,
}

/// Somebody who listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// At which address, IPv4 or IPv6.
    pub address: String,
    /// On which port.
    pub port: u16,
    /// Which process.
    pub pid: u32,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Who started it.
    pub parent: u32,
    /// Its program.
    pub name: String,
    /// Where that is, if Windows tells.
    pub path: Option<String>,
    /// Whether it is the gateway's nginx: its prefix is the gateway's directory, or it is the service's.
    pub ours: bool,
}

/// What answered, to a ping or to a connection: who refuses one is there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// eth0.
    pub eth0: Option<bool>,
    /// The bridge.
    pub bridge: Option<bool>,
    /// A container; none where none runs.
    pub container: Option<bool>,
    /// The gateway at Windows' loopback address.
    pub gateway: Answer,
    /// The gateway at Windows' address in the LAN.
    pub lan: Option<Answer>,
    /// The gateway by its name.
    pub name: Answer,
    /// The gateway's ports that take connections at Windows' loopback address.
    #[serde(deserialize_with = "list")]
    pub open_ports: Vec<u16>,
}

/// What came of a question to `/_flatnet/healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `name` (there is no such name), `refused` or `silent`.
    pub error: Option<String>,
    /// Who was asked.
    pub address: Option<Ipv4Addr>,
    /// The beginning of the answer.
    pub text: String,
}

impl Answer {
    /// The status of the answer, unless there was none.
    pub(super) fn status(&self) -> Option<u16> {
        let mut words = self.text.lines().next()?.split(' ');
        words.next()?.strip_prefix("HTTP/")?;
        words.next()?.parse().ok()
    }

    /// Whether Flatnet's gateway answered, which says so.
    pub(super) fn is_flatnet(&self) -> bool {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let says =
            |line: &str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("X-Flatnet"));
        matches!(self.status(), Some(200 | 503)) && head.lines().any(says)
    }

    /// Why it is not the gateway's.
    pub(super) fn why(&self) -> String {
        match (self.status(), self.error.as_deref()) {
            (Some(status), _) => format!("something answers with {status}, and is not Flatnet's gateway"),
            (None, Some("name")) => "no such name".to_owned(),
            (None, Some("refused")) => "nobody listens there, or the connection is refused".to_owned(),
            (None, Some(_)) => "no answer in time".to_owned(),
            (None, None) => "what answers does not speak HTTP".to_owned(),
        }
    }
}

/// Reads what the scripts sent. PowerShell may put a byte order mark before it.
pub fn parse(text: &str) -> Result<Observed> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| {
        Error::new(Kind::Decode, "standard input is not what Windows' scripts send")
            .remedy(super::REMEDY)
            .source(error)
    })
}

/// PowerShell makes nothing of an empty list, and the thing itself of a list of one, wherever it can.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Array(items) => items,
        item => vec![item],
    };
    let there = items.into_iter().filter(|item| !item.is_null());
    there.map(|item| serde_json::from_value(item).map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powershell_lists_of_any_shape_are_parsed() {
        #[derive(Debug, Deserialize)]
        struct Holder {
            #[serde(deserialize_with = "list")]
            ports: Vec<u16>,
        }
        for (text, ports) in [
            ("[80,443]", vec![80, 443]),
            ("[80]", vec![80]),
            ("80", vec![80]),
            ("[null]", vec![]),
            ("null", vec![]),
        ] {
            let holder: Holder = serde_json::from_str(&format!("{{\"ports\":{text}}}")).unwrap();
            assert_eq!(holder.ports, ports, "{text}");
        }
        assert!(serde_json::from_str::<Holder>("{\"ports\":[\"x\"]}").is_err());
    }

    #[test]
    fn answer_is_flatnets_only_with_its_header() {
        let answer = |error: Option<&str>, text: &str| Answer {
            error: error.map(str::to_owned),
            address: None,
            text: text.to_owned(),
        };
        assert!(answer(None, "HTTP/1.1 200 OK\r\nx-flatnet: gateway\r\n\r\nok").is_flatnet());
        assert!(answer(None, "HTTP/1.1 503 Service\r\nServer: x\r\nX-Flatnet: gateway\r\n\r\n").is_flatnet());
        assert!(!answer(None, "HTTP/1.1 200 OK\r\n\r\nX-Flatnet: gateway\r\n").is_flatnet());
        assert!(!answer(None, "HTTP/1.1 404 No\r\nX-Flatnet: gateway\r\n\r\n").is_flatnet());
        assert!(answer(None, "HTTP/1.1 200 OK\r\n\r\n").why().contains("200"));
        assert_eq!(answer(None, "SSH-2.0-x\r\n").why(), "what answers does not speak HTTP");
        assert_eq!(answer(Some("name"), "").why(), "no such name");
    }

    #[test]
    fn unknown_field_is_rejected_with_remedy() {
        let error = parse("\u{feff}{\"version\":2,\"colour\":\"red\"}").unwrap_err();
        assert!(
            error.to_line().contains("colour") && error.to_line().contains("flatnet windows install"),
            "{error}"
        );
    }
}
