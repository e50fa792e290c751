//! Every attachment has come to its end, its container lives and is joined as the configuration says, and the files that tell
//! of it can be used.

use std::collections::BTreeMap;

use crate::doctor::context::called;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::engine::{Attachment, State};
use crate::error::Result;
use crate::kernel::observe;
use crate::model::types::PortMode;
use crate::state::receipt::Receipt;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "attachments",
    group: Group::Containers,
    looks_at: "leases and receipts: whether each can be used, whether its container and its links are there, and joined as the configuration says",
    shows: "a container runs without network; or an address or a port stays taken by one that is gone; or a change of `bridging` shows with new containers only",
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
        let what = format!("{} cannot be used, and is taken as absent: {why}", path.display());
        found.push(Finding::warning(what).commands([context.flatnet("repair")]).help(
            "It sets the file aside, and writes it again from what the kernel and the other files say",
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
    let who = called(receipt);
    let finding = match state {
        State::Running => return None,
        State::Unfinished => {
            let what = "attaching it has not ended; the runtime was killed, or it runs right now";
            Finding::warning(format!("{who}: {what}")).help("Look again first: it may have ended by now")
        }
        State::Cut => Finding::failure(format!("{who}: its link {} is gone", receipt.host_link)),
        State::Dead => {
            Finding::warning(format!("{who}: its namespace is gone, and its address is held still"))
                .help("Whoever needs the address frees it too")
        }
        State::Pending => Finding::warning(format!("{who}: it left, and not everything could be undone")),
    };
    Some(finding.commands([context.flatnet("repair")]))
}

/// Of containers that are joined as they were before `bridging`, or Flatnet, was another.
fn joined_otherwise(context: &Context) -> Option<Finding> {
    let mode = context.engine.config.port_mode();
    let receipts: Vec<&Receipt> =
        context.receipts_of_running().filter(|receipt| receipt.mode() != mode).collect();
    let first = called(receipts.first()?);
    let who = match receipts.len() {
        1 => format!("{first} is"),
        count => format!("{first} and {} more are", count - 1),
    };
    let isolated = receipts.iter().any(|receipt| receipt.mode() == PortMode::Isolated);
    let without = if isolated && observe::bridges_call_iptables() {
        ", but for ports that other containers publish: net.bridge.bridge-nf-call-iptables is 1"
    } else {
        ""
    };
    let help = format!(
        "They work{without}, and are guarded as before. Connections go on; the next start changes one over, too"
    );
    let what = format!("{who} joined as before `bridging`, or Flatnet, was changed");
    Some(Finding::warning(what).commands([context.flatnet("repair")]).help(help))
}
