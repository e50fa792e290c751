//! `up` and `down`: the bridge, the settings and the ruleset of this host.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::definitions::notes_of_lost;
use super::guard::{LinksGuard, RulesetAlone};
use super::{Engine, NetworkGuard, config_hash, now, undo};
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{CommandFailure, Executor as _};
use crate::kernel::observe;
use crate::kernel::observe::host::ObservedHost;
use crate::kernel::observe::link::Link;
use crate::kernel::observe::resolv_conf::own_resolvers;
use crate::kernel::observe::resolver::Question;
use crate::kernel::planner;
use crate::kernel::render;
use crate::model::config::{Bridging, Uplink};
use crate::model::desired::{HostFacts, HostState, Resolver};
use crate::model::plan::{Op, Plan};
use crate::model::types::SysctlKey;
use crate::state::lock::Lock;
use crate::state::names_dir::NamesDir;
use crate::state::receipt::{self, Receipt};

/// What `up` found and did: `host.json` in the state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// What `auto` meant.
    pub facts: HostFacts,
    /// The kernel's boot ID. After a reboot the saved settings below are meaningless.
    pub boot_id: String,
    /// Settings that are not the bridge's, as they were before the first `up` since boot.
    pub found: BTreeMap<SysctlKey, u32>,
    /// When: milliseconds since 1970.
    pub at: i64,
    /// This host's address towards the next hop of its default route. On WSL2 Windows routes to it.
    #[serde(default)]
    pub uplink_address: Option<Ipv4Addr>,
    /// Whether everything was done. If a run was killed or failed, the next ADD does the rest.
    #[serde(default)]
    pub complete: bool,
}

/// What a plan for this host changed, or would change.
#[derive(Debug, Default)]
pub struct Change {
    /// The steps.
    pub plan: Plan,
    /// Notes for people.
    pub notes: Vec<String>,
    /// Podman's files of the network that would be restored.
    pub files: Vec<PathBuf>,
}

impl Engine {
    /// Brings this host to its desired state.
    pub fn up(&mut self) -> Result<Change> {
        let started = Instant::now();
        let about_names = self.note_on_names();
        let result = self.up_alone();
        self.log_operation("up", None, started, result.as_ref(), serde_json::Map::new());
        let (facts, plan, restored) = result?;
        let notes = self.notes(&facts, &plan).into_iter().chain(about_names).chain(restored).collect();
        Ok(Change { plan, notes, files: Vec::new() })
    }

    fn up_alone(&mut self) -> Result<(HostFacts, Plan, Vec<String>)> {
        let network = self.network_guard()?;
        let ruleset = self.ruleset_alone(&network)?;
        let (facts, plan) = self.up_locked(&ruleset)?;
        Ok((facts, plan, self.keep_definitions(&network)))
    }

    /// What [`Engine::up`] would do.
    pub fn plan_up(&mut self) -> Result<Change> {
        let facts = self.find_facts()?;
        self.plan_up_with(&facts)
    }

    /// What [`Engine::up`] would do on a host with these facts.
    pub fn plan_up_with(&mut self, facts: &HostFacts) -> Result<Change> {
        let (plan, _) = self.desired_up(facts)?;
        let files = self.lost_definitions();
        let about_names = self.note_on_names();
        let notes =
            self.notes(facts, &plan).into_iter().chain(about_names).chain(notes_of_lost(&files)).collect();
        Ok(Change { plan, notes, files })
    }

