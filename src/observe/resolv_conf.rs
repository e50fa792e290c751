//! resolv.conf(5): which of this host's own addresses containers are told to ask for names.

use std::net::Ipv4Addr;

use super::host::address_towards;

/// Where this host's name servers are, and where systemd-resolved has those that it asks itself. Podman gives containers
/// the latter where the former names none but loopback's.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// This host's own addresses but loopback's and `bridge`, at which `configured` or resolv.conf says that names are
/// resolved: WSL2 has its server at one (10.255.255.254).
#[must_use]
pub fn own_resolvers(bridge: Ipv4Addr, configured: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
    let is_loopback = |server: &Ipv4Addr| server.is_loopback();
    let servers = FILES.iter().map(|file| parse(&std::fs::read_to_string(file).unwrap_or_default()));
    let named = servers.into_iter().find(|servers| !servers.iter().all(is_loopback)).unwrap_or_default();
    let is_own = |server: &Ipv4Addr| {
        *server != bridge && !is_loopback(server) && address_towards(*server) == Some(*server)
    };
    let mut own: Vec<Ipv4Addr> = named.into_iter().chain(configured.iter().copied()).filter(is_own).collect();
    own.sort();
    own.dedup();
    own
}

fn parse(text: &str) -> Vec<Ipv4Addr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_servers_of_ipv4() {
        let text = "# nameserver 10.0.0.1\nsearch lan\nnameserver 10.255.255.254\nnameserver\t192.0.2.1 # two\nnameserver fe80::1\nnameserver\n";
        assert_eq!(parse(text), [Ipv4Addr::new(10, 255, 255, 254), Ipv4Addr::new(192, 0, 2, 1)]);
    }
}
