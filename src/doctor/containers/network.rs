//! Each running container from the inside: its link, address and default route, and its name servers.

use std::net::IpAddr;

use super::detached;
use super::name_servers::{NameServers, named};
use crate::doctor::context::describe;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::foreign::Hook;
use crate::kernel::observe::inside::{self, Inside};
use crate::model::config::Egress;
use crate::state::receipt::Receipt;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "container-network",
    group: Group::Containers,
    looks_at: "each running container from the inside: its link, its address, a default route, and an answer from each name server in its resolv.conf",
    shows: "a container runs, but has no connectivity or cannot resolve names",
    needs: Needs::Attachments,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let mut found = detached::look(context)?;
    let (reported, running): (Vec<_>, Vec<_>) =
        context.running().into_iter().partition(|receipt| context.differing.contains(&receipt.id));
    let within = (context.engine.config.egress == Egress::None).then_some(context.engine.config.range);
    let config = &context.engine.config;
    let resolver = config.names.enabled.then(|| IpAddr::from(config.bridge_address()));
    let mut name_servers = NameServers::default();
    let mut others = Vec::new();
    for (receipt, inside) in running.iter().zip(inside::look_into(&running, within)) {
        match inside {
            None => name_servers.skip(receipt, "looking into the container timed out"),
            // A container that has stopped in the meantime is not a failure.
            Some(Err(_)) if !context.runs_still(receipt)? => {}
            Some(Err(error)) => found.push(Finding::of_error(&error, &context.program())),
            Some(Ok(inside)) => match missing(receipt, &inside) {
                None => {
                    others.extend(asks_others(&inside, resolver).then_some(receipt));
                    name_servers.add(receipt, inside.name_servers);
                }
                Some(_) if !context.runs_still(receipt)? => {}
                Some(what) => {
                    let finding = Finding::failure(format!("{} {what}", describe(receipt)));
                    found.push(finding.commands(repair_commands(context, receipt, &inside)?));
                }
            },
        }
    }
    let is_blocked = resolver.is_some_and(|resolver| name_servers.lack(resolver));
    let blocked = if is_blocked { blocking(context)? } else { Vec::new() };
    found.extend(name_servers.findings(&blocked));
    found.extend(without_names(&others));
    found.extend(context.hidden().into_iter().map(|receipt| {
        let what = format!("{}: its network namespace is not visible from here", describe(receipt));
        Finding::not_looked(what)
            .help("Run the doctor in the mount namespace of the runtime: `nsenter --mount --target PID flatnet doctor`")
    }));
    if found.is_empty() {
        found.push(match reported.len() {
            0 => Finding::not_applicable("no container is running"),
            _ => Finding::not_looked("all containers are incomplete: see container-links"),
        });
    }
    Ok(found)
}

/// Other programs' chains that may drop questions to the resolver, and the commands that let them pass.
fn blocking(context: &mut Context) -> Result<Vec<(String, Vec<String>)>> {
    let (subnet, resolver) = (context.engine.config.subnet, context.engine.config.bridge_address());
    let chains = context.engine.dropping_chains(Hook::Input(resolver))?;
    Ok(chains.iter().map(|chain| (chain.to_string(), chain.commands_to_pass(subnet))).collect())
}

/// Whether the container has name servers, and Flatnet's is not among them.
fn asks_others(inside: &Inside, resolver: Option<IpAddr>) -> bool {
    let servers = inside.name_servers.as_ref().map_or(&[][..], Vec::as_slice);
    !servers.is_empty()
        && resolver.is_some_and(|resolver| servers.iter().all(|(server, _)| server.address != resolver))
}

fn without_names(receipts: &[&Receipt]) -> Option<Finding> {
    let restart = |receipt: &&Receipt| receipt.id.container_id.by_podman("restart");
    (!receipts.is_empty()).then(|| {
        let what = format!("{}: asks other name servers, and finds no container by name", named(receipts));
        Finding::warning(what).commands(receipts.iter().map(restart)).help(
            "It was started while Flatnet's resolver was away or disabled, and restarting it helps; or with `--dns`, as you may \
             have intended: create it again without it, and set `dns.servers` in the configuration instead",
        )
    })
}

/// The first missing item; the later ones depend on the earlier ones.
fn missing(receipt: &Receipt, inside: &Inside) -> Option<String> {
    let link = &receipt.id.if_name;
    if !inside.has_link {
        Some(format!("has lost its link {link}"))
    } else if !inside.has_address {
        Some("has lost its address".to_owned())
    } else if !inside.has_route {
        Some(format!("has no route by {link}: the link is down, or its routes were deleted"))
    } else if inside.default_route.is_none() {
        Some("has no default route".to_owned())
    } else {
        None
    }
}

fn repair_commands(context: &mut Context, receipt: &Receipt, inside: &Inside) -> Result<Vec<String>> {
    // Flatnet 0.1.0 attached it beside another network, which had the default route. A restart gives it its own.
    if inside.has_route && !receipt.default_route {
        return Ok(vec![receipt.id.container_id.by_podman("restart")]);
    }
    super::repair_commands(context, receipt)
}