    /// Notes about what `auto` means here.
    fn notes(&self, facts: &HostFacts, plan: &Plan) -> Vec<String> {
        // Only when the host is set up.
        let without_uplink = self.config.uplink == Uplink::Auto && facts.uplink.is_none() && !plan.is_empty();
        let note = "this host has no default route: there is no uplink, the MTU is 1500 unless configured, and no host \
                    outside may connect through `ingress_gateways: auto`";
        let isolated = self.config.bridging == Bridging::Isolated;
        let renamed = "`bridging: isolated` is now called `routed`; change it in the configuration";
        let mode = self.config.port_mode();
        let receipts = self.store.receipts().unwrap_or_default();
        let waiting =
            receipts.iter().filter(|receipt| receipt.mode() != mode && !self.is_dead(receipt)).count();
        let joined = format!(
            "{waiting} of the running containers {} still attached in the old way; run `flatnet repair`",
            if waiting == 1 { "is" } else { "are" }
        );
        let unreachable = facts.ingress_gateways.iter().filter(|gateway| {
            let is_own = observe::source_address::address_towards(**gateway) == Some(**gateway);
            !is_own && !facts.gateway_links.iter().any(|link| link.address == **gateway)
        });
        let no_way = |gateway| {
            format!("no route to {gateway} of `ingress_gateways`; nothing is let in from that address")
        };
        without_uplink
            .then(|| note.to_owned())
            .into_iter()
            .chain(isolated.then(|| renamed.to_owned()))
            .chain((waiting > 0).then_some(joined))
            .chain(unreachable.map(no_way))
            .collect()
    }

    /// The facts of this host, observed again only if something is missing. The fast path of ADD checks one
    /// file, one link, one setting and two routes.
    pub(super) fn ensure_host(
        &mut self,
        network: &NetworkGuard,
        question: Option<&mut Question>,
    ) -> Result<HostFacts> {
        if let Some(record) = self.store.host()? {
            let has_ipv6 = record.facts.ipv6_mapping(&self.config).is_some();
            let forwards = observe::sysctl(&SysctlKey::ip_forward()) == Some(1)
                && (!has_ipv6 || observe::sysctl(&SysctlKey::ipv6_forwarding()) == Some(1));
            let same = record.facts.config_hash == config_hash(&self.config)
                && self.knows_all_addresses(&record.facts)
                && record.facts.resolvers == self.own_resolvers()
                && record.facts.gateway_ports == observe::gateway::own_ports(&self.config)
                && observe::host::ways_are(&record.facts.ingress_gateways, &record.facts.gateway_links);
            let is_up = forwards
                && self.has_its_addresses()
                && self.has_its_ipv6_address(&record.facts)
                && self.resolver_runs(&record.facts, question);
            if record.complete && same && is_up {
                return Ok(record.facts);
            }
        }
        let ruleset = self.ruleset_alone(network)?;
        self.up_locked(&ruleset).map(|(facts, _)| facts)
    }

    /// Without `fib` the ruleset lists this host's addresses, which DHCP or a person may have changed.
    fn knows_all_addresses(&self, facts: &HostFacts) -> bool {
        let bridge = self.config.bridge_address();
        let knows_ipv6 = facts.ipv6_mapping(&self.config).is_none_or(|mapping| {
            let found = observe::ipv6::host_addresses(mapping.address_of(bridge));
            facts.containers_ipv6.as_ref().is_some_and(|known| known.host_addresses == found)
        });
        facts.fib || facts.host_addresses == observe::host::host_addresses(bridge) && knows_ipv6
    }

    /// The same as [`Engine::has_its_addresses`] for IPv6, if containers have it.
    fn has_its_ipv6_address(&self, facts: &HostFacts) -> bool {
        let Some(mapping) = facts.ipv6_mapping(&self.config) else { return true };
        let own = mapping.address_of(self.config.bridge_address());
        let unassigned = observe::ipv6::address_towards(mapping.address_of(self.config.subnet.network()));
        observe::ipv6::address_towards(own) == Some(own) && (unassigned.is_none() || unassigned == Some(own))
    }

    /// WSL2 and DHCP write resolv.conf at any time.
    fn own_resolvers(&self) -> Vec<Ipv4Addr> {
        own_resolvers(self.config.bridge_address(), &self.config.dns.servers)
    }

