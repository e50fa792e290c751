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
pub struct Seen {
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
    /// From where Windows would send to eth0, by `Find-NetRoute`.
    pub way: Option<Address>,
    /// Firewall rules whose name begins with `Flatnet `.
    #[serde(deserialize_with = "list")]
    pub lan_rules: Vec<Rule>,
    /// The same of the Hyper-V firewall.
    #[serde(deserialize_with = "list")]
    pub hyperv_rules: Vec<Rule>,
    /// The Hyper-V firewall's settings for WSL2; none before Windows 11 22H2.
    pub hyperv: Option<HypervSetting>,
    /// The networks that are connected.
    #[serde(deserialize_with = "list")]
    pub networks: Vec<Network>,
    /// The scheduled task's state, if it is registered.
    pub task: Option<String>,
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

/// A firewall rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// `True` or `False`.
    pub enabled: String,
}

/// `Get-NetFirewallHyperVVMSetting` of WSL2, as in force.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HypervSetting {
    /// `True`, `False` or `NotConfigured`.
    pub enabled: String,
    /// `Allow`, `Block` or `NotConfigured`.
    pub default_inbound: String,
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
}

/// What answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// eth0, to a ping.
    pub eth0: Option<bool>,
    /// The bridge, to a ping.
    pub bridge: Option<bool>,
    /// A container, to a ping; none where none runs.
    pub container: Option<bool>,
    /// The gateway at Windows' loopback address.
    pub gateway: Curl,
    /// The gateway at Windows' address in the LAN.
    pub lan: Option<Curl>,
    /// The gateway by its name.
    pub name: Curl,
}

/// How curl ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Curl {
    /// Its exit status: 6 no such name, 7 refused, 28 no answer in time.
    pub exit: i32,
    /// What `--write-out '%{http_code} %{remote_ip}'` printed.
    pub wrote: String,
}

impl Curl {
    /// The status of the answer, unless there was none.
    pub(super) fn status(&self) -> Option<u16> {
        let status = self.wrote.split_whitespace().next()?.parse().ok()?;
        (self.exit == 0 && status != 0).then_some(status)
    }

    /// Who answered.
    pub(super) fn peer(&self) -> Option<Ipv4Addr> {
        self.wrote.split_whitespace().nth(1)?.parse().ok()
    }

    /// Why there was no answer.
    pub(super) fn why(&self) -> String {
        match self.exit {
            6 => "no such name".to_owned(),
            7 => "nobody listens there, or the connection is refused".to_owned(),
            28 => "no answer in time".to_owned(),
            exit => format!("curl ended with {exit}"),
        }
    }
}

/// Reads what the scripts sent. PowerShell may put a byte order mark before it.
pub fn parse(text: &str) -> Result<Seen> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| {
        Error::new(Kind::Decode, "standard input is not what Windows' scripts send")
            .remedy("Copy ops/windows of this program's version to Windows again, by its install.ps1")
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
    fn lists_come_as_powershell_makes_them() {
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
    fn curl_says_who_answered_and_why_nobody_did() {
        let curl = |exit, wrote: &str| Curl { exit, wrote: wrote.to_owned() };
        assert_eq!(curl(0, "200 192.168.1.10").status(), Some(200));
        assert_eq!(curl(0, "200 192.168.1.10\r\n").peer(), Some(Ipv4Addr::new(192, 168, 1, 10)));
        assert_eq!(curl(7, "000 ").status(), None);
        assert_eq!(curl(6, "000 ").why(), "no such name");
    }

    #[test]
    fn another_language_is_refused_with_what_to_do() {
        let error = parse("\u{feff}{\"version\":1,\"colour\":\"red\"}").unwrap_err();
        assert!(error.whole().contains("colour") && error.whole().contains("install.ps1"), "{error}");
    }
}
