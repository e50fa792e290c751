//! The servers that other questions are forwarded to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use super::files::Stamp;
use crate::kernel::observe::resolv_conf::{NameServer, name_servers};

const PORT: u16 = 53;
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

    /// Reads the file again if it is another one. Returns whether it was.
    pub(super) fn refresh(&mut self) -> bool {
        let stamp = rustix::fs::stat(&self.path).ok().as_ref().map(Stamp::of);
        if stamp == self.stamp {
            return false;
        }
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        self.servers = name_servers(&text).filter_map(|server| socket_address(&server)).collect();
        self.stamp = stamp;
        true
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