    /// Whether the bridge has its address, and packets to unassigned addresses do not leave this host. Network
    /// managers may remove both (systemd-networkd does at each start: docs/quirks.md).
    fn has_its_addresses(&self) -> bool {
        let own = Some(self.config.bridge_address());
        // A subnet's first address is never assigned, whatever its prefix.
        let unassigned = observe::source_address::address_towards(self.config.subnet.network());
        !observe::link_is_gone(self.config.bridge.as_str())
            && observe::source_address::address_towards(self.config.bridge_address()) == own
            && (unassigned.is_none() || unassigned == own)
    }

    pub(super) fn up_locked(&mut self, ruleset: &RulesetAlone<'_>) -> Result<(HostFacts, Plan)> {
        let facts = self.find_facts()?;
        let (plan, observed) = self.desired_up(&facts)?;
        self.set_up(&facts, &observed, &plan, ruleset)
            .map_err(|error| error.context("cannot set up this host"))?;
        Ok((facts, plan))
    }

    /// Runs what is missing; the host record says before that it is not done, and afterwards that it is.
    pub(super) fn set_up(
        &mut self,
        facts: &HostFacts,
        observed: &ObservedHost,
        plan: &Plan,
        ruleset: &RulesetAlone<'_>,
    ) -> Result<()> {
        if !plan.is_empty() {
            self.record_host(facts, observed, false, ruleset.network())?;
            self.run_host_plan(plan, ruleset, None)?;
        }
        self.write_names(facts, ruleset.network())?;
        self.record_host(facts, observed, true, ruleset.network())
    }

    fn desired_up(&mut self, facts: &HostFacts) -> Result<(Plan, ObservedHost)> {
        let (desired, observed) = self.look(facts)?;
        let strays = if observed.bridge.is_none() { self.stray_bridges()? } else { Vec::new() };
        let plan = planner::up(&desired, &observed, &strays)?;
        Ok((plan, observed))
    }

    /// The desired state of this host, and the facts it is based on.
    pub fn desired_host(&mut self) -> Result<(HostFacts, HostState)> {
        let facts = self.find_facts()?;
        let desired = self.desired(&facts)?;
        Ok((facts, desired))
    }

    /// What `auto` means on this host now.
    pub fn find_facts(&mut self) -> Result<HostFacts> {
        let hash = config_hash(&self.config);
        observe::host::facts(&self.config, &hash, &mut self.host)
    }

    fn desired(&self, facts: &HostFacts) -> Result<HostState> {
        let mut recorded = self.store.receipts_and_events()?;
        recorded.retain(|(receipt, events)| !receipt::is_leaving(events) && !self.is_dead(receipt));
        let receipts: Vec<Receipt> = recorded.into_iter().map(|(receipt, _)| receipt).collect();
        self.host_state(facts, &receipts)
    }

    /// The desired state of this host with the attachments of `receipts`.
    pub(super) fn host_state(&self, facts: &HostFacts, receipts: &[Receipt]) -> Result<HostState> {
        let owner = self.store.owner();
        let desired = planner::desired_host(&self.config, facts, owner.as_ref(), receipts)?;
        Ok(HostState { owner_unknown: self.is_unknown(), ..desired })
    }

    fn look(&mut self, facts: &HostFacts) -> Result<(HostState, ObservedHost)> {
        let desired = self.desired(facts)?;
        let observed = observe::host::observe(&desired, &mut self.host)?;
        Ok((desired, observed))
    }

    /// Whether a setting is one that this host has without Flatnet's links.
    fn is_of_host(&self, key: &SysctlKey) -> bool {
        let advertised = key.as_str().starts_with("net/ipv6/conf/") && key.as_str().ends_with("/accept_ra");
        key.is_forwarding() || advertised && *key != SysctlKey::ipv6_conf(&self.config.bridge, "accept_ra")
    }

