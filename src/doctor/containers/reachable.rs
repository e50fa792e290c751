//! The path from this host to each container, layer by layer: link, route and address, ping, listening TCP ports, and its
//! name at the gateway.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::doctor::context::describe;
use crate::doctor::gateway::by_name;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::link;
use crate::kernel::observe::netns::Netns;
use crate::kernel::render;
use crate::kernel::tools;
use crate::model::command::Command;
use crate::model::plan::{Op, Place};
use crate::model::types::Protocol;
use crate::state::receipt::Receipt;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "reachable",
    group: Group::Containers,
    looks_at: "the path from this host to each container: link, route, address, ping, TCP ports, its name at the gateway; stops at the first layer that fails",
    shows: "`curl http://ADDRESS/` on this host hangs or is refused",
    needs: Needs::Attachments,
    quick: false,
    look,
};

/// The number of parallel requests.
const AT_ONCE: usize = 32;
/// The time limit for an answer of a container on this host.
const PATIENCE: Duration = Duration::from_secs(1);

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let running = context.running();
    if running.is_empty() {
        return Ok(vec![Finding::not_applicable("no container is running")]);
    }
    if let Err(why) = context.plan_of_set_up_host() {
        return Ok(vec![Finding::not_looked(why)]);
    }
    let (up, mut found) = with_carrier(context, &running)?;
    let answering = if tools::find("ping").is_ok() { ping(context, &up, &mut found) } else { up };
    let (mut ports, flatnet) = (0, context.program());
    for receipt in &answering {
        ports += tcp(receipt, &flatnet, &mut found);
    }
    let by_name = by_name::through(context, &answering, &mut found);
    if found.is_empty() {
        let how = if tools::find("ping").is_ok() { "ping and " } else { "" };
        let who = if running.len() == 1 {
            "1 container answers".to_owned()
        } else {
            format!("{} containers answer", running.len())
        };
        let named = if by_name == 0 { String::new() } else { format!(", {by_name} by name at the gateway") };
        found.push(Finding::good(format!("{who} {how}on {ports} TCP ports{named}")));
    }
    Ok(found)
}

/// First layer: both ends of the container's veth pair are up.
fn with_carrier<'a>(
    context: &mut Context,
    receipts: &'a [Receipt],
) -> Result<(Vec<&'a Receipt>, Vec<Finding>)> {
    let ip = context.engine.host.tools.ip.clone();
    let state = link::carriers(&context.stdout(&Command::new([
        ip.as_str(),
        "-j",
        "link",
        "show",
        "type",
        "veth",
    ]))?);
    let (mut up, mut found) = (Vec::new(), Vec::new());
    for receipt in receipts {
        if state.get(receipt.host_link.as_str()) == Some(&true) {
            up.push(receipt);
        } else {
            found.push(
                stopped(
                    receipt,
                    "at the link",
                    &format!("{} has no carrier: one end is down", receipt.host_link),
                )
                .commands([context.up_or_repair()]),
            );
        }
    }
    Ok((up, found))
}

/// Second layer: ping. Without an answer, the layers below are examined.
fn ping<'a>(context: &mut Context, receipts: &[&'a Receipt], found: &mut Vec<Finding>) -> Vec<&'a Receipt> {
    let mut answering = Vec::new();
    for some in receipts.chunks(AT_ONCE) {
        let commands: Vec<Command> = some
            .iter()
            .map(|receipt| {
                Command::new([
                    "ping",
                    "-n",
                    "-q",
                    "-c",
                    "2",
                    "-i",
                    "0.2",
                    "-W",
                    "1",
                    &receipt.address().to_string(),
                ])
            })
            .collect();
        for (receipt, output) in some.iter().zip(context.run_all(&commands)) {
            if output.is_ok_and(|output| output.success()) {
                answering.push(*receipt);
            } else {
                found.push(unanswered(context, receipt));
            }
        }
    }
    answering
}

