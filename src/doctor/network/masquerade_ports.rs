//! The ports that connections of containers get: nobody else may use them.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::own_ports::{self, Listener};
use crate::model::config::Egress;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "masquerade-ports",
    group: Group::Network,
    looks_at: "services of this host and published ports inside `masquerade_ports`, and the ports that this host's own programs get",
    shows: "now and then an answer for a service of this host, or for a published port, goes to another container",
    needs: Needs::Attachments,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let config = &context.engine.config;
    if config.egress == Egress::None {
        return Ok(vec![Finding::not_applicable("egress is none: nothing is masqueraded")]);
    }
    let range = config.masquerade_ports;
    let receipts = || context.attachments.iter().map(|attachment| &attachment.receipt);
    // A runtime may hold the ports that it publishes: those are the container's.
    let is_published = |Listener { protocol, port }: &Listener| {
        receipts()
            .flat_map(|receipt| &receipt.ports)
            .any(|one| (one.protocol, one.host_port) == (*protocol, *port))
    };
    let inside = |listener: &Listener| range.contains(listener.port) && !is_published(listener);
    let mut found: Vec<Finding> = own_ports::listeners()
        .into_iter()
        .filter(inside)
        .map(|Listener { protocol, port }| {
            Finding::warning(format!(
                "a program of this host listens at {port}/{protocol}, inside masquerade_ports {range}"
            ))
            .help(format!(
                "See which by `ss -lnp 'sport = {port}'`; give it another port, or narrow `masquerade_ports`"
            ))
        })
        .collect();
    for receipt in receipts() {
        for port in receipt.ports.iter().filter(|port| range.contains(port.host_port)) {
            let what =
                format!("container {} publishes {port}, inside masquerade_ports {range}", receipt.label());
            found.push(
                Finding::warning(what)
                    .help("It was published before that was refused: publish another port, or narrow `masquerade_ports`"),
            );
        }
    }
    if let Some((from, to)) =
        own_ports::local_range().filter(|(from, to)| *from <= range.to && range.from <= *to)
    {
        found.push(
            Finding::warning(format!(
                "programs of this host get the ports {from} to {to}, and masquerade_ports is {range}: they share some"
            ))
            .help("Narrow `masquerade_ports`, or net.ipv4.ip_local_port_range"),
        );
    }
    if found.is_empty() {
        found.push(Finding::good(format!("nobody but connections of containers uses {range}")));
    }
    Ok(found)
}
