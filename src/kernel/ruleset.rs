//! Renders the nft tables from `templates/ruleset.nft.j2`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use minijinja::{Environment, context};
use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::kernel::sets::{Entry, SETS, Set};
use crate::model::config::{Config, Ipv6, ROUTES_PORT, VXLAN_PORT};
use crate::model::desired::{Attached, HostFacts, Tunnel, TunnelPeer};
use crate::model::plan::TableElement;
use crate::model::types::{LinkGroup, Owner};

const TEMPLATE: &str = include_str!("../../templates/ruleset.nft.j2");

/// The whole transaction. It replaces the table `inet` and, if containers are bridged, the table `arp`, with
/// the elements of `attached`. Every value in it has a type that cannot hold nft syntax.
pub fn render(
    config: &Config,
    facts: &HostFacts,
    owner: Option<&Owner>,
    attached: &Attached,
) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment
        .render_str(
            TEMPLATE,
            context! {
                version => env!("CARGO_PKG_VERSION"),
                table => config.network.table(),
                bridge => config.bridge,
                bridge_address => config.bridge_address(),
                subnet => config.subnet,
                range => config.range,
                group => LinkGroup::of_network(&config.network),
                owner,
                bridged => attached.is_bridged(config),
                masquerade_ports => config.masquerade_ports.to_string(),
                egress => config.egress,
                overlay => config.overlay.as_ref().map(|overlay| json!({
                    "interface": overlay.interface, "network": overlay.network,
                    "tunnel": Tunnel::new(config, facts).as_ref().map(guard),
                    // An address of a host's bridge ends in the same way in each subnet.
                    "host_mask": config.subnet.hostmask(), "bridge_part": config.bridge_address() & config.subnet.hostmask(),
                    "routes_port": ROUTES_PORT,
                })),
                names => config.names.enabled,
                name_clients => config.names.clients.iter().map(ToString::to_string).collect::<Vec<_>>(),
                fib => facts.fib,
                host_addresses => facts.host_addresses,
                resolvers => facts.resolvers,
                ipv6 => ipv6(config, facts),
                gateway_ports => facts.gateway_ports,
                gateways => facts.gateway_links,
                host_ports => config.host_ports.iter()
                    .map(|open| json!({"proto": open.protocol, "port": open.port})).collect::<Vec<_>>(),
                elements => lists(&attached.elements),
            },
        )
        .map_err(|cause| {
            Error::new(Kind::Internal, "the ruleset's template cannot be rendered").source(cause)
        })
}

/// What the rules about IPv6 need; nothing if containers have none.
fn ipv6(config: &Config, facts: &HostFacts) -> Option<serde_json::Value> {
    let (mapping, facts) = (facts.ipv6_mapping(config)?, facts.containers_ipv6.as_ref()?);
    Some(json!({
        "bridge_address": mapping.address_of(config.bridge_address()),
        "subnet": mapping.net_of(config.subnet),
        "range": mapping.prefix(),
        "translated": config.ipv6 == Ipv6::Auto,
        "reject": facts.reject,
        "host_addresses": facts.host_addresses,
    }))
}

/// What packets of VXLAN must be like. Inside of one, addresses are numbers.
fn guard(tunnel: &Tunnel) -> serde_json::Value {
    let inner = |address: Ipv4Addr| format!("{:#010x}", address.to_bits());
    let of_peer = |peer: &TunnelPeer| {
        let (first, last) = (inner(peer.subnet.network()), inner(peer.subnet.broadcast()));
        [format!("{} . {first}-{last}", peer.at), format!("{} . {}", peer.at, inner(peer.address))]
    };
    json!({
        "port": VXLAN_PORT,
        "vni": tunnel.link.vni,
        "mac": format!("{:#014x}", tunnel.link.mac.to_bits()),
        "sources": tunnel.peers.iter().flat_map(of_peer).collect::<Vec<_>>(),
    })
}

/// The elements of each set and map for the template, by family and name, such as `arp_bindings`.
fn lists(elements: &BTreeSet<TableElement>) -> BTreeMap<String, Vec<String>> {
    let name = |set: &Set| format!("{}_{}", set.family, set.name);
    let mut lists: BTreeMap<_, _> = SETS.iter().map(|set| (name(set), Vec::new())).collect();
    for TableElement { table: _, element, container_id } in elements {
        let entry = Entry::of(element);
        lists.entry(name(entry.set)).or_default().push(entry.with_comment(container_id));
    }
    lists
}
