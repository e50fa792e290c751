//! The observed state of this host.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::attachment::{ABSENT, NO_FAMILY, bad_json, link, table};
use super::gateway;
use super::ipv6;
use super::link::Link;
use super::overlay::ObservedOverlay;
use super::proc_route::{self, DefaultRoute};
use super::resolv_conf::own_resolvers;
use super::ruleset;
use super::source_address::address_towards;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::Executor;
use crate::kernel::host::Host;
use crate::model::command::Command;
use crate::model::config::{Config, IngressGateways, Mtu, OverlayKind, Peer, Peers, Uplink};
use crate::model::desired::{GatewayLink, HostFacts, HostState, Ipv6Facts, OverlayRoute};
use crate::model::plan::{Element, FlowFilter, Place};
use crate::model::types::{Owner, SysctlKey};
use crate::state::names_dir::NamesDir;

/// The observed state of this host.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedHost {
    /// The link with the bridge's name.
    pub bridge: Option<Link>,
    /// The ports of the bridge that [`HostState`] names.
    pub ports: Vec<Link>,
    /// The existing settings among those of [`HostState`].
    pub sysctls: BTreeMap<SysctlKey, u32>,
    /// Whether the kernel supports IPv6.
    pub has_ipv6: bool,
    /// Whether packets to unassigned addresses are rejected.
    pub unreachable: bool,
    /// IPv6 destinations of Flatnet's unreachable routes: this network's, and those that a former address of the bridge is in.
    pub unreachable6: Vec<Ipv6Net>,
    /// The way to containers of other hosts.
    pub overlay: ObservedOverlay,
    /// The state of the tables.
    pub ruleset: ObservedRuleset,
    /// Whether the table `arp` exists, which only bridge ports need.
    pub arp_table: bool,
    /// The resolver, if it runs.
    pub resolver: Option<RunningProgram>,
    /// The service for rootless Podman, if Flatnet has started it.
    pub service: Option<RunningProgram>,
}

/// A process that is one for all networks of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningProgram {
    /// Its process.
    pub pid: u32,
    /// Whether other networks need it, too.
    pub has_other_networks: bool,
}

/// The tables compared with the desired ones.
#[derive(Clone, Debug, PartialEq)]
pub enum ObservedRuleset {
    /// The table does not exist.
    Absent,
    /// The rules differ, or the table `arp` is missing.
    Differs {
        /// Conntrack entries that the desired rules no longer allow.
        closed: Vec<FlowFilter>,
        /// A transaction that restores the loaded tables.
        text: String,
        /// The owner mark of the tables, if any.
        owner: Option<Owner>,
    },
    /// The rules are as desired.
    Same {
        /// The elements with their comments.
        elements: BTreeMap<Element, String>,
    },
}

impl ObservedHost {
    /// A host on which nothing was set up.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            bridge: None,
            ports: Vec::new(),
            sysctls: BTreeMap::new(),
            has_ipv6: true,
            unreachable: false,
            unreachable6: Vec::new(),
            overlay: ObservedOverlay::default(),
            ruleset: ObservedRuleset::Absent,
            arp_table: false,
            resolver: None,
            service: None,
        }
    }
}

/// What `auto` in the configuration means here, and what the kernel supports.
pub fn facts(config: &Config, config_hash: &str, host: &mut Host) -> Result<HostFacts> {
    let default_route = default_route();
    let uplink = match &config.uplink {
        Uplink::None => None,
        Uplink::Dev(name) => Some(name.to_string()),
        Uplink::Auto => default_route.as_ref().map(|route| route.dev.clone()),
    };
    let fib = has_fib(host)?;
    let windows = match wsl_mode(host) {
        // If unknown, assume WSL2's default mode. Otherwise a wslinfo that fails once while WSL2 starts would shut
        // Windows out. The doctor reports it.
        WslMode::Nat | WslMode::Unknown(_) => default_route.and_then(|route| route.via),
        WslMode::NotWsl | WslMode::UserMode | WslMode::Other(_) => None,
    };
    let ingress_gateways: Vec<Ipv4Addr> = match &config.ingress_gateways {
        IngressGateways::List(list) => list.clone(),
        IngressGateways::Auto => windows.into_iter().collect(),
    };
    let gateway_ports = gateway::own_ports(config);
    Ok(HostFacts {
        config_hash: config_hash.to_owned(),
        mtu: mtu(config, uplink.as_deref(), host)?,
        gateway_links: gateway_links(&ingress_gateways, host)?,
        gateway_address: gateway::address(
            config,
            &gateway_ports,
            windows.or(ingress_gateways.first().copied()),
        ),
        windows,
        peers: peers(config)?,
        resolver: super::resolver::how_to_start(config),
        service: super::serve::program(config),
        ingress_gateways,
        containers_ipv6: ipv6(config, fib, host)?,
        ipv6: ipv6::is_supported(),
        uplink,
        gateway_ports,
        resolvers: own_resolvers(config.bridge_address(), &config.dns.servers),
        policy_routing: has_policy_routing(None, host)?,
        host_addresses: if fib { Vec::new() } else { host_addresses(config.bridge_address()) },
        fib,
    })
}