    /// Remembers the settings before the first `up` since boot, so that `down` can restore them.
    fn record_host(
        &self,
        facts: &HostFacts,
        observed: &ObservedHost,
        complete: bool,
        network: &NetworkGuard,
    ) -> Result<()> {
        let boot_id = observe::boot_id();
        let before = self.store.host()?;
        let mut found = match &before {
            Some(record) if record.boot_id == boot_id => record.found.clone(),
            _ => BTreeMap::new(),
        };
        for (key, &value) in observed.sysctls.iter().filter(|(key, _)| self.is_of_host(key)) {
            found.entry(key.clone()).or_insert(value);
        }
        let next_hop = observe::host::default_route().and_then(|route| route.via);
        let record = HostRecord {
            facts: facts.clone(),
            boot_id,
            found,
            at: now(),
            uplink_address: next_hop.and_then(observe::source_address::address_towards),
            complete,
        };
        if before.is_some_and(|before| HostRecord { at: record.at, ..before } == record) {
            return Ok(());
        }
        self.store.write_host(&record, network)
    }

    /// Undoes all that [`Engine::up`] did. Fails while containers are attached, unless `force` detaches them first.
    pub fn down(&mut self, force: bool) -> Result<Change> {
        let deadline = Instant::now() + self.patience();
        loop {
            let attached = self.store.receipts()?;
            if !force {
                refuse_attached(&self.living(&attached))?;
            }
            for receipt in &attached {
                self.detach(&receipt.id)?;
            }
            let started = Instant::now();
            let network = self.network_guard()?;
            // A container that is being attached has its receipt by now, and later ones wait.
            let attached = self.store.receipts()?;
            let meanwhile = refuse_attached(&self.living(&attached));
            if force && meanwhile.is_err() && started < deadline {
                continue;
            }
            let result = meanwhile.and_then(|()| self.down_locked(&network));
            self.log_operation("down", None, started, result.as_ref(), serde_json::Map::new());
            return result;
        }
    }

