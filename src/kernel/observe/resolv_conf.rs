//! resolv.conf(5): the name servers, and which of them are this host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::source_address::address_towards;
use crate::model::types::IfName;

/// This host's resolv.conf, and that of systemd-resolved with its upstream servers. Podman gives containers the
/// latter if the former has only loopback servers.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// A `nameserver`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameServer {
    /// Its address.
    pub address: IpAddr,
    /// The link of a link-local IPv6 address.
    pub zone: Option<IfName>,
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            None => write!(f, "{}", self.address),
            Some(zone) => write!(f, "{}%{zone}", self.address),
        }
    }
}

/// This host's own addresses, except loopback and `bridge`, that `configured` or resolv.conf name as name
/// servers. WSL2 has its server at one (10.255.255.254).
#[must_use]
pub fn own_resolvers(bridge: Ipv4Addr, configured: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
    let is_loopback = |server: &Ipv4Addr| server.is_loopback();
    let servers = FILES.iter().map(|file| of_ipv4(&std::fs::read_to_string(file).unwrap_or_default()));
    let named = servers.into_iter().find(|servers| !servers.iter().all(is_loopback)).unwrap_or_default();
    let is_own = |server: &Ipv4Addr| {
        *server != bridge && !is_loopback(server) && address_towards(*server) == Some(*server)
    };
    let mut own: Vec<Ipv4Addr> = named.into_iter().chain(configured.iter().copied()).filter(is_own).collect();
    own.sort();
    own.dedup();
    own
}

/// The servers of this host's resolv.conf but `bridge`, as text.
#[must_use]
pub fn of_this_host(bridge: Ipv4Addr) -> Vec<String> {
    let text = std::fs::read_to_string(FILES[0]).unwrap_or_default();
    let others = name_servers(&text).filter(|server| server.address != IpAddr::V4(bridge));
    others.map(|server| server.to_string()).collect()
}

fn of_ipv4(text: &str) -> Vec<Ipv4Addr> {
    let ipv4 = |server: NameServer| match server.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    name_servers(text).filter_map(ipv4).collect()
}

/// The servers in order; what is not an address is skipped, as resolvers do.
pub fn name_servers(text: &str) -> impl Iterator<Item = NameServer> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| name_server(words.next()?)).flatten()
    })
}

/// Whether resolvers must use TCP only.
pub(super) fn asks_by_tcp(text: &str) -> bool {
    let options = text.lines().filter_map(|line| line.strip_prefix("options"));
    options.flat_map(str::split_whitespace).any(|option| option == "use-vc")
}

fn name_server(word: &str) -> Option<NameServer> {
    match word.split_once('%') {
        None => Some(NameServer { address: word.parse().ok()?, zone: None }),
        Some((address, zone)) => {
            let address: std::net::Ipv6Addr = address.parse().ok()?;
            Some(NameServer { address: address.into(), zone: Some(zone.parse().ok()?) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_name_servers_are_parsed() {
        let text = "# nameserver 10.0.0.1\nsearch lan\nnameserver 10.255.255.254\nnameserver\t192.0.2.1 # two\n\
                    nameserver fe80::1%eth0\nnameserver 2001:db8::53\nnameserver\nnameserver 10.1.2.3%eth0\n\
                    nameserver fe80::1%$(reboot)\nnameserver ns.example.org\n";
        let shown: Vec<String> = name_servers(text).map(|server| server.to_string()).collect();
        assert_eq!(shown, ["10.255.255.254", "192.0.2.1", "fe80::1%eth0", "2001:db8::53"]);
        assert!(!asks_by_tcp(text) && asks_by_tcp("options edns0 use-vc"));
        assert_eq!(of_ipv4(text), [Ipv4Addr::new(10, 255, 255, 254), Ipv4Addr::new(192, 0, 2, 1)]);
    }
}