/// The hosts of an overlay that Flatnet makes itself.
fn peers(config: &Config) -> Result<Vec<Peer>> {
    match &config.overlay {
        Some(overlay) if overlay.kind == OverlayKind::Vxlan => {
            Ok(Peers::load(overlay.peers_file(), config)?.hosts)
        }
        _ => Ok(Vec::new()),
    }
}

/// The links to `gateways`. A gateway without a route has none, and may not come in; nor has this host itself,
/// which does not come in by a link.
pub fn gateway_links(gateways: &[Ipv4Addr], host: &mut Host) -> Result<Vec<GatewayLink>> {
    let mut links = Vec::new();
    for &address in gateways {
        let command = Command::new([host.tools.ip.as_str(), "-j", "route", "get", &address.to_string()]);
        let output = host.run(&command, &[])?;
        if !output.success() {
            continue;
        }
        let way = parse_way(&output.stdout).map_err(|cause| bad_json("ip route get", &cause))?;
        links.extend(
            way.and_then(|(dev, source)| Some(GatewayLink { address, dev: dev.parse().ok()?, source })),
        );
    }
    Ok(links)
}

/// The interface and the source address in the output of `ip -j route get`.
fn parse_way(json: &str) -> Result<Option<(String, Ipv4Addr)>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Way {
        dev: Option<String>,
        prefsrc: Option<Ipv4Addr>,
    }
    let ways: Vec<Way> = serde_json::from_str(json)?;
    Ok(ways.into_iter().next().and_then(|way| Some((way.dev?, way.prefsrc?))))
}

/// Whether the routes to `gateways` are still `links`, as far as can be seen without running a program.
#[must_use]
pub fn ways_are(gateways: &[Ipv4Addr], links: &[GatewayLink]) -> bool {
    gateways.iter().all(|gateway| {
        let known = links.iter().find(|link| link.address == *gateway);
        match (known, address_towards(*gateway)) {
            (Some(link), source) => source == Some(link.source) && !super::link_is_gone(link.dev.as_str()),
            (None, None) => true,
            // This host itself.
            (None, Some(source)) => source == *gateway,
        }
    })
}

/// What containers' IPv6 depends on, if they have any.
fn ipv6(config: &Config, fib: bool, host: &mut Host) -> Result<Option<Ipv6Facts>> {
    let Some(mapping) = config.ipv6_mapping().filter(|_| ipv6::is_supported()) else { return Ok(None) };
    let facts = ipv6::facts(mapping.address_of(config.bridge_address()), host)?;
    Ok(Some(if fib { Ipv6Facts { host_addresses: Vec::new(), ..facts } } else { facts }))
}

/// This host's uplink.
#[must_use]
pub fn default_route() -> Option<DefaultRoute> {
    proc_route::default_route(&std::fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default())
}

/// Observes what `desired` names.
pub fn observe(desired: &HostState, host: &mut Host) -> Result<ObservedHost> {
    let sysctls = desired
        .settings
        .iter()
        .map(|setting| setting.key.clone())
        .chain(desired.overlay.as_ref().map(OverlayRoute::no_ipv6))
        .filter_map(|key| super::sysctl(&key).map(|value| (key, value)))
        .collect();
    let bridge = link(&Place::Host, desired.bridge.as_str(), host)?;
    let (mut ruleset, arp_table) = observe_ruleset(desired, host)?;
    // Without a bridge only the table has an owner mark, even if its rules are the same.
    if bridge.is_none() && matches!(ruleset, ObservedRuleset::Same { .. }) {
        let live = live_text(desired, arp_table, host)?;
        let owner = owner_in(&live);
        if owner.is_some() && owner != desired.owner {
            ruleset = ObservedRuleset::Differs { text: live, owner, closed: Vec::new() };
        }
    }
    let refused = refused(host)?;
    Ok(ObservedHost {
        ports: if desired.ports.is_empty() { Vec::new() } else { ports(desired, host)? },
        sysctls,
        has_ipv6: ipv6::is_supported(),
        unreachable: refused.contains(&desired.subnet.into()),
        unreachable6: refused6(desired, bridge.as_ref(), host)?,
        bridge,
        overlay: super::overlay::observe(desired, &refused, host)?,
        ruleset,
        arp_table,
        resolver: resolver(desired, host),
        service: super::serve::process().map(|pid| RunningProgram {
            pid,
            has_other_networks: super::serve::has_other_networks(&desired.network),
        }),
    })
}

