//! The servers that other questions are forwarded to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use super::files::Stamp;
use crate::error::{self, Result};
use crate::kernel::observe::resolv_conf::{NameServer, name_servers};

/// The port of a name server.
pub(super) const PORT: u16 = 53;
/// How many servers are asked at most.
const MOST: usize = 4;

/// The servers of a resolv.conf, read again when it changes.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    stamp: Option<Stamp>,
    servers: Vec<SocketAddr>,
}

impl ResolvConf {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), stamp: None, servers: Vec::new() }
    }

    /// Reads the file again if it is another one. Returns whether it was; an error only once.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        let stamp = rustix::fs::stat(&self.path).ok().as_ref().map(Stamp::of);
        if stamp == self.stamp {
            return Ok(false);
        }
        self.stamp = stamp;
        self.servers.clear();
        let text = std::fs::read_to_string(&self.path).map_err(error::io("read", &self.path))?;
        self.servers = name_servers(&text).filter_map(|server| socket_address(&server)).collect();
        Ok(true)
    }

    pub(super) fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }
}

fn socket_address(server: &NameServer) -> Option<SocketAddr> {
    match (server.address, &server.zone) {
        (IpAddr::V6(address), Some(zone)) => {
            let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let scope = rustix::net::netdevice::name_to_index(&socket, zone.as_str()).ok()?;
            Some(SocketAddrV6::new(address, PORT, 0, scope).into())
        }
        (address, _) => Some((address, PORT).into()),
    }
}

/// Those to ask: `configured`, or else those of `host`; never one of `own`, which would ask itself.
pub(super) fn choose(
    configured: &[IpAddr],
    host: &[SocketAddr],
    own: impl Fn(IpAddr) -> bool,
) -> Vec<SocketAddr> {
    let configured = configured.iter().map(|address| SocketAddr::from((*address, PORT)));
    let mut chosen: Vec<SocketAddr> = Vec::new();
    let all: Vec<SocketAddr> = if configured.len() > 0 { configured.collect() } else { host.to_vec() };
    for server in all {
        if !own(server.ip())
            && !server.ip().is_unspecified()
            && !chosen.contains(&server)
            && chosen.len() < MOST
        {
            chosen.push(server);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_servers_take_the_place_of_the_hosts() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let host: Vec<SocketAddr> = ["10.0.0.1", "10.87.1.1", "10.0.0.1", "0.0.0.0", "::1"]
            .map(|text| (address(text), PORT).into())
            .into();
        let shown = |configured: &[&str]| -> Vec<String> {
            let configured: Vec<IpAddr> = configured.iter().map(|text| address(text)).collect();
            let own = |server| server == address("10.87.1.1");
            choose(&configured, &host, own).iter().map(ToString::to_string).collect()
        };
        assert_eq!(shown(&[]), ["10.0.0.1:53", "[::1]:53"], "each once, and never the resolver itself");
        assert_eq!(shown(&["9.9.9.9"]), ["9.9.9.9:53"]);
        assert_eq!(shown(&["10.87.1.1"]), Vec::<String>::new());
        assert_eq!(shown(&["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4", "1.0.0.5"]).len(), MOST);
    }

    #[test]
    fn resolv_conf_is_read_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let mut conf = ResolvConf::new(&path);
        assert!(conf.refresh().is_ok_and(|is_other| !is_other) && conf.servers().is_empty(), "it is missing");
        let write = |text: &str| crate::file::replace(&path, text.as_bytes()).unwrap();
        write("nameserver 127.0.0.53\nnameserver fe80::1%nolink0\n");
        assert!(conf.refresh().unwrap() && !conf.refresh().unwrap());
        assert_eq!(
            conf.servers(),
            ["127.0.0.53:53".parse::<SocketAddr>().unwrap()],
            "a link that is missing"
        );
        write("nameserver 127.0.0.54\n");
        assert!(conf.refresh().unwrap());
        assert_eq!(conf.servers(), ["127.0.0.54:53".parse::<SocketAddr>().unwrap()]);
        std::fs::remove_file(&path).unwrap();
        assert!(conf.refresh().unwrap_err().to_string().contains("resolv.conf") && conf.servers().is_empty());
        assert!(!conf.refresh().unwrap(), "it is told once");
    }
}
