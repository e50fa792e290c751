//! The netavark plugin, API 1.0.0:
//! <https://github.com/containers/netavark/blob/main/plugin-API.md>.
//!
//! `create` and `info` answer queries; `setup` and `teardown` make a
//! [`crate::model::request::Request`] for the same engine as CNI.

mod call;
mod create;

use serde_json::{Map, Value, json};

pub use call::Call;

use call::Verb;

use crate::error::Result;
use crate::faces::plugin;
use crate::faces::rootless::client;
use crate::model::request::Attached;

/// The version of the plugin API.
const API_VERSION: &str = "1.0.0";

/// Whether `argument`, the first one, is a command of netavark's plugin protocol.
#[must_use]
pub fn is_command(argument: &str) -> bool {
    ["create", "setup", "teardown", "info"].contains(&argument)
}

/// Handles this process's call: prints the answer or the error, returns the exit status.
#[must_use]
pub fn run(arguments: &[String]) -> u8 {
    let (document, status) = answer(arguments, plugin::read_stdin, carry_out);
    document.map_or(status, |document| plugin::end(&document, status))
}

/// Handles one call; returns the output and the exit status. Only `carry_out`, which runs after parsing, touches the
/// host.
pub fn answer(
    arguments: &[String],
    stdin: impl FnOnce() -> Result<Vec<u8>>,
    carry_out: impl FnOnce(Call) -> Result<Option<Value>>,
) -> (Option<Value>, u8) {
    match Call::parse(arguments, stdin).and_then(carry_out) {
        Ok(answer) => (answer, 0),
        Err(error) => (Some(json!({"error": error.to_line()})), 1),
    }
}

/// Runs the call and returns the answer, if the command has one.
fn carry_out(Call(verb): Call) -> Result<Option<Value>> {
    match verb {
        Verb::Info => Ok(Some(json!({"version": env!("CARGO_PKG_VERSION"), "api_version": API_VERSION}))),
        Verb::Create { network, name, config } => create::create(network, &name, &config).map(Some),
        Verb::Setup { request, name, .. } if client::is_needed() => {
            let report = |attached: &Attached| plugin::answer(&status_block(attached));
            client::attach(name.parse()?, &request, report).map(|()| None)
        }
        Verb::Teardown { id, name, .. } if client::is_needed() => {
            client::detach(name.parse()?, id).map(|()| None)
        }
        Verb::Setup { request, name, config } => {
            let report = |attached: &Attached| plugin::answer(&status_block(attached));
            plugin::engine(&config, &name)?.attach(&request, report).map(|()| None)
        }
        Verb::Teardown { id, name, config } => {
            plugin::engine_to_detach(&config, &name)?.detach(&id).map(|()| None)
        }
    }
}

/// netavark's `StatusBlock`.
fn status_block(attached: &Attached) -> Value {
    let subnet = |address| json!({"ipnet": address, "gateway": attached.next_hop(address)});
    let subnets: Vec<Value> = attached.addresses.nets().map(subnet).collect();
    let interface = json!({"mac_address": attached.mac, "subnets": subnets});
    let mut interfaces = Map::new();
    interfaces.insert(attached.if_name.to_string(), interface);
    let dns = &attached.dns;
    json!({"dns_server_ips": dns.servers, "dns_search_domains": dns.search, "interfaces": interfaces})
}
