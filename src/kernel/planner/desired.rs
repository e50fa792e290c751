//! The desired state of this host.

use std::net::IpAddr;

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
    let mut attached = receipt::attached(receipts, &config.network.table());
    // A container keeps an address of a former prefix until it is stopped, but nothing passes any more.
    let mapping = facts.ipv6_mapping(config);
    attached.elements.retain(|one| match one.element.address() {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => mapping.is_some_and(|mapping| mapping.prefix().contains(&address)),
    });
    let ruleset = ruleset::render(config, facts, owner, &attached)?;
    Ok(HostState::new(config, facts, owner, attached, ruleset))
}
