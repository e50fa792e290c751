//! Repair of one attachment: undoes a dead one, restores what a running one lost.

use std::time::{Duration, Instant};

use super::HostPart;
use crate::engine::guard::LinksGuard;
use crate::engine::{Engine, NetworkGuard};
use crate::error::{Error, Kind, Remedy, Result};
use crate::kernel::observe;
use crate::kernel::observe::attachment::ObservedAttachment;
use crate::kernel::planner;
use crate::model::desired::AttachmentState;
use crate::model::plan::{Op, Plan};
use crate::model::types::{Mac, PortMode};
use crate::state::receipt::{self, Event, Receipt};

/// How long the kernel may take to delete the links of a deleted namespace.
const DEATH: Duration = Duration::from_secs(1);

impl Engine {
    /// The operations that undo `receipt`, as far as its parts exist.
    pub(super) fn plan_undo(&mut self, receipt: &Receipt) -> Result<Plan> {
        let table = receipt.network.table();
        let elements = observe::attachment::elements(&table, &mut self.host)?;
        let is_there = |op: &Op| match op {
            Op::LinkDel { dev } => !observe::link_is_gone(dev.as_str()),
            Op::ElementDel(lost) => elements.contains_key(&lost.element),
            _ => true,
        };
        let mut plan = Plan::default();
        for op in self.undo_of(receipt, &self.store.leases()?).into_iter().filter(is_there) {
            plan.push_final(op, "removes what the container had");
        }
        Ok(plan)
    }

    /// Undoes an attachment, unless it was attached again or detached meanwhile.
    pub(super) fn undo_gone(&mut self, links: &LinksGuard<'_>) -> Result<Option<Plan>> {
        let network = self.network_guard()?;
        let Some((receipt, events)) = self.store.receipt(links.id())? else { return Ok(None) };
        if self.why_gone(&receipt, &events)?.is_none() {
            return Ok(None);
        }
        let plan = self.plan_undo(&receipt)?;
        let undone = self.undo_ops(plan.ops(), links, &network)?;
        self.forget(links, &undone, &network)?;
        Ok(Some(plan))
    }

    /// What the links of a running attachment lack; its elements belong to this host's plan. An error if the
    /// links exist but differ in a way whose repair could cut connections. `host` is this host's plan, if it is
    /// still to be run: by then the bridge has its name back, and its ports are guarded.
    pub(super) fn plan_restore(&mut self, receipt: &Receipt, host: Option<&HostPart>) -> Result<Plan> {
        let (desired, mut observed) = self.look_at_change_over(receipt)?;
        let conflict = |what: String| {
            let restart = receipt.id.container_id.by_podman("restart");
            Err(Error::new(Kind::ContainerDiffers, what)
                .remedy(Remedy::by("Restart the container", [restart])))
        };
        let Some(link) = &mut observed.host_link else { return Ok(planner::attach(&desired, &observed)) };
        let macs = [desired.mac, Mac::of_host_link(desired.addresses.ipv4())].map(|mac| mac.to_string());
        if link.alias != desired.alias.as_str() && !macs.contains(&link.mac) {
            return conflict(format!("the link {} does not belong to Flatnet", link.name));
        }
        if let Some(host) = host {
            if host.renamed.as_ref() == Some(&link.master) {
                link.master = desired.bridge.to_string();
            }
            if host.observed.ports.iter().any(|port| port.name == link.name) {
                (link.group, link.arp) = (desired.group, false);
            }
        }
        if observed.container_link.is_none() {
            let if_name = &receipt.id.if_name;
            return conflict(format!(
                "{if_name} is no longer in {}, but its peer is on this host",
                receipt.netns
            ));
        }
        Ok(planner::attach(&desired, &observed))
    }