fn unanswered(context: &mut Context, receipt: &Receipt) -> Finding {
    match first_missing(context, receipt) {
        Ok(None) => {}
        Ok(Some((layer, why))) => return stopped(receipt, layer, &why).commands([context.up_or_repair()]),
        Err(error) => return Finding::of_error(&error, &context.program()),
    }
    let inside = format!("look inside: `nsenter --net={} ip -d addr`", receipt.netns);
    if receipt.mode().is_bridged() && !answers_arp(context, receipt) {
        return stopped(receipt, "at the neighbour", "the container does not answer ARP")
            .commands([receipt.id.container_id.by_podman("restart")])
            .help(format!("Before restarting, {inside}"));
    }
    stopped(receipt, "at ping", "its link, address and routes are unchanged, but it does not answer ping").help(
        format!(
            "Rules inside the container may drop ping, which affects only this check. Otherwise find the rule that counts \
             the packets with `nft list ruleset`, or {inside}"
        ),
    )
}

/// The first missing step of the attachment, with its layer.
fn first_missing(context: &mut Context, receipt: &Receipt) -> Result<Option<(&'static str, String)>> {
    let plan = context.engine.plan_attachment(receipt)?;
    Ok(plan.steps.first().map(|step| (layer(&step.op), format!("missing: {}", render::line(&step.op)))))
}

fn layer(op: &Op) -> &'static str {
    match op {
        Op::LinkSet { place: Place::Host, .. } | Op::VethAdd { .. } => "at the link",
        Op::RouteAdd { place: Place::Host, .. } => "at the route to it",
        Op::FdbAdd { .. } => "at the bridge's port",
        Op::ElementAdd(_) => "at the rules",
        _ => "at the container's end",
    }
}

/// Whether a bridged container answers ARP.
fn answers_arp(context: &mut Context, receipt: &Receipt) -> bool {
    let (ip, bridge) = (context.engine.host.tools.ip.clone(), context.engine.config.bridge.to_string());
    let address = receipt.address().to_string();
    let command = Command::new([ip.as_str(), "neigh", "show", &address, "dev", &bridge]);
    is_known(&context.stdout(&command).unwrap_or_default())
}

/// Whether the output of `ip neigh show` has the neighbour's MAC.
fn is_known(neighbour: &str) -> bool {
    neighbour.contains("lladdr") && !neighbour.contains("FAILED")
}

/// Third layer: listening and published TCP ports. Returns how many answer.
fn tcp(receipt: &Receipt, flatnet: &str, found: &mut Vec<Finding>) -> usize {
    let address = receipt.address();
    let listening = match Netns::open(&receipt.netns).and_then(|netns| netns.listening(address)) {
        Ok(ports) => ports,
        Err(error) => {
            found.push(Finding::of_error(&error, flatnet));
            return 0;
        }
    };
    let published = receipt.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
    for port in published.filter(|port| !listening.contains_key(&port.container_port)) {
        found.push(
            Finding::warning(format!("{}: it publishes {port}, but nothing in the container listens there", describe(receipt)))
                .help(format!(
                    "The program may have exited, may not have started yet, or may listen on 127.0.0.1 only: see `{}`",
                    receipt.id.container_id.by_podman("logs")
                )),
        );
    }
    let mut open = 0;
    let mut closed = Vec::new();
    for (port, is_sure) in listening {
        match refusal(address, port) {
            None => open += 1,
            // It may listen on IPv6 only.
            Some(REFUSED) if !is_sure => {}
            Some(why) => closed.push(format!("{port} {why}")),
        }
    }
    if !closed.is_empty() {
        let why = format!("it listens, but does not answer this host: {}", closed.join(", "));
        found.push(
            stopped(receipt, "at TCP", &why)
                .help("The program may be busy, or rules inside the container reject this host"),
        );
    }
    open
}

const REFUSED: &str = "refuses";

/// Why a connection fails; `None` if it succeeds.
fn refusal(address: Ipv4Addr, port: u16) -> Option<&'static str> {
    let to = SocketAddr::from((address, port));
    let error = TcpStream::connect_timeout(&to, PATIENCE).err()?;
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => REFUSED,
        ErrorKind::TimedOut => "does not answer",
        _ => "cannot be reached",
    })
}

fn stopped(receipt: &Receipt, layer: &str, why: &str) -> Finding {
    Finding::failure(format!("{} is not reachable from this host; failed {layer}: {why}", describe(receipt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As iproute2 6.1 prints them.
    #[test]
    fn neighbour_with_mac_is_known() {
        assert!(is_known("10.87.1.2 lladdr 02:f1:0a:57:01:02 REACHABLE\n"));
        for text in ["", "10.87.1.2  FAILED\n", "10.87.1.2  INCOMPLETE\n"] {
            assert!(!is_known(text), "{text}");
        }
    }
}