fn resolver(desired: &HostState, host: &mut Host) -> Option<RunningProgram> {
    let pid = super::resolver::running(desired, host)?;
    let networks = NamesDir::new(desired.names.clone()).networks();
    Some(RunningProgram {
        pid,
        has_other_networks: networks.iter().any(|network| *network != desired.network),
    })
}

fn observe_ruleset(desired: &HostState, host: &mut Host) -> Result<(ObservedRuleset, bool)> {
    let name = desired.table.as_str();
    let arp = table("arp", name, host)?;
    let has_arp = arp.is_some();
    let Some(mut live) = table("inet", name, host)? else {
        return Ok((ObservedRuleset::Absent, has_arp));
    };
    if desired.bridged {
        live.extend(arp.unwrap_or_default());
    }
    let desired_rules = load_elsewhere(desired, host)?;
    if live.structure == desired_rules.structure {
        return Ok((ObservedRuleset::Same { elements: live.elements }, has_arp));
    }
    let text = live_text(desired, has_arp, host)?;
    let owner = owner_in(&text);
    let (subnet, before, now) = (desired.subnet, live.gateways(), desired_rules.gateways());
    let closed = before
        .difference(&now)
        .map(|&gateway| FlowFilter::Ingress { gateway: gateway.into(), subnet: subnet.into() })
        .collect();
    Ok((ObservedRuleset::Differs { text, owner, closed }, has_arp))
}

/// The loaded tables as nft's text.
fn live_text(desired: &HostState, has_arp: bool, host: &mut Host) -> Result<String> {
    let name = desired.table.as_str();
    let mut text = listing("inet", name, host)?;
    if has_arp {
        text += &listing("arp", name, host)?;
    }
    Ok(text)
}

/// The containers' links that are bridge ports.
fn ports(desired: &HostState, host: &mut Host) -> Result<Vec<Link>> {
    let show = [host.tools.ip.as_str(), "-j", "-d", "link", "show", "type", "veth"];
    let command = Command::new(show);
    let output = host.run(&command, &[])?.checked(&command)?;
    let links = super::link::parse(&output.stdout).map_err(|cause| bad_json("ip link", &cause))?;
    let is_port = |link: &Link| desired.ports.iter().any(|port| link.name == port.as_str());
    Ok(links.into_iter().filter(is_port).collect())
}

/// The owner mark of a table, from its comment in nft's text: nft 1.0.6 omits it from JSON.
fn owner_in(listing: &str) -> Option<Owner> {
    let comment = listing.lines().find_map(|line| line.trim().strip_prefix("comment \"Flatnet "))?;
    let (_, rest) = comment.split_once(" of ")?;
    rest.split_once(':')?.0.parse().ok()
}

/// The addresses of another network of this host, if they contain the subnet of `config`. With an overlay the rules of that network take
/// this one's addresses for other hosts'.
pub fn range_of_another_network(config: &Config, host: &mut Host) -> Result<Option<Ipv4Net>> {
    if config.overlay.is_some() {
        return Ok(None);
    }
    let contains = |to: IpNet| match to {
        IpNet::V4(range) if range != config.subnet && range.contains(&config.subnet) => Some(range),
        _ => None,
    };
    Ok(refused(host)?.into_iter().find_map(contains))
}

/// The destinations of our unreachable routes.
fn refused(host: &mut Host) -> Result<Vec<IpNet>> {
    let show = ["route", "show", "type", "unreachable", "proto", "87"];
    let routes = super::attachment::routes(&Place::Host, &show, host)?;
    Ok(routes.into_iter().map(|route| route.to).collect())
}

/// The IPv6 destinations of our unreachable routes that are, or were, of this network: another network of this host has others.
fn refused6(desired: &HostState, bridge: Option<&Link>, host: &mut Host) -> Result<Vec<Ipv6Net>> {
    let of_bridge = bridge.map_or(&[][..], |bridge| &bridge.ipv6);
    if desired.ipv6.is_none() && of_bridge.is_empty() {
        return Ok(Vec::new());
    }
    let show = ["-6", "route", "show", "type", "unreachable", "proto", "87"];
    let routes = super::attachment::routes(&Place::Host, &show, host)?;
    let is_own = |to: &Ipv6Net| {
        desired.ipv6.is_some_and(|ipv6| ipv6.subnet == *to)
            || of_bridge.iter().any(|address| IpNet::from(*to).contains(&address.addr()))
    };
    let to = |route: super::route::Route| if let IpNet::V6(to) = route.to { Some(to) } else { None };
    Ok(routes.into_iter().filter_map(to).filter(is_own).collect())
}

