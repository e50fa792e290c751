//! The observed state of Windows, as `ops/windows/lib/observe.ps1` sends it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::action::Store;
use crate::error::{Error, Kind, Result};

/// The observed state.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// [`super::VERSION`] of the scripts.
    pub version: u32,
    /// The output of `flatnet windows facts`, unparsed.
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
    /// The route that the elevated script added last.
    pub made: Option<AddedRoute>,
    /// The source address of packets to eth0, by `Find-NetRoute`.
    pub way: Option<Address>,
    /// The source address of packets to the internet; none without a default route.
    pub out: Option<Address>,
    /// Firewall rules whose name begins with `Flatnet `.
    #[serde(deserialize_with = "list")]
    pub lan_rules: Vec<Rule>,
    /// Rules that block the gateway's ports. They override rules that allow.
    #[serde(deserialize_with = "list")]
    pub block_rules: Vec<Rule>,
    /// The firewall's profiles in force.
    #[serde(deserialize_with = "list")]
    pub profiles: Vec<Profile>,
    /// The same for the Hyper-V firewall.
    #[serde(deserialize_with = "list")]
    pub hyperv_rules: Vec<Rule>,
    /// The Hyper-V firewall's settings for WSL2; none before Windows 11 22H2.
    pub hyperv: Option<HypervSetting>,
    /// The rules of names (NRPT); none if this Windows has no commands for them.
    pub nrpt: Option<NameRules>,
    /// The networks that are connected.
    #[serde(deserialize_with = "list")]
    pub networks: Vec<Network>,
    /// The scheduled task, if it is registered.
    pub task: Option<Task>,
    /// The gateway's Windows service, if there is one.
    pub service: Option<String>,
    /// Whether the program in the settings exists.
    pub openresty: bool,
    /// The listeners on the gateway's ports.
    #[serde(deserialize_with = "list")]
    pub listeners: Vec<Listener>,
    /// All nginx processes, and the owners of `listeners`.
    #[serde(deserialize_with = "list")]
    pub processes: Vec<Process>,
    /// The output of `netsh interface portproxy show v4tov4`.
    pub portproxy: String,
    /// The output of `netsh int ipv4 show excludedportrange protocol=tcp`.
    pub excluded: String,
    /// The addresses that Windows reaches.
    pub probes: Probes,
}

/// The settings in `settings.psd1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name in `wsl --list`.
    pub distribution: String,
    /// The subnet that is routed to WSL2.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// The gateway's ports; the first is HTTP.
    #[serde(deserialize_with = "list")]
    pub ports: Vec<u16>,
    /// The gateway's host name in the LAN.
    pub name: String,
    /// The domain of containers' names; empty if Windows is not to resolve them.
    pub zone: String,
    /// The path of nginx.exe.
    pub openresty: String,
    /// The path of the settings file.
    pub file: String,
}

/// An address of Windows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The address.
    pub address: Ipv4Addr,
    /// The prefix length of its network.
    pub prefix_length: u8,
    /// Windows' interface index.
    pub interface: u32,
    /// The adapter's name, in the language of this Windows.
    pub alias: String,
    /// Whether its device is a port of a virtual switch; none if unknown.
    pub switch: Option<bool>,
}

/// A route of Windows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The destination.
    #[schemars(with = "String")]
    pub destination: Ipv4Net,
    /// The next hop; 0.0.0.0 if on link.
    pub next_hop: Ipv4Addr,
    /// Windows' interface index.
    pub interface: u32,
    /// The route table.
    pub store: Store,
}

/// The route that the elevated script added last.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddedRoute {
    /// Windows' interface index.
    pub interface: u32,
    /// The next hop.
    pub next_hop: Ipv4Addr,
}

/// A firewall rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name.
    pub name: String,
    /// `True` or `False`.
    pub enabled: String,
    /// `Allow` or `Block`.
    pub action: String,
    /// `Any`, or names such as `Domain, Private`.
    pub profiles: String,
    /// The program's path, or `Any`.
    pub program: String,
}

/// A profile of Windows' firewall, as in force. Each value is `True`, `False` or `NotConfigured`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `Domain`, `Private` or `Public`.
    pub name: String,
    /// Whether the profile filters.
    pub enabled: String,
    /// Whether rules that allow inbound traffic apply.
    pub inbound: String,
    /// Whether local rules apply in addition to those of a policy.
    pub local: String,
}

