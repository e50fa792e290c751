//! Observes running containers from inside their network namespaces, without running programs: all of them
//! together take no longer than one program.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;

use super::dns_query::{self, Answer, Query};
use super::netns::Netns;
use super::proc_route::{self, DefaultRoute};
use super::resolv_conf::{self, NameServer};
use super::source_address::address_towards;
use super::{processes, rooted};
use crate::error::Result;
use crate::state::receipt::Receipt;

/// How many are observed in parallel.
const AT_ONCE: usize = 64;
/// The time limit for these together. A container's file system may be served by a program that never answers.
const PATIENCE: Duration = Duration::from_secs(3);
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The limit of what is read of it. Resolvers use the first three servers (`MAXNS` of resolv.h).
const LIMITS: (u64, usize) = (64 << 10, 3);

/// What was observed inside.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Whether its link exists.
    pub has_link: bool,
    /// Whether it has its address.
    pub has_address: bool,
    /// Whether a route uses that link.
    pub has_route: bool,
    /// The default route.
    pub default_route: Option<DefaultRoute>,
    /// The name servers' answers, or why they were not queried.
    pub name_servers: Result<Vec<(NameServer, Answer)>, &'static str>,
}

/// Observes all of them, in this order; `None` if time ran out. With `egress: none`, `within` is the range that
/// containers' packets stay in; name servers elsewhere are not queried.
#[must_use]
pub fn look_into(receipts: &[Receipt], within: Option<Ipv4Net>) -> Vec<Option<Result<Inside>>> {
    let processes = processes::by_netns();
    let mut all = Vec::new();
    for some in receipts.chunks(AT_ONCE) {
        let (sender, results) = mpsc::channel();
        for (index, receipt) in some.iter().cloned().enumerate() {
            let pids = processes.get(&receipt.netns_id).cloned().unwrap_or_default();
            let sender = sender.clone();
            // A thread that cannot be started counts like one that hangs.
            let _ = std::thread::Builder::new()
                .spawn(move || drop(sender.send((index, look(&receipt, &pids, within)))));
        }
        drop(sender);
        let end = Instant::now() + PATIENCE;
        let mut found = BTreeMap::new();
        while let Ok((index, result)) = results.recv_timeout(end.saturating_duration_since(Instant::now())) {
            found.insert(index, result);
        }
        all.extend((0..some.len()).map(|index| found.remove(&index)));
    }
    all
}

fn look(receipt: &Receipt, pids: &[u32], within: Option<Ipv4Net>) -> Result<Inside> {
    let netns = Netns::open(&receipt.netns)?;
    let servers = name_servers(receipt, pids);
    let (address, if_name) = (receipt.address(), receipt.id.if_name.as_str());
    let (mut inside, queries) = netns.inside(|| {
        let routes = proc_route::read()?;
        let default_route = proc_route::default_route(&routes);
        let leaves_by_it = default_route.as_ref().is_none_or(|route| route.dev == if_name);
        let servers = servers.and_then(|servers| reachable(servers, within.filter(|_| leaves_by_it)));
        let queries =
            servers.map(|servers| servers.into_iter().map(Query::open).collect::<io::Result<Vec<_>>>());
        let inside = Inside {
            has_link: !super::link_is_gone(if_name),
            has_address: address_towards(address) == Some(address),
            has_route: proc_route::leads_out_of(&routes, if_name),
            default_route,
            name_servers: Ok(Vec::new()),
        };
        Ok((inside, queries.map_or_else(|why| Ok(Err(why)), |opened| opened.map(Ok))?))
    })?;
    inside.name_servers = queries.map(dns_query::ask);
    Ok(inside)
}

/// The name servers of programs in the container, and whether each is this host; or why there are none.
fn name_servers(receipt: &Receipt, pids: &[u32]) -> Result<Vec<(bool, NameServer)>, &'static str> {
    let root = processes::root_of(&receipt.id.container_id, receipt.netns_id, pids);
    let root = root.ok_or("no process of it is in its namespace")?;
    let (longest, most) = LIMITS;
    let text = match rooted::read(&root, RESOLV_CONF, longest) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => return Err("it has no /etc/resolv.conf"),
        Err(_) => return Err("its /etc/resolv.conf cannot be read"),
    };
    if resolv_conf::asks_by_tcp(&text) {
        return Err("its /etc/resolv.conf says `use-vc`: it asks by TCP");
    }
    let is_own = |server: &NameServer| match server.address {
        IpAddr::V4(address) => address_towards(address) == Some(address),
        IpAddr::V6(_) => false,
    };
    let named = resolv_conf::name_servers(&text).take(most);
    let servers: Vec<_> = named.map(|server| (is_own(&server), server)).collect();
    if servers.is_empty() { Err("its /etc/resolv.conf names no server") } else { Ok(servers) }
}

/// The servers that packets may reach: with `within`, only those in that range and this host.
fn reachable(
    servers: Vec<(bool, NameServer)>,
    within: Option<Ipv4Net>,
) -> Result<Vec<NameServer>, &'static str> {
    let may_be_asked = |(is_own, server): &(bool, NameServer)| match (server.address, within) {
        (IpAddr::V4(address), Some(range)) => *is_own || address.is_loopback() || range.contains(&address),
        _ => true,
    };
    let asked: Vec<_> = servers.into_iter().filter(may_be_asked).map(|(_, server)| server).collect();
    if asked.is_empty() { Err("its name servers are outside, and egress is none") } else { Ok(asked) }
}