    fn living<'r>(&self, attached: &'r [Receipt]) -> Vec<&'r Receipt> {
        attached.iter().filter(|receipt| !self.is_dead_soon(receipt)).collect()
    }

    fn down_locked(&mut self, network: &NetworkGuard) -> Result<Change> {
        let ruleset = self.ruleset_alone(network)?;
        let change = self.plan_down()?;
        self.run_host_plan(&change.plan, &ruleset, None)
            .map_err(|error| error.context("cannot take down this host"))?;
        self.store.names().remove(&self.config.network)?;
        if change.plan.steps.iter().any(|step| matches!(step.op, Op::ResolverStop { .. })) {
            // Waits for its end.
            let lock = NamesDir::lock_of(self.store.names().path());
            Lock::acquire(&lock, self.patience())?.remove();
        }
        self.store.remove_host(network)?;
        self.await_flows(network)?;
        self.sweep_locks()?;
        Ok(change)
    }

    /// What [`Engine::down`] would do if no container were attached.
    pub fn plan_down(&mut self) -> Result<Change> {
        let record = self.store.host()?.filter(|record| record.boot_id == observe::boot_id());
        let facts = match &record {
            Some(record) => record.facts.clone(),
            None => self.find_facts()?,
        };
        let found = record.map(|record| record.found).unwrap_or_default();
        let (desired, mut observed) = self.look(&facts)?;
        let value = |key: &SysctlKey| Some((key.clone(), observe::sysctl(key)?));
        observed.sysctls.extend(found.keys().filter_map(value));
        let strays = self.stray_bridges()?;
        let users = self.other_users_of_forwarding(&strays)?;
        let plan = planner::down(&desired, &observed, &strays, &found, !users.is_empty())?;
        let is_restorable = |key: &SysctlKey| found.get(key) == Some(&0) && !users.is_empty();
        let kept = [SysctlKey::ip_forward(), SysctlKey::ipv6_forwarding()].into_iter().filter(is_restorable);
        let note = |key: SysctlKey| {
            format!("{} stays 1: {} may need it", key.as_str().replace('/', "."), users.join(", "))
        };
        let notes = kept.map(note).collect();
        Ok(Change { plan, notes, files: Vec::new() })
    }

    /// The other bridges of this host, usually networks of Podman, Docker or another Flatnet.
    fn other_users_of_forwarding(&mut self, strays: &[Link]) -> Result<Vec<String>> {
        let bridges = observe::host::bridges(&mut self.host)?;
        let is_ours =
            |name: &str| name == self.config.bridge.as_str() || strays.iter().any(|stray| stray.name == name);
        Ok(bridges.into_iter().filter(|name| !is_ours(name)).collect())
    }

    /// The bridges with the alias of the network's bridge and another name.
    fn stray_bridges(&mut self) -> Result<Vec<Link>> {
        let marked = self.marked_links()?.bridges;
        Ok(marked.into_iter().filter(|link| link.name != self.config.bridge.as_str()).collect())
    }

    /// Runs a plan for this host, one command after the other, and rolls back if one fails. Also under `links`, if it
    /// concerns an attachment's.
    pub(super) fn run_host_plan(
        &mut self,
        plan: &Plan,
        ruleset: &RulesetAlone<'_>,
        links: Option<&LinksGuard<'_>>,
    ) -> Result<()> {
        let locks: Vec<&Lock> = ruleset.locks().into_iter().chain(links.map(LinksGuard::lock)).collect();
        for rendered in render::commands(plan.steps.iter().map(|step| &step.op), &self.host.tools) {
            let command = &rendered.command;
            let op = &plan.steps[rendered.ops.start].op;
            // They outlive this run.
            let is_left = matches!(op, Op::ResolverStart(_) | Op::ServiceStart { .. });
            let held = if is_left { &[][..] } else { &locks[..] };
            let ended = self.host.run(command, held);
            let Err(error) = ended.and_then(|output| output.checked(command)) else {
                if let Op::ResolverStart(Resolver::Process { names, .. }) = op {
                    observe::resolver::await_process(&NamesDir::lock_of(names));
                }
                continue;
            };
            match op {
                Op::FlowsDel(_) => {
                    self.log.warn(&undo::flows_stay(&error));
                    continue;
                }
                // Containers get this host's name servers then.
                Op::ResolverStart(_) => {
                    self.log.warn(&format!("the resolver cannot be started: {}", error.to_line()));
                    continue;
                }
                _ => {}
            }
            // The failed line of a batch did nothing; all lines before it were done.
            let failed_line = CommandFailure::of(&error).and_then(CommandFailure::failed_line);
            let may_have_run = failed_line.map_or(rendered.ops.end, |line| rendered.ops.start + line);
            let undo: Vec<Op> = plan.undo_of(|index| index < may_have_run);
            let stuck = undo::run(&undo, &mut self.host, &locks);
            return Err(with_rollback(error, &stuck));
        }
        Ok(())
    }
}

/// Adds the outcome of the rollback to `error`.
pub(super) fn with_rollback(error: Error, stuck: &[undo::Stuck]) -> Error {
    if stuck.is_empty() {
        return error.outcome("everything was rolled back");
    }
    error.outcome(format!("not everything could be rolled back ({})", undo::describe(stuck)))
}

/// An error if containers are attached.
fn refuse_attached(living: &[&Receipt]) -> Result<()> {
    let (count, names) = (living.len(), names(living));
    let what = match count {
        0 => return Ok(()),
        1 => format!("1 container is attached: {names}"),
        _ => format!("{count} containers are attached: {names}"),
    };
    Err(Error::new(Kind::ContainersAttached, what))
}

fn names(receipts: &[&Receipt]) -> String {
    let name = |receipt: &&Receipt| {
        if receipt.name.is_empty() { receipt.id.to_string() } else { receipt.name.clone() }
    };
    receipts.iter().take(5).map(name).collect::<Vec<_>>().join(", ")
}
