//! `flatnet gc`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::Args;
use serde_json::json;

use super::{Options, output, report};
use crate::engine::{Collected, Engine};
use crate::error::{Error, Result};
use crate::model::types::AttachmentId;

/// Free links, rules, addresses and receipts of containers that no longer exist.
///
/// Running containers are not touched. You need not run it regularly: ADD frees them when it needs an address.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  flatnet gc\n  flatnet gc --json")]
pub(super) struct Gc {}

impl Gc {
    #[expect(clippy::unused_self, reason = "each command has the same signature")]
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        let mut engine = options.engine()?;
        let known = known(&engine)?;
        let Collected { freed, errors } = engine.collect_dead()?;
        if options.json {
            let freed: Vec<_> =
                freed.iter().map(|id| json!({"attachment": id, "was": known.get(id)})).collect();
            let errors: Vec<String> = errors.iter().map(Error::to_line).collect();
            output::print_json(&json!({"freed": freed, "errors": errors}));
        } else {
            for id in &freed {
                output::print(&format!(
                    "freed {}\n",
                    known.get(id).map_or_else(|| id.to_string(), Clone::clone)
                ));
            }
            if freed.is_empty() && errors.is_empty() {
                output::print("Nothing to free: every address belongs to a running container.\n");
            }
            for error in &errors {
                output::note(&report::of(error, output::errors_have_colour()));
            }
        }
        Ok(if errors.is_empty() { 0 } else { 2 })
    }
}

/// Each attachment's name, ID and address.
fn known(engine: &Engine) -> Result<BTreeMap<AttachmentId, String>> {
    let leases = engine.store.leases()?;
    let held = leases.held().map(|(address, lease)| (lease.id.clone(), lease.name.clone(), address));
    let receipts = engine.store.receipts()?;
    let attached =
        receipts.iter().map(|receipt| (receipt.id.clone(), receipt.name.clone(), receipt.address().into()));
    let words = |(id, name, address): (AttachmentId, String, IpAddr)| {
        let words =
            if name.is_empty() { format!("{id}, {address}") } else { format!("{name} {id}, {address}") };
        (id, words)
    };
    Ok(held.chain(attached).map(words).collect())
}
