//! Attached containers.

pub(super) mod attachments;
mod detached;
pub(super) mod left_over;
pub(super) mod links;
mod name_servers;
pub(super) mod names;
pub(super) mod network;
pub(super) mod reachable;

use crate::doctor::Context;
use crate::engine::Concern;
use crate::error::Result;
use crate::state::receipt::Receipt;

/// The commands that restore the links of a container: a repair, unless that would leave it to a person.
fn repair_commands(context: &mut Context, receipt: &Receipt) -> Result<Vec<String>> {
    let repair = context.flatnet("repair");
    let concern = Concern::Attachment(receipt.id.clone());
    let left = context.repair()?.left.iter().find(|left| left.concern == concern);
    Ok(left.map_or_else(|| vec![repair], |left| left.commands.clone()))
}
