//! Free addresses.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::AttachmentStatus;
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "addresses",
    group: Group::Network,
    looks_at: "how many of the allocatable addresses are held, and by which containers",
    shows: "no new container on the network starts: \"all .. addresses .. are held\"",
    needs: Needs::Attachments,
    quick: true,
    look,
};

/// The threshold of the warning.
const PERCENT: usize = 80;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let leases = context.engine.store.leases()?;
    let config = &context.engine.config;
    let is_held = |address| leases.get(address).is_some_and(|lease| !lease.released);
    let (total, held) = config
        .pool()
        .fold((0, 0), |(total, held), address| (total + 1, held + usize::from(is_held(address))));
    let mut found: Vec<Finding> = context
        .engine
        .held_without_receipt()?
        .into_iter()
        .map(|(address, lease)| {
            Finding::warning(format!(
                "{address} is held by {}, which has no receipt",
                lease.id.label(&lease.name)
            ))
            .commands([context.flatnet("repair")])
        })
        .collect();
    let has_dead = context.attachments.iter().any(|one| one.state == AttachmentStatus::Dead);
    let widen = format!(
        "Remove unneeded containers, or enlarge `allocate` and `subnet` in {}",
        context.config_path.display()
    );
    let held_words = format!("{held} of {total} addresses are held");
    let finding = match held * 100 / total.max(1) {
        // ADD frees addresses of dead attachments.
        100.. if !has_dead => Finding::failure(held_words),
        PERCENT.. => Finding::warning(held_words),
        _ if found.is_empty() => return Ok(vec![Finding::good(held_words)]),
        _ => return Ok(found),
    };
    let commands = has_dead.then(|| context.flatnet("repair"));
    found.push(finding.commands(commands).help(widen));
    Ok(found)
}
