//! Every attachment is finished, its container is running and attached as configured, and its files are usable.

use std::collections::BTreeMap;

use crate::doctor::context::describe;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::{Attachment, AttachmentStatus};
use crate::error::Result;
use crate::kernel::observe;
use crate::model::types::PortMode;
use crate::state::receipt::Receipt;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "attachments",
    group: Group::Containers,
    looks_at: "leases and receipts: whether each is usable, its container and links exist, and the container is attached as configured",
    shows: "a container runs without network; or an address or port is held by a removed container; or a change of `bridging` affects new containers only",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if let Some(error) = &context.attachments_error {
        return Ok(vec![Finding::of_error(error, &context.program())]);
    }
    let mut found: Vec<Finding> =
        context.attachments.iter().filter_map(|attachment| judge(context, attachment)).collect();
    for (path, why) in context.engine.store.unusable()? {
        let what = format!("{} is unusable and ignored: {why}", path.display());
        found.push(Finding::warning(what).commands([context.flatnet("repair")]).help(
            "A repair sets the file aside and rewrites it from the kernel's state and the other files",
        ));
    }
    found.extend(joined_otherwise(context));
    if !found.is_empty() {
        return Ok(found);
    }
    if context.attachments.is_empty() {
        found.push(Finding::not_applicable("no container is attached"));
    } else {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for attachment in &context.attachments {
            *states.entry(attachment.state.word()).or_default() += 1;
        }
        let words: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        found.push(Finding::good(words.join(", ")));
    }
    Ok(found)
}

fn judge(context: &Context, attachment: &Attachment) -> Option<Finding> {
    let Attachment { receipt, state, .. } = attachment;
    let who = describe(receipt);
    let finding = match state {
        AttachmentStatus::Running => return None,
        AttachmentStatus::Unfinished => {
            let what = "ADD has not finished; the runtime was killed, or is still running";
            Finding::warning(format!("{who}: {what}"))
                .help("First run the doctor again: ADD may have finished by now")
        }
        AttachmentStatus::Cut => {
            Finding::failure(format!("{who}: its link {} is missing", receipt.host_link))
        }
        AttachmentStatus::Dead => {
            Finding::warning(format!("{who}: its namespace is gone, but its address is still held"))
                .help("ADD also frees the address when it needs it")
        }
        AttachmentStatus::Pending => {
            Finding::warning(format!("{who}: it was detached, but some steps could not be undone"))
        }
    };
    Some(finding.commands([context.flatnet("repair")]))
}

/// Containers that are attached as an earlier configuration or version did it.
fn joined_otherwise(context: &Context) -> Option<Finding> {
    let mode = context.engine.config.port_mode();
    let receipts: Vec<&Receipt> =
        context.receipts_of_running().filter(|receipt| receipt.mode() != mode).collect();
    let first = describe(receipts.first()?);
    let who = match receipts.len() {
        1 => format!("{first} is"),
        count => format!("{first} and {} more are", count - 1),
    };
    let isolated = receipts.iter().any(|receipt| receipt.mode() == PortMode::Isolated);
    let without = if isolated && observe::bridges_call_iptables() {
        ", except for ports published by other containers, because net.bridge.bridge-nf-call-iptables is 1"
    } else {
        ""
    };
    let help = format!(
        "They work{without} and are still protected. A repair changes them over without cutting connections; so does a restart"
    );
    let what = format!("{who} attached as before a change of `bridging` or an upgrade");
    Some(Finding::warning(what).commands([context.flatnet("repair")]).help(help))
}