/// The scheduled task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// `Ready`, `Running`, `Disabled`, ..
    pub state: String,
    /// The time of the last run.
    pub last_run: Option<String>,
    /// The result of the last run.
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
    /// Why it could not be read.
    pub error: Option<String>,
}

/// This PC's own rules of the Name Resolution Policy Table, without those of a group policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameRules {
    /// The rules.
    #[serde(deserialize_with = "list")]
    pub rules: Vec<NameRule>,
    /// Why they could not be read.
    pub error: Option<String>,
}

/// A rule that sends questions for some names to certain servers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameRule {
    /// Windows' name for it.
    pub name: String,
    /// The names: `.x` for all names below x.
    #[serde(deserialize_with = "list")]
    pub namespaces: Vec<String>,
    /// The servers.
    #[serde(deserialize_with = "list")]
    pub servers: Vec<String>,
    /// Whether its display name is that of Flatnet's rules.
    pub own: bool,
}

/// A network that Windows is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The name.
    pub name: String,
    /// `Public`, `Private` or `DomainAuthenticated`.
    pub category: String,
    /// Windows' interface index.
    pub interface: u32,
}

/// A TCP listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The address, IPv4 or IPv6.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The process ID.
    pub pid: u32,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The process ID.
    pub pid: u32,
    /// The parent's process ID.
    pub parent: u32,
    /// The name of its program.
    pub name: String,
    /// The program's path; none if unknown.
    pub path: Option<String>,
    /// Whether it is the gateway's nginx: its prefix is the gateway's directory, or it belongs to the service.
    pub ours: bool,
}

/// Results of the probes: pings and TCP connections. A refused connection proves that the address is reachable.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// eth0.
    pub eth0: Option<bool>,
    /// The bridge.
    pub bridge: Option<bool>,
    /// A container; none if no container runs.
    pub container: Option<bool>,
    /// The gateway at Windows' loopback address.
    pub gateway: Answer,
    /// The gateway at Windows' address in the LAN.
    pub lan: Option<Answer>,
    /// The gateway by its name.
    pub name: Answer,
    /// Whether the bridge accepts connections at port 53; none if Windows is not to resolve names.
    pub resolver: Option<bool>,
    /// The name `host` in the zone of the settings, by Windows' own resolution; none like `resolver`.
    pub zone: Option<Answer>,
    /// The gateway's ports that accept connections at Windows' loopback address.
    #[serde(deserialize_with = "list")]
    pub open_ports: Vec<u16>,
}

/// The answer to a request for `/_flatnet/healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `name` (it does not resolve), `refused` or `silent`.
    pub error: Option<String>,
    /// The address that was asked.
    pub address: Option<Ipv4Addr>,
    /// The beginning of the response.
    pub text: String,
}

impl Answer {
    /// The response's HTTP status.
    pub(super) fn status(&self) -> Option<u16> {
        let mut words = self.text.lines().next()?.split(' ');
        words.next()?.strip_prefix("HTTP/")?;
        words.next()?.parse().ok()
    }

    /// Whether Flatnet's gateway answered, which sets the header X-Flatnet.
    pub(super) fn is_flatnet(&self) -> bool {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let is_marker =
            |line: &str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("X-Flatnet"));
        matches!(self.status(), Some(200 | 503)) && head.lines().any(is_marker)
    }

    /// Why this is not an answer of the gateway.
    pub(super) fn why(&self) -> String {
        match (self.status(), self.error.as_deref()) {
            (Some(status), _) => {
                format!("another server than Flatnet's gateway answers, with status {status}")
            }
            (None, Some("name")) => "the name does not resolve".to_owned(),
            (None, Some("refused")) => "connection refused".to_owned(),
            (None, Some(_)) => "timed out".to_owned(),
            (None, None) => "the answer is not HTTP".to_owned(),
        }
    }
}

/// Parses the scripts' input, which may begin with a byte order mark of PowerShell.
pub fn parse(text: &str) -> Result<Observed> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| {
        Error::new(Kind::Decode, "standard input is not the observed state that Windows' scripts send")
            .remedy(super::REMEDY)
            .source(error)
    })
}

/// PowerShell may turn an empty list into null, and a list of one item into the item.
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
        assert_eq!(answer(None, "SSH-2.0-x\r\n").why(), "the answer is not HTTP");
        assert_eq!(answer(Some("name"), "").why(), "the name does not resolve");
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