/// The desired tables as nft prints them: loaded in a temporary network namespace.
fn load_elsewhere(desired: &HostState, host: &mut Host) -> Result<ruleset::Ruleset> {
    let json = list_elsewhere(desired, "-j list ruleset", host)?;
    ruleset::parse(&json).map_err(|cause| bad_json("nft", &cause))
}

/// The output of `nft LISTING` in a namespace with only the desired tables.
fn list_elsewhere(desired: &HostState, listing: &str, host: &mut Host) -> Result<String> {
    let script = format!(r#""$0" -f - && exec "$0" {listing}"#);
    let command = Command::new([
        host.tools.unshare.as_str(),
        "--net",
        // If that takes too long, the nft that the shell started is killed with it.
        "--pid",
        "--kill-child",
        "--",
        "sh",
        "-c",
        script.as_str(),
        host.tools.nft.as_str(),
    ])
    .stdin(desired.ruleset.clone());
    Ok(host.run(&command, &[])?.checked(&command)?.stdout)
}

/// The desired tables as nft's text.
pub fn desired_listing(desired: &HostState, host: &mut Host) -> Result<String> {
    list_elsewhere(desired, "list ruleset", host)
}

/// The loaded tables as nft's text; missing ones are omitted.
pub fn live_listing(desired: &HostState, host: &mut Host) -> Result<String> {
    let mut text = String::new();
    for family in ["inet", "arp"] {
        let command =
            Command::new([host.tools.nft.as_str(), "list", "table", family, desired.table.as_str()]);
        let output = host.run(&command, &[])?;
        if output.success() {
            text.push_str(&output.stdout);
        } else if !(output.complains(ABSENT) || family == "arp" && output.complains(NO_FAMILY)) {
            output.checked(&command)?;
        }
    }
    Ok(text)
}

/// The names of all bridges on this host.
pub fn bridges(host: &mut Host) -> Result<Vec<String>> {
    let command = Command::new([host.tools.ip.as_str(), "-j", "-d", "link", "show", "type", "bridge"]);
    let output = host.run(&command, &[])?.checked(&command)?;
    let links = super::link::parse(&output.stdout).map_err(|cause| bad_json("ip link", &cause))?;
    Ok(links.into_iter().map(|link| link.name).collect())
}

/// A transaction that restores the loaded table.
fn listing(family: &str, name: &str, host: &mut Host) -> Result<String> {
    let command = Command::new([host.tools.nft.as_str(), "list", "table", family, name]);
    let output = host.run(&command, &[])?.checked(&command)?;
    Ok(format!("table {family} {name}\ndelete table {family} {name}\n{}", output.stdout))
}

fn mtu(config: &Config, uplink: Option<&str>, host: &mut Host) -> Result<u32> {
    match (config.mtu, uplink) {
        (Mtu::Bytes(bytes), _) => Ok(bytes),
        (Mtu::Auto, None) => Ok(1500),
        (Mtu::Auto, Some(name)) => Ok(link(&Place::Host, name, host)?
            .ok_or_else(|| Error::new(Kind::NoUplink, format!("uplink: there is no interface {name}")))?
            .mtu),
    }
}

/// WSL2's networking mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WslMode {
    /// This is not WSL2.
    NotWsl,
    /// NAT: Windows is a router, and the next hop of this host's default route.
    Nat,
    /// NAT, but the default route leads to the relay of podman machine's user-mode networking, in all distributions.
    UserMode,
    /// Another mode: mirrored, virtioproxy, none.
    Other(String),
    /// `wslinfo` exists but failed, with the reason.
    Unknown(String),
}

/// Queries WSL2.
pub fn wsl_mode(executor: &mut dyn Executor) -> WslMode {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if !release.to_lowercase().contains("microsoft") {
        return WslMode::NotWsl;
    }
    let command = Command::new(["wslinfo", "--networking-mode"]);
    match executor.run(&command, &[]).and_then(|output| output.checked(&command)) {
        Ok(output) => match output.stdout.trim() {
            "nat" => nat(default_route().as_ref()),
            "" => WslMode::Unknown("`wslinfo --networking-mode` prints nothing".to_owned()),
            other => WslMode::Other(other.to_owned()),
        },
        // Before WSL 2.0.4 there was no wslinfo, and only NAT.
        Err(error) if error.kind() == Kind::ToolMissing => nat(default_route().as_ref()),
        Err(error) => WslMode::Unknown(error.message().to_owned()),
    }
}

