//! The text that makes the nft tables, from `templates/ruleset.nft.j2`.

use std::collections::BTreeSet;

use minijinja::{Environment, context};
use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::desired::{Attached, HostFacts};
use crate::model::plan::{Element, TableElement};
use crate::model::types::{LinkGroup, Owner};

const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/ruleset.nft.j2"));

/// The whole transaction: it replaces the table `inet` and, where containers are bridged, the table `arp`, with the elements
/// of those who are `attached`. Every value in it comes from a type that cannot hold anything nft would take for syntax.
pub fn render(
    config: &Config,
    facts: &HostFacts,
    owner: Option<&Owner>,
    attached: &Attached,
) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    let Lists { bindings, frame_bindings, published } = lists(&attached.elements);
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
                fib => facts.fib,
                host_addresses => facts.host_addresses,
                resolvers => facts.resolvers,
                gateway_ports => facts.gateway_ports,
                gateways => facts.gateway_links,
                host_ports => config.host_ports.iter()
                    .map(|open| json!({"proto": open.protocol, "port": open.port})).collect::<Vec<_>>(),
                bindings,
                frame_bindings,
                published,
            },
        )
        .map_err(|cause| {
            Error::new(Kind::Internal, "the ruleset's template cannot be rendered").source(cause)
        })
}

/// The elements of each set and map, as the template has them.
#[derive(Default)]
struct Lists {
    bindings: Vec<Value>,
    frame_bindings: Vec<Value>,
    published: Vec<Value>,
}

fn lists(elements: &BTreeSet<TableElement>) -> Lists {
    let mut lists = Lists::default();
    for TableElement { table: _, element, container_id } in elements {
        let id = container_id.comment();
        match element {
            Element::Binding { dev, address } => {
                lists.bindings.push(json!({"dev": dev, "address": address, "id": id}));
            }
            Element::FrameBinding { mac, address } => {
                lists.frame_bindings.push(json!({"mac": mac, "address": address, "id": id}));
            }
            // The template renders one list into both tables.
            Element::ArpBinding { .. } => {}
            Element::Published { port, address } => lists.published.push(json!({
                "proto": port.protocol, "host_ip": port.host_ip, "host_port": port.host_port,
                "address": address, "port": port.container_port, "id": id,
            })),
        }
    }
    lists
}
