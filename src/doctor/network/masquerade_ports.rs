//! Only masqueraded connections of containers use `masquerade_ports`.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::own_ports::{self, Listener};
use crate::model::config::Egress;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "masquerade-ports",
    group: Group::Network,
    looks_at: "services of this host, published ports and the ephemeral port range of this host, compared with `masquerade_ports`",
    shows: "occasionally a reply meant for a service of this host or a published port goes to a container",
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
    // A runtime may listen on the ports that it publishes: these belong to the container.
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
                "a program on this host listens on {port}/{protocol}, which is within masquerade_ports {range}"
            ))
            .help(format!(
                "`ss -lnp 'sport = {port}'` shows the program; move it to another port, or narrow `masquerade_ports`"
            ))
        })
        .collect();
    for receipt in receipts() {
        for port in receipt.ports.iter().filter(|port| range.contains(port.host_port)) {
            let what = format!(
                "container {} publishes {port}, which is within masquerade_ports {range}",
                receipt.label()
            );
            found.push(
                Finding::warning(what)
                    .help("New ports in this range are rejected; this one is older. Publish another port, or narrow `masquerade_ports`"),
            );
        }
    }
    if let Some((from, to)) =
        own_ports::local_range().filter(|(from, to)| *from <= range.to && range.from <= *to)
    {
        found.push(
            Finding::warning(format!(
                "net.ipv4.ip_local_port_range {from}-{to} overlaps with masquerade_ports {range}"
            ))
            .help("Narrow `masquerade_ports` or net.ipv4.ip_local_port_range"),
        );
    }
    if found.is_empty() {
        found.push(Finding::good(format!("only connections of containers use {range}")));
    }
    Ok(found)
}
