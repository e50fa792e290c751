//! CHECK and STATUS: whether an attachment matches its receipt, and whether ADD would succeed.

use std::net::IpAddr;

use super::Engine;
use super::attach::is_gone;
use super::requested::requested;
use crate::error::{Error, Kind, Remedy, Result};
use crate::kernel::execute::Executor as _;
use crate::kernel::observe;
use crate::kernel::observe::attachment::ObservedAttachment;
use crate::kernel::observe::containers_conf::PodmanStorage;
use crate::kernel::observe::foreign::Hook;
use crate::kernel::observe::netns::Netns;
use crate::kernel::planner;
use crate::kernel::render;
use crate::kernel::tools;
use crate::model::desired::{AttachmentState, HostFacts, Routes};
use crate::model::plan::{Op, Plan};
use crate::model::types::{AttachmentId, ContainerName, NetnsPath};
use crate::state::lease::{Claim, ClaimResult, Lease};
use crate::state::receipt::Receipt;

impl Engine {
    /// Checks an attachment by observing it again: the plan to restore it must be empty.
    pub fn check(&mut self, id: &AttachmentId, addresses: &[IpAddr]) -> Result<()> {
        let Some((receipt, _)) = self.store.receipt(id)? else {
            return Err(Error::new(
                Kind::UnknownContainer,
                format!("container {id} is not attached to {}", self.config.network),
            )
            .remedy("Start the container again; `flatnet ps` lists attached containers"));
        };
        let called = receipt.label();
        let leases = self.store.leases()?;
        let is_held = |lease: &Lease| !lease.released && lease.id == *id;
        for address in receipt.addresses.iter() {
            let what = if !addresses.is_empty() && !addresses.contains(&address) {
                format!("container {called} has {address}, which is not in the runtime's result")
            } else if address.is_ipv4() && !leases.get(address).is_some_and(is_held) {
                format!("container {called} uses {address} without a lease")
            } else {
                continue;
            };
            return Err(Error::new(Kind::ContainerDiffers, what));
        }
        let mut host = self.plan_up()?.plan;
        // Another container may be attached or detached at the same time.
        host.steps.retain(
            |step| !matches!(&step.op, Op::ElementAdd(element) if element.container_id != id.container_id),
        );
        refuse_difference(&host, Kind::HostDiffers, "this host")?;
        self.refuse_drops()?;
        let attachment = self.plan_attachment(&receipt)?;
        refuse_difference(&attachment, Kind::ContainerDiffers, &format!("container {called}"))
    }

    /// An error if another program's rules drop forwarded packets of containers.
    fn refuse_drops(&mut self) -> Result<()> {
        let chains = self.dropping_chains(Hook::Forward)?;
        let Some(chain) = chains.first() else { return Ok(()) };
        let remedy = Remedy::run(chain.commands_to_pass(self.config.subnet));
        Err(Error::new(Kind::ForeignDrops, chain.to_string()).remedy(remedy))
    }

    /// The plan that makes an attachment match its receipt.
    pub fn plan_attachment(&mut self, receipt: &Receipt) -> Result<Plan> {
        let (desired, mut observed) = self.look_at_links(receipt)?;
        let elements = observe::attachment::elements(&desired.table, &mut self.host)?;
        observed.elements = elements.into_keys().collect();
        Ok(planner::attach(&desired, &observed))
    }

    /// The desired and the observed state of an attachment; its elements are assumed to be present.
    pub(super) fn look_at_links(
        &mut self,
        receipt: &Receipt,
    ) -> Result<(AttachmentState, ObservedAttachment)> {
        let facts = self.facts()?;
        let desired = self.reached(receipt, &facts)?;
        let elements = desired.elements().map(|element| element.element).collect();
        let observed = observe::attachment::observe(&desired, elements, &mut self.host)?;
        Ok((desired, observed))
    }

    /// The desired state by a receipt, with a path that leads to its network namespace from here, which commands use from now on.
    /// An error if there is no such path but the container has its link, or if it is a user's.
    pub(super) fn reached(&mut self, receipt: &Receipt, facts: &HostFacts) -> Result<AttachmentState> {
        let recorded = self.recorded(receipt, facts);
        if let Some(netns) = observe::netns::path_of(receipt.netns_id, receipt.netns_here(), receipt.caller)?
        {
            // A process that it leads to may end, and another one get its number.
            if let Some(found) = Netns::open(&netns).ok().filter(|found| found.id() == receipt.netns_id) {
                self.host.hold(&netns, found.descriptor());
                // A container may have switched it off since.
                let has_ipv6 = recorded.addresses.ipv6().is_some() && found.has_ipv6()?;
                let addresses = recorded.addresses.clone().with_ipv6_if(|_| has_ipv6);
                return Ok(AttachmentState { netns, addresses, ..recorded });
            }
        }
        // What root would find at a path of a user's is up to the user.
        if receipt.netns_here().is_some() && observe::link_is_gone(receipt.host_link.as_str()) {
            return Ok(recorded);
        }
        let (called, path) = (receipt.label(), &receipt.netns);
        let what = format!(
            "the network namespace of container {called} is not visible from here: {path} does not lead to it, and no process is in it"
        );
        Err(Error::new(Kind::NetnsHidden, what))
    }

