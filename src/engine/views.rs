//! Read-only views of attachments and rules, for commands that change nothing.

use std::net::IpAddr;

use serde::Serialize;

use super::Engine;
use crate::error::Result;
use crate::kernel::execute::Executor as _;
use crate::kernel::observe;
use crate::kernel::observe::drops::{self, Drops};
use crate::kernel::observe::foreign::{self, DroppingChain, Hook, Traffic};
use crate::model::command::Command;
use crate::model::config::Config;
use crate::state::lease::Lease;
use crate::state::receipt::{self, Event, Receipt};

/// The state of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentStatus {
    /// It works.
    Running,
    /// ADD is still running, or was killed.
    Unfinished,
    /// Its namespace exists, but the host's end of its links is gone.
    Cut,
    /// Its namespace and its links are gone.
    Dead,
    /// It could not be undone yet.
    Pending,
}

impl AttachmentStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Running, Self::Unfinished, Self::Cut, Self::Dead, Self::Pending];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unfinished => "unfinished",
            Self::Cut => "cut",
            Self::Dead => "dead",
            Self::Pending => "pending",
        }
    }
}

/// One attachment.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Its receipt.
    pub receipt: Receipt,
    /// Events since the receipt was written.
    pub events: Vec<Event>,
    /// Its state.
    pub state: AttachmentStatus,
}

/// The desired and the loaded rules, both as `nft list` prints them, with counters.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The desired rules, as nft prints them once loaded.
    pub desired: String,
    /// The loaded rules; empty if there are none.
    pub live: String,
}

/// A name of the form of containers' links that none has.
const ANY_LINK: &str = "fn............";

impl Engine {
    /// All attachments, by address.
    pub fn attachments(&self) -> Result<Vec<Attachment>> {
        let mut attachments = Vec::new();
        for (receipt, events) in self.store.receipts_and_events()? {
            let state = self.state(&receipt, &events);
            attachments.push(Attachment { receipt, events, state });
        }
        attachments.sort_by(|one, other| one.receipt.addresses.cmp(&other.receipt.addresses));
        Ok(attachments)
    }

    fn state(&self, receipt: &Receipt, events: &[Event]) -> AttachmentStatus {
        if self.store.is_pending(&receipt.id) {
            AttachmentStatus::Pending
        } else if self.is_dead(receipt) {
            AttachmentStatus::Dead
        } else if !observe::link_is_gone(receipt.host_link.as_str()) {
            if receipt::is_attached(events) {
                AttachmentStatus::Running
            } else {
                AttachmentStatus::Unfinished
            }
        } else {
            AttachmentStatus::Cut
        }
    }

    /// Addresses that are held without a receipt.
    pub fn held_without_receipt(&self) -> Result<Vec<(IpAddr, Lease)>> {
        let receipts = self.store.receipts()?;
        let has_receipt = |lease: &Lease| receipts.iter().any(|receipt| receipt.id == lease.id);
        let leases = self.store.leases()?;
        Ok(leases
            .held()
            .filter(|(_, lease)| !has_receipt(lease))
            .map(|(address, lease)| (address, lease.clone()))
            .collect())
    }

    /// What exists but may not be read, in a few words each; a plan treats it as absent.
    pub fn unread(&mut self) -> Vec<String> {
        let mut unread = Vec::new();
        if let Some(error) = self.store.refused() {
            unread.push(format!("leases and receipts ({})", error.message()));
        }
        let command = Command::new([self.host.tools.nft.as_str(), "list", "tables"]);
        match self.host.run(&command, &[]) {
            Ok(output) if output.success() => {}
            Ok(output) => {
                let why = output.stderr.lines().next().unwrap_or("nft fails and printed nothing");
                unread.push(format!("the ruleset ({why})"));
            }
            Err(error) => unread.push(format!("the ruleset ({})", error.message())),
        }
        unread
    }

    /// The desired and the loaded rules.
    pub fn loaded(&mut self) -> Result<Loaded> {
        let (_, desired) = self.desired_host()?;
        Ok(Loaded {
            live: observe::host::live_listing(&desired, &mut self.host)?,
            desired: observe::host::desired_listing(&desired, &mut self.host)?,
        })
    }

    /// What Flatnet's own rules dropped.
    pub fn drops(&mut self) -> Result<Vec<Drops>> {
        drops::drops(self.config.network.table().as_str(), &mut self.host)
    }

    /// Other programs' chains that drop packets of containers at `hook`.
    pub fn dropping_chains(&mut self, hook: Hook) -> Result<Vec<DroppingChain>> {
        let facts = self.facts()?;
        let Config { network, bridge, subnet, .. } = &self.config;
        let traffic = Traffic {
            own_table: &network.table(),
            link: if self.config.port_mode().is_bridged() { bridge.as_str() } else { ANY_LINK },
            uplink: facts.uplink.as_deref(),
            subnet: *subnet,
        };
        foreign::dropping_chains(hook, traffic, &mut self.host)
    }
}