    /// The desired state of an attachment by the current configuration, and its observed state. The elements of
    /// both bridging modes are observed if the two differ, else assumed to be present, since they belong to
    /// this host's plan.
    fn look_at_change_over(&mut self, receipt: &Receipt) -> Result<(AttachmentState, ObservedAttachment)> {
        let mode = self.config.port_mode();
        if receipt.mode() == mode {
            return self.look_at_links(receipt);
        }
        let facts = self.facts()?;
        let desired = AttachmentState { mode, ..self.reached(receipt, &facts)? };
        let table = receipt.network.table();
        let elements = observe::attachment::elements(&table, &mut self.host)?;
        let elements = elements.into_keys().collect();
        let bridged = AttachmentState { mode: PortMode::Plain, ..desired.clone() };
        // Including entries of the bridge, which only its ports have.
        let observed = observe::attachment::observe(&bridged, elements, &mut self.host)?;
        let route_localnet = desired.route_localnet().and_then(|key| observe::sysctl(&key));
        Ok((desired, ObservedAttachment { route_localnet, ..observed }))
    }

    /// Restores what a running attachment lost, unless it was detached meanwhile. If ADD had finished but could
    /// not record it (full disk, or killed), records it.
    pub(super) fn restore(&mut self, links: &LinksGuard<'_>, notes: &mut Vec<String>) -> Result<Plan> {
        let network = self.network_guard()?;
        let ruleset = self.ruleset_alone(&network)?;
        let id = links.id();
        let Some((receipt, events)) = self.store.receipt(id)? else { return Ok(Plan::default()) };
        if self.is_dead(&receipt) {
            return Ok(Plan::default());
        }
        let is_whole = self.why_gone(&receipt, &events)?.is_none();
        let plan = match self.plan_restore(&receipt, None) {
            Err(_) if self.is_dying(&receipt) => return Ok(Plan::default()),
            planned => planned?,
        };
        if let Err(error) = self.run_host_plan(&plan, &ruleset, Some(links)) {
            if self.is_dying(&receipt) {
                return Ok(Plan::default());
            }
            if receipt.mode() != self.config.port_mode() {
                // Whatever could not be rolled back: the container keeps its current bridging.
                let back = self
                    .plan_attachment(&receipt)
                    .and_then(|plan| self.run_host_plan(&plan, &ruleset, Some(links)));
                if let Err(error) = back {
                    self.log.warn(&error.to_line());
                }
            }
            return Err(error);
        }
        if receipt.mode() != self.config.port_mode() {
            self.record_change_over(&receipt, notes, &network)?;
        }
        if let Some(note) = unnoted_end(&receipt, &events).filter(|_| is_whole) {
            self.store.append_events(id, &[Event::of_attachment(receipt::ATTACHED)]);
            notes.push(note);
        }
        Ok(plan)
    }

    /// Records a container's bridging after the change over.
    fn record_change_over(
        &mut self,
        receipt: &Receipt,
        notes: &mut Vec<String>,
        network: &NetworkGuard,
    ) -> Result<()> {
        let facts = self.facts()?;
        let mode = self.config.port_mode();
        let desired = AttachmentState { mode, ..self.recorded(receipt, &facts) };
        let plan = planner::attach(&desired, &ObservedAttachment::default());
        let aliases: Vec<_> = receipt.aliases.iter().filter_map(|alias| alias.parse().ok()).collect();
        let about = (receipt.name.as_str(), aliases.as_slice(), receipt.caller);
        let renewed = self.receipt(&desired, &plan, receipt.netns_id, about);
        let boot_id = receipt.boot_id.clone();
        self.store.write_receipt(&Receipt { created: receipt.created, boot_id, ..renewed }, network)?;
        self.store.append_events(&receipt.id, &[Event::of_attachment(receipt::ATTACHED)]);
        notes.push(changed_over(receipt));
        Ok(())
    }

    /// Whether the failure was caused by the container going away meanwhile: the kernel takes a moment to
    /// delete the links of a deleted namespace.
    pub(super) fn is_dying(&self, receipt: &Receipt) -> bool {
        let end = Instant::now() + DEATH;
        loop {
            if self.is_dead(receipt) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The note about an attachment that was changed over.
pub(super) fn changed_over(receipt: &Receipt) -> String {
    format!("container {} is now attached in the configured way; its connections continue", receipt.label())
}

/// The note about an attachment that was complete, though its receipt did not say so.
pub(super) fn unnoted_end(receipt: &Receipt, events: &[Event]) -> Option<String> {
    let note = || format!("container {} is attached; its receipt now says so", receipt.label());
    (!receipt::is_attached(events)).then(note)
}
