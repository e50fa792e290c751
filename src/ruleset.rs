//! The text that makes both nft tables, from `templates/ruleset.nft.j2`.

use std::collections::BTreeSet;

use minijinja::{Environment, context};
use serde_json::{Value, json};

use crate::config::{Bridging, Config};
use crate::desired::HostFacts;
use crate::error::{Error, Kind, Result};
use crate::plan::{Element, TableElement};

const TEMPLATE: &str = include_str!("../templates/ruleset.nft.j2");

/// The whole transaction: it replaces both tables, with `elements` in them. Every value in it comes from a type
/// that cannot hold anything nft would take for syntax.
pub fn render(config: &Config, facts: &HostFacts, elements: &BTreeSet<TableElement>) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    let (bindings, published) = lists(elements);
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
                isolated => config.bridging == Bridging::Isolated,
                egress => config.egress,
                fib => facts.fib,
                host_addresses => facts.host_addresses,
                gateways => facts.ingress_gateways,
                host_ports => config.host_ports.iter()
                    .map(|open| json!({"proto": open.protocol, "port": open.port})).collect::<Vec<_>>(),
                bindings,
                published,
            },
        )
        .map_err(|cause| {
            Error::new(Kind::Internal, "the ruleset's template cannot be rendered").source(cause)
        })
}

fn lists(elements: &BTreeSet<TableElement>) -> (Vec<Value>, Vec<Value>) {
    let mut bindings = Vec::new();
    let mut published = Vec::new();
    for TableElement { table: _, element, container_id } in elements {
        let id = container_id.comment();
        match element {
            Element::Binding { mac, address } => {
                bindings.push(json!({"mac": mac, "address": address, "id": id}));
            }
            // The template renders one list into both tables.
            Element::ArpBinding { .. } => {}
            Element::Published { port, address } => published.push(json!({
                "proto": port.protocol, "host_ip": port.host_ip, "host_port": port.host_port,
                "address": address, "port": port.container_port, "id": id,
            })),
        }
    }
    (bindings, published)
}
