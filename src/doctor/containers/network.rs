//! Each running container, from inside: it has its link, its address and a way out, and its name servers answer.

use super::detached;
use super::name_servers::NameServers;
use crate::doctor::context::called;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::inside::{self, Inside};
use crate::model::config::Egress;
use crate::state::receipt::Receipt;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "container-network",
    group: Group::Containers,
    looks_at: "each running container, from inside: its link, its address, a default route, and an answer of each name server in its resolv.conf",
    shows: "a container runs, and reaches nobody, or resolves no names",
    needs: Needs::Attachments,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let mut found = detached::look(context)?;
    let (told, running): (Vec<_>, Vec<_>) =
        context.running().into_iter().partition(|receipt| context.differing.contains(&receipt.id));
    let within = (context.engine.config.egress == Egress::None).then_some(context.engine.config.range);
    let mut name_servers = NameServers::default();
    for (receipt, inside) in running.iter().zip(inside::look_into(&running, within)) {
        match inside {
            None => name_servers.skip(receipt, "to look into it took too long"),
            // One that has gone meanwhile lacks nothing.
            Some(Err(_)) if !context.runs_still(receipt)? => {}
            Some(Err(error)) => found.push(Finding::of_error(&error, &context.program())),
            Some(Ok(inside)) => match missing(receipt, &inside) {
                None => name_servers.add(receipt, inside.name_servers),
                Some(_) if !context.runs_still(receipt)? => {}
                Some(what) => {
                    let finding = Finding::failure(format!("{} {what}", called(receipt)));
                    found.push(finding.commands(mend(context, receipt, &inside)?));
                }
            },
        }
    }
    found.extend(name_servers.findings());
    found.extend(context.hidden().into_iter().map(|receipt| {
        let what = format!("{}: its network namespace cannot be seen from here", called(receipt));
        Finding::not_looked(what)
            .help("Run the doctor where the runtime runs: `nsenter --mount --target PID flatnet doctor`")
    }));
    if found.is_empty() {
        found.push(match told.len() {
            0 => Finding::not_applicable("no container runs"),
            _ => Finding::not_looked("what is missing inside: see container-links"),
        });
    }
    Ok(found)
}

/// The first thing that it lacks of those that all others need.
fn missing(receipt: &Receipt, inside: &Inside) -> Option<String> {
    let link = &receipt.id.if_name;
    if !inside.has_link {
        Some(format!("has no link {link} any more"))
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

fn mend(context: &mut Context, receipt: &Receipt, inside: &Inside) -> Result<Vec<String>> {
    // It was made by Flatnet 0.1.0 beside another network, which is gone: the next start gives it one of its own.
    if inside.has_route && !receipt.default_route {
        return Ok(vec![format!("podman restart {}", receipt.id.container_id.short())]);
    }
    super::mend(context, receipt)
}