/// The link and the next hop of podman machine's user-mode networking (`pkg/machine/wsl/usermodenet.go` of Podman).
const USER_MODE: (&str, Ipv4Addr) = ("podman-usermode", Ipv4Addr::new(192, 168, 127, 1));

fn nat(route: Option<&DefaultRoute>) -> WslMode {
    let leads_to_relay = |route: &DefaultRoute| route.dev == USER_MODE.0 || route.via == Some(USER_MODE.1);
    if route.is_some_and(leads_to_relay) { WslMode::UserMode } else { WslMode::Nat }
}

/// Whether this kernel and nft support `fib`. Only nft's own error proves that they do not.
fn has_fib(host: &mut Host) -> Result<bool> {
    let command = Command::new([host.tools.nft.as_str(), "-c", "-f", "-"]).stdin(
        "table inet flatnet-probe { chain c { type nat hook prerouting priority 0; fib daddr type local accept; }; }\n",
    );
    let output = host.run(&command, &[])?;
    if output.success() {
        return Ok(true);
    }
    if rustix::process::geteuid().is_root() {
        return if output.complains("Error: ") { Ok(false) } else { output.checked(&command).map(|_| false) };
    }
    // Without root, nft can be run in a namespace of its own.
    let unshare = [host.tools.unshare.as_str(), "--map-root-user", "--net", "--"];
    let command =
        Command { argv: unshare.map(str::to_owned).into_iter().chain(command.argv).collect(), ..command };
    Ok(host.run(&command, &[]).is_ok_and(|output| output.success()))
}

/// Whether this kernel supports policy routing (`CONFIG_IP_MULTIPLE_TABLES`), or with the `family` `-6` that of IPv6
/// (`CONFIG_IPV6_MULTIPLE_TABLES`).
pub(super) fn has_policy_routing(family: Option<&str>, host: &mut Host) -> Result<bool> {
    let words = [host.tools.ip.as_str()].into_iter().chain(family).chain(["rule", "show"]);
    let command = Command::new(words);
    let output = host.run(&command, &[])?;
    if output.complains("not supported") { Ok(false) } else { output.checked(&command).map(|_| true) }
}

/// This host's own IPv4 addresses, from `/proc/net/fib_trie`, except loopback and the bridge's, which are in
/// the ruleset anyway.
#[must_use]
pub fn host_addresses(bridge: Ipv4Addr) -> Vec<Ipv4Addr> {
    let mut found =
        parse_fib_trie(&std::fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap_or_default());
    found.retain(|address| !address.is_loopback() && *address != bridge);
    found
}

/// The addresses before a line `/32 host LOCAL`, sorted.
fn parse_fib_trie(text: &str) -> Vec<Ipv4Addr> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found: Vec<Ipv4Addr> = lines
        .windows(2)
        .filter(|pair| pair[1] == "/32 host LOCAL")
        .filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse().ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_parsed_from_fib_trie() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.5\n        /32 host LOCAL\n\
                    \n     |-- 10.0.0.255\n        /32 link BROADCAST\n     |-- 10.0.0.5\n        /32 host LOCAL\n";
        let desired: Vec<Ipv4Addr> = vec!["10.0.0.5".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        assert_eq!(parse_fib_trie(text), desired);
    }

    #[test]
    fn owner_is_read_from_table_comment() {
        let table =
            |comment: &str| format!("table inet flatnet {{\n\tcomment \"{comment}\"\n\n\tset bindings {{\n");
        let of = |comment: &str| owner_in(&table(comment)).map(|owner| owner.to_string());
        let desired = Some("Debian-0123456789ab".to_owned());
        assert_eq!(of("Flatnet 0.1.0 of Debian-0123456789ab: generated, flatnet up replaces it"), desired);
        assert_eq!(of("Flatnet 0.1.0: generated, flatnet up replaces it"), None);
        assert_eq!(owner_in(""), None);
    }

    /// Output of iproute2 6.1.
    #[test]
    fn route_to_ingress_gateway_gives_link_and_source() {
        let json = r#"[{"dst":"8.8.8.8","gateway":"172.27.0.1","dev":"eth0","prefsrc":"172.27.0.2","flags":[],"uid":0,"cache":[]}]"#;
        assert_eq!(parse_way(json).unwrap(), Some(("eth0".to_owned(), Ipv4Addr::new(172, 27, 0, 2))));
        assert_eq!(parse_way("[{}]").unwrap(), None);
    }
}
