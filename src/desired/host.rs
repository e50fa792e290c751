//! The wanted state of this host.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::config::{Bridging, Config};
use crate::error::Result;
use crate::plan::TableElement;
use crate::receipt::Receipt;
use crate::ruleset;
use crate::types::{IfName, LinkAlias, Mac, SysctlKey, TableName};

/// What `auto` in the configuration means on this host, and what its kernel can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Of the configuration that they were found for.
    pub config_hash: String,
    /// Bytes, of the bridge and of every container.
    pub mtu: u32,
    /// The interface towards the world.
    pub uplink: Option<String>,
    /// Who may open connections to containers from outside.
    pub ingress_gateways: Vec<Ipv4Addr>,
    /// Whether the ruleset can ask the kernel which addresses are this host's (`fib daddr type local`).
    pub fib: bool,
    /// This host's addresses but loopback and the bridge's; kept only where the kernel cannot be asked.
    #[serde(default)]
    pub host_addresses: Vec<Ipv4Addr>,
}

/// The wanted state of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostState {
    /// The name of the nft tables.
    pub table: TableName,
    /// The bridge.
    pub bridge: IfName,
    /// Its fixed address.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// The mark by which it is known as ours.
    pub alias: LinkAlias,
    /// Its address.
    pub address: Ipv4Net,
    /// Settings of the kernel, in the order in which they are made.
    pub settings: Vec<Setting>,
    /// The text that makes both tables.
    pub ruleset: String,
    /// What the tables hold for the containers that are attached.
    pub elements: BTreeSet<TableElement>,
}

/// One setting of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The sysctl.
    pub key: SysctlKey,
    /// Its wanted value.
    pub value: u32,
    /// Whether it belongs to the bridge and goes with it.
    pub of_bridge: bool,
    /// Why.
    pub why: &'static str,
}

impl HostState {
    /// What `config` means with `facts`, while the attachments of `receipts` are there.
    pub fn new(config: &Config, facts: &HostFacts, receipts: &[Receipt]) -> Result<Self> {
        let table = config.network.table();
        let elements: BTreeSet<TableElement> =
            receipts.iter().flat_map(|receipt| receipt.elements(&table)).collect();
        Ok(Self {
            bridge: config.bridge.clone(),
            mac: Mac::of_container(config.bridge_address()),
            mtu: facts.mtu,
            alias: LinkAlias::of_bridge(&config.network),
            address: config.bridge_net(),
            settings: settings(&config.bridge, config.bridging == Bridging::Isolated),
            ruleset: ruleset::render(config, facts, &elements)?,
            elements,
            table,
        })
    }
}

fn settings(bridge: &IfName, isolated: bool) -> Vec<Setting> {
    let of_bridge = |key, value, why| Setting { key, value, of_bridge: true, why };
    let why_proxy_arp = if isolated {
        "this host answers ARP for containers, which are isolated from one another"
    } else {
        "containers answer one another's ARP themselves"
    };
    vec![
        of_bridge(SysctlKey::ipv4_conf(bridge, "proxy_arp_pvlan"), u32::from(isolated), why_proxy_arp),
        of_bridge(SysctlKey::ipv4_neigh(bridge, "proxy_delay"), 0, "and answers at once"),
        of_bridge(
            SysctlKey::ipv4_conf(bridge, "send_redirects"),
            0,
            "containers have no other way than this host",
        ),
        of_bridge(SysctlKey::ipv4_conf(bridge, "accept_redirects"), 0, "containers tell this host no routes"),
        of_bridge(
            SysctlKey::ipv4_conf(bridge, "route_localnet"),
            1,
            "published ports answer at 127.0.0.1; the ruleset drops 127/8 from any wire",
        ),
        of_bridge(
            SysctlKey::ipv6_conf(bridge, "disable_ipv6"),
            1,
            "no IPv6 between this host and containers",
        ),
        Setting {
            key: SysctlKey::ip_forward(),
            value: 1,
            of_bridge: false,
            why: "this host forwards between containers, Windows and the world",
        },
    ]
}
