//! The desired state of this host.

use crate::error::Result;
use crate::kernel::ruleset;
use crate::model::config::Config;
use crate::model::desired::{HostFacts, HostState};
use crate::model::types::Owner;
use crate::state::receipt::{self, Receipt};

/// What `config` means with `facts` for the Flatnet `owner`, while the attachments of `receipts` are there.
pub fn desired_host(
    config: &Config,
    facts: &HostFacts,
    owner: Option<&Owner>,
    receipts: &[Receipt],
) -> Result<HostState> {
    let attached = receipt::attached(receipts, &config.network.table());
    let ruleset = ruleset::render(config, facts, owner, &attached)?;
    Ok(HostState::new(config, facts, owner, attached, ruleset))
}
