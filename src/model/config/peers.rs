//! The hosts of an overlay of kind `vxlan`: a file of its own, the same on every host.

use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Config;
use super::load::{read, value_error, without_line, yaml_error};
use super::problem::{Problem, problem};
use crate::error::{Error, Kind, Result};
use crate::model::types::HostName;

/// The hosts of an overlay. This host is among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Whether addresses may be others than private ones: packets are readable, and can be forged, on the way between hosts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// The hosts.
    pub hosts: Vec<Peer>,
}

/// A host of an overlay of kind `vxlan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its number.
    pub number: u16,
    /// Its name.
    pub host: HostName,
    /// Its address in the LAN.
    pub address: Ipv4Addr,
}

impl Peers {
    /// Reads the file at `path`, which names the host of `config`, too.
    pub fn load(path: &Path, config: &Config) -> Result<Self> {
        let text = read(path).map_err(|error| match error.kind() {
            Kind::ConfigMissing => error.remedy(
                "Write it with `flatnet overlay peers FILE`, from an invitation or from another host's file",
            ),
            _ => error,
        })?;
        Self::parse(&text, path, config)
    }

    fn parse(text: &str, path: &Path, config: &Config) -> Result<Self> {
        let peers: Self = serde_yaml::from_str(text).map_err(|cause| yaml_error(&cause, text, path))?;
        peers.validate(config).map_err(|problem| value_error(&problem, text, path))?;
        let Some(overlay) = &config.overlay else { return Ok(peers) };
        if peers.of(overlay.number).is_none() {
            let what = format!("{}: hosts: this host's number {} is missing", path.display(), overlay.number);
            return Err(Error::new(Kind::ConfigValue, what)
                .remedy("Add this host with its address in the LAN, or take the file of another host"));
        }
        Ok(peers)
    }

    /// An error unless the values are valid for the range and network of `config`.
    pub fn check(&self, config: &Config) -> Result<()> {
        self.validate(config).map_err(|problem| without_line(&problem))
    }

    /// The host with this number.
    #[must_use]
    pub fn of(&self, number: u16) -> Option<&Peer> {
        self.hosts.iter().find(|peer| peer.number == number)
    }

    fn validate(&self, config: &Config) -> Result<(), Problem> {
        let room = config.hosts();
        for (index, Peer { number, host, address }) in self.hosts.iter().enumerate() {
            let before = &self.hosts[..index];
            let field = |name: &str| format!("hosts[{index}].{name}");
            if !(1..=room).contains(number) {
                let why = format!(
                    "is not between 1 and {room}, the hosts that range {} has room for",
                    config.range
                );
                return Err(problem(
                    field("number"),
                    number,
                    why,
                    "Use the number that `flatnet overlay sign` gave it",
                ));
            }
            if before.iter().any(|other| other.number == *number) {
                return Err(problem(
                    field("number"),
                    number,
                    "is also another host's",
                    "Each host has a number of its own",
                ));
            }
            if before.iter().any(|other| other.host == *host) {
                return Err(problem(
                    field("host"),
                    host,
                    "is also another host's",
                    "Each host has a name of its own",
                ));
            }
            if before.iter().any(|other| other.address == *address) {
                return Err(problem(
                    field("address"),
                    address,
                    "is also another host's",
                    "Write its address in the LAN",
                ));
            }
            address_problem(field("address"), *address, config, self.force)?;
        }
        Ok(())
    }
}

impl Peer {
    /// An error unless it can be a host in a LAN, and in a private one unless `force`.
    pub fn check_address(&self, config: &Config, force: bool) -> Result<()> {
        address_problem("address".to_owned(), self.address, config, force)
            .map_err(|problem| without_line(&problem))
    }
}

fn address_problem(field: String, address: Ipv4Addr, config: &Config, force: bool) -> Result<(), Problem> {
    let is_flatnet = config.range.contains(&address)
        || config.overlay.as_ref().is_some_and(|overlay| overlay.network.contains(&address));
    if is_flatnet || !is_host(address) {
        return Err(problem(field, address, "is no host's in a LAN", "Write its address in the LAN"));
    }
    if !address.is_private() && !force {
        let why = "is not a private address (RFC 1918), and VXLAN neither encrypts packets nor checks who sent them";
        let remedy = "Use Nebula for hosts that are not in one trusted LAN, or force it: `--force`, in the file `force: true`";
        return Err(problem(field, address, why, remedy));
    }
    Ok(())
}

fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback()
        || address.octets()[0] >= 240
        || address.octets()[0] == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::parse;

    fn read(hosts: &str) -> Result<Peers, String> {
        let config =
            parse("subnet: 10.87.2.0/24\noverlay: {kind: vxlan, number: 2}\n", Path::new("f")).unwrap();
        Peers::parse(hosts, Path::new("peers.yaml"), &config).map_err(|error| error.to_line())
    }

    const TWO: &str = "hosts:\n- number: 1\n  host: anna\n  address: 192.168.77.11\n- number: 2\n  host: bob\n  address: 192.168.77.12\n";

    #[test]
    fn hosts_are_read_as_they_are_written() {
        let peers = read(TWO).unwrap();
        assert_eq!(peers.of(2).unwrap().address, Ipv4Addr::new(192, 168, 77, 12));
        assert_eq!(serde_yaml::to_string(&peers).unwrap(), TWO);
        let forced = read(&format!("force: true\n{}", TWO.replace("192.168.77.11", "203.0.113.7"))).unwrap();
        assert!(forced.force && forced.of(1).is_some());
    }

    #[test]
    fn errors_name_file_line_and_field() {
        for (from, to, said) in [
            ("number: 2", "number: 3", "peers.yaml: hosts: this host's number 2 is missing"),
            ("number: 1", "number: 255", "peers.yaml:2: hosts[0].number: 255 is not between 1 and 254"),
            ("number: 1", "number: 2", "peers.yaml:5: hosts[1].number: 2 is also another host's"),
            ("host: anna", "host: bob", "peers.yaml:6: hosts[1].host: bob is also another host's"),
            ("77.11", "77.12", "peers.yaml:7: hosts[1].address: 192.168.77.12 is also another host's"),
            ("192.168.77.11", "10.87.1.1", "peers.yaml:4: hosts[0].address: 10.87.1.1 is no host's in a LAN"),
            ("192.168.77.11", "10.86.0.1", "10.86.0.1 is no host's in a LAN"),
            ("192.168.77.11", "127.0.0.1", "127.0.0.1 is no host's in a LAN"),
            (
                "192.168.77.11",
                "203.0.113.7",
                "peers.yaml:4: hosts[0].address: 203.0.113.7 is not a private address",
            ),
            ("192.168.77.11", "100.64.0.7", "100.64.0.7 is not a private address"),
            ("192.168.77.11", "fe80::1", "peers.yaml:4:12: hosts[0].address: invalid IPv4 address"),
            ("host: anna", "name: anna", "unknown field `name`"),
            ("host: anna", "host: \"a;b\"", "is not a valid host name"),
        ] {
            let error = read(&TWO.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