    /// The desired state by a receipt.
    pub(super) fn recorded(&self, receipt: &Receipt, facts: &HostFacts) -> AttachmentState {
        let routes = if receipt.default_route { Routes::Default } else { Routes::RangeOnly };
        let ipv4 = self.config.with_prefix(receipt.address());
        // One of a former prefix is not restored: the container gets another one when it is started again.
        let mapping = facts.ipv6_mapping(&self.config);
        let desired = mapping.map(|mapping| mapping.address_of(receipt.address()));
        let addresses = receipt.addresses.with_ipv4(ipv4).with_ipv6_if(|address| Some(address) == desired);
        let mac = Some(receipt.mac);
        let mode = receipt.mode();
        let (id, netns, ports) = (&receipt.id, &receipt.netns, &receipt.ports);
        let state = AttachmentState::new(&self.config, facts, id, netns, &addresses, mac, ports, routes);
        let got_own_table = receipt.steps.iter().any(|step| matches!(step.op, Op::RuleAdd { .. }));
        AttachmentState { mode, own_table: state.own_table || got_own_table, ..state }
    }

    /// The attachment of the container with this name, if attached.
    pub fn attached_as(&self, name: &ContainerName) -> Result<Option<AttachmentId>> {
        let named = |receipt: &Receipt| receipt.name == name.as_str();
        Ok(self.store.receipts()?.into_iter().find(named).map(|receipt| receipt.id))
    }

    /// The desired state of an attachment, without making it: with the requested address, or the one that it
    /// would get. A receipt takes precedence.
    pub fn would_attach(
        &mut self,
        id: &AttachmentId,
        netns: &NetnsPath,
        name: Option<&ContainerName>,
        ips: &[IpAddr],
    ) -> Result<AttachmentState> {
        let requested = requested(ips, &self.config)?;
        let facts = self.facts()?;
        if let Some((receipt, _)) = self.store.receipt(id)? {
            return Ok(self.recorded(&receipt, &facts));
        }
        let name = name.map_or("", |name| name.as_str());
        let claim = Claim { id, name, requested, of_podman: false, most: None, now: super::now() };
        let leases = self.store.leases()?;
        self.host.tools.many_mounts = leases.are_many();
        let podman = PodmanStorage::default();
        let found = leases.find(&self.config, &claim, |lease| is_gone(&podman, lease))?;
        let ClaimResult::Free(address) = found else {
            return Err(leases.refusal(&self.config, &claim));
        };
        let has_ipv6 = Netns::open(netns).and_then(|netns| netns.has_ipv6()).unwrap_or(true);
        let addresses = facts.addresses(&self.config, address, has_ipv6);
        Ok(AttachmentState::new(&self.config, &facts, id, netns, &addresses, None, &[], Routes::Default))
    }

    /// The facts of the last `up`, or those of now.
    pub fn facts(&mut self) -> Result<HostFacts> {
        let hash = super::config_hash(&self.config);
        match self.store.host()? {
            Some(record) if record.facts.config_hash == hash => Ok(record.facts),
            _ => self.find_facts(),
        }
    }

    /// Whether ADD would succeed: the programs exist, and an address is free.
    pub fn status(&mut self) -> Result<()> {
        let unavailable = |error: Error| Error::new(Kind::Unavailable, "ADD is unavailable").source(error);
        for program in self.host.tools.all() {
            tools::find(program).map_err(unavailable)?;
        }
        let id = unattached_id();
        let claim = Claim { id: &id, name: "", requested: None, of_podman: false, most: None, now: 0 };
        let leases = self.store.leases()?;
        let ClaimResult::HeldBy(holders) = leases.find(&self.config, &claim, |_| false)? else {
            return Ok(());
        };
        for lease in holders.iter().filter_map(|address| leases.get(*address)) {
            let receipt = self.store.receipt(&lease.id)?;
            if receipt.is_none_or(|(receipt, _)| self.is_dead(&receipt)) {
                return Ok(());
            }
        }
        Err(unavailable(leases.refusal(&self.config, &claim)))
    }
}

/// An attachment that does not exist: no runtime uses this container ID.
fn unattached_id() -> AttachmentId {
    let parse = "status-of-flatnet".parse();
    AttachmentId {
        container_id: parse.unwrap_or_else(|_| unreachable!("a constant that parses")),
        if_name: "eth0".parse().unwrap_or_else(|_| unreachable!("a constant that parses")),
    }
}

fn refuse_difference(plan: &Plan, kind: Kind, of: &str) -> Result<()> {
    if plan.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = plan.steps.iter().map(|step| render::line(&step.op)).collect();
    Err(Error::new(kind, format!("{of} differs from its desired state; missing: {}", missing.join("; "))))
}
