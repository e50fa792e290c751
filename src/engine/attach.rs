//! ADD: an address, a receipt, three commands.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::guard::{LinksGuard, RulesetShare};
use super::host::with_rollback;
use super::requested::requested;
use super::undo::Undo;
use super::{Engine, NetworkGuard, now, undo};
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{CommandFailure, Executor as _, Exit, Running};
use crate::kernel::observe;
use crate::kernel::observe::containers_conf::PodmanStorage;
use crate::kernel::observe::netns::{Before, Netns};
use crate::kernel::observe::ready::await_link;
use crate::kernel::planner;
use crate::kernel::render::{self, Rendered};
use crate::model::config::{Dns, Egress, OverlayKind, VXLAN_PORT};
use crate::model::desired::{AttachmentState, HostFacts, Routes};
use crate::model::plan::{FlowFilter, Op, Place, Plan};
use crate::model::request::{Attached, Request};
use crate::model::types::NetnsId;
use crate::model::types::{
    AttachmentId, Caller, ContainerName, IfName, LinkAlias, Mac, PortMapping, Protocol, User,
};
use crate::state::lease::{Claim, ClaimResult, Lease};
use crate::state::lock::Lock;
use crate::state::receipt::{self, Event, Receipt};

/// How long to wait for a link to carry packets. The kernel checks carriers at least once a second; a link that
/// takes longer is held back by something else (STP, a bridge that is down), which is no reason to fail the
/// ADD.
const LINK_OPENS: Duration = Duration::from_secs(2);

impl Engine {
    /// Attaches a container and sends the result with `answer`. An attachment left by a killed runtime is
    /// replaced. On any failure everything is rolled back, also if the answer cannot be sent: then the runtime
    /// does not know what was made.
    pub fn attach(&mut self, request: &Request, answer: impl FnOnce(&Attached) -> Result<()>) -> Result<()> {
        self.attach_in(|| Netns::open(&request.netns), request, answer)
    }

    /// The same in the network namespace `netns`, which commands call `request.netns`. Below /run/netns only root makes names.
    pub fn attach_in(
        &mut self,
        netns: impl FnOnce() -> Result<Netns>,
        request: &Request,
        answer: impl FnOnce(&Attached) -> Result<()>,
    ) -> Result<()> {
        requested(&request.ips, &self.config)?;
        let ports = ports_of(&request.ports, self.config.ipv6_mapping().is_some())?;
        let request = &Request { ports, ..request.clone() };
        let started = std::time::Instant::now();
        let result = netns().and_then(|netns| self.attach_with_lock(&netns, request, answer));
        let mut fields = serde_json::Map::new();
        if let Some(name) = &request.name {
            fields.insert("name".to_owned(), name.as_str().into());
        }
        if let Ok(attached) = &result {
            fields.insert("address".to_owned(), attached.addresses.ipv4().to_string().into());
        }
        self.log_operation("add", Some(&request.id), started, result.as_ref(), fields);
        let called = request.id.label(request.name.as_ref().map_or("", |name| name.as_str()));
        result.map(drop).map_err(|error| error.context(format!("container {called} cannot be attached")))
    }

    /// The answer is sent under the links' guard, so that a rollback removes only what this call made: the next
    /// ADD of the same interface waits. If a killed runtime was restarted before this process got the guard,
    /// the container belongs to the later call.
    fn attach_with_lock(
        &mut self,
        netns: &Netns,
        request: &Request,
        answer: impl FnOnce(&Attached) -> Result<()>,
    ) -> Result<Attached> {
        refuse_id_of_another(request)?;
        self.host.hold(&request.netns, netns.descriptor());
        self.await_last_holder(request);
        self.with_links(&request.id, |engine, links| {
            if observe::stdout_has_no_reader() {
                return Err(Error::new(
                    Kind::Unheard,
                    "the runtime no longer reads the answer; nothing was done",
                ));
            }
            let attached = engine.attach_locked(request, netns, links)?;
            match answer(&attached) {
                Ok(()) => Ok(attached),
                Err(lost) => Err(match engine.detach_locked(links, |_, _| true) {
                    Ok(_) => lost.outcome("everything was rolled back"),
                    Err(error) => lost.outcome(engine.left_for_later(&request.id, &error)),
                }),
            }
        })
    }

    /// Waits while another run frees the address that this container requests, or that it had under its name, from a dead
    /// container: at boot `repair` frees what a power cut left while the runtime starts containers again. No guard is held
    /// meanwhile. If the other run takes too long, the container gets another address or is rejected.
    fn await_last_holder(&self, request: &Request) {
        let name = request.name.as_ref().map_or("", |name| name.as_str());
        let leases = self.store.leases().unwrap_or_default();
        for (address, lease) in leases.held() {
            let has_name = !name.is_empty() && lease.name == name && lease.id.if_name == request.id.if_name;
            let is_wanted = if request.ips.is_empty() { has_name } else { request.ips.contains(&address) };
            let is_requested = is_wanted && lease.id != request.id;
            // The link's name is a hash: it is computed for the one lease in question, not for every held one.
            let is_dead = || {
                observe::link_is_gone(lease.id.host_link(&self.config.network).as_str())
                    || self
                        .store
                        .receipt(&lease.id)
                        .is_ok_and(|found| found.is_some_and(|(receipt, _)| self.is_dead_soon(&receipt)))
            };
            if is_requested && is_dead() {
                if let Ok(links) = self.links_guard(&lease.id) {
                    links.remove();
                }
            }
        }
    }

    fn attach_locked(
        &mut self,
        request: &Request,
        netns: &Netns,
        links: &LinksGuard<'_>,
    ) -> Result<Attached> {
        // A killed DEL's elements, which another one may be deleting.
        self.await_other_del(&request.id);
        let network = self.network_guard()?;
        let mut question = self.config.names.enabled.then(|| self.ask_resolver());
        self.refuse_another()?;
        self.refuse_ports(&request.ports)?;
        self.refuse_one_too_many(request)?;
        self.clear_the_way(request, &network, links)?;
        let before = netns.before(&request.id.if_name)?;
        if before.has_link {
            let if_name = &request.id.if_name;
            return Err(Error::new(
                Kind::InterfaceExists,
                format!("interface {if_name} already exists in {} and is not Flatnet's", request.netns),
            ));
        }
        let facts = self.ensure_host(&network, question.as_mut())?;
        self.free_ports(request, &network)?;
        let ruleset = self.ruleset_share(&network)?;
        let (desired, plan, receipt) = self.record(request, (netns, before), &facts, &network)?;
        self.make(&desired, &plan, &receipt, network, ruleset, links)?;
        Ok(attached(&desired, self.config.bridge_address(), self.dns(question)))
    }

    /// Removes what an earlier ADD of the same attachment left behind when the runtime was killed.
    fn clear_the_way(
        &mut self,
        request: &Request,
        network: &NetworkGuard,
        links: &LinksGuard<'_>,
    ) -> Result<()> {
        self.refuse_while_deleted(&request.id, network)?;
        if let Some((stale, _)) = self.store.receipt(&request.id)? {
            self.undo_receipt(&stale, links, network)?;
        }
        let Some(link) = self.link_without_receipt(&request.id)? else { return Ok(()) };
        let stuck = self.undo_ops(vec![Op::LinkDel { dev: link.clone() }], links, network)?.stuck;
        if stuck.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Kind::NotUndone,
            format!("the link {link} cannot be deleted: {}", undo::describe(&stuck)),
        ))
    }

    /// The link with the attachment's name (a hash of network, container and ifname), if it exists; an error if
    /// it does not have the attachment's alias.
    pub(super) fn link_without_receipt(&mut self, id: &AttachmentId) -> Result<Option<IfName>> {
        let link = id.host_link(&self.config.network);
        if observe::link_is_gone(link.as_str()) {
            return Ok(None);
        }
        let alias = LinkAlias::of_attachment(&self.config.network, id);
        let found = observe::attachment::link(&Place::Host, link.as_str(), &mut self.host)?;
        if found.is_some_and(|found| found.alias != alias.as_str()) {
            return Err(Error::new(
                Kind::ForeignLink,
                format!("the link {link} already exists and does not belong to Flatnet"),
            )
            .remedy(format!("Inspect it with `ip -d link show dev {link}`, then rename or delete it")));
        }
        Ok(Some(link))
    }

    /// Chooses the address and writes the receipt before anything is done.
    fn record(
        &mut self,
        request: &Request,
        (netns, before): (&Netns, Before),
        facts: &HostFacts,
        network: &NetworkGuard,
    ) -> Result<(AttachmentState, Plan, Receipt)> {
        let name = request.name.as_ref().map_or("", |name| name.as_str());
        let podman = PodmanStorage::default();
        let of_podman = podman.has(&request.id.container_id) == Some(true);
        let claim = Claim {
            id: &request.id,
            name,
            requested: requested(&request.ips, &self.config)?,
            of_podman,
            most: request.most,
            now: now(),
        };
        let knows_all = self.store.has_leases();
        let mut leases = self.free_the_dead(network)?;
        let is_gone = |lease: &Lease| is_gone(&podman, lease);
        let address = match leases.find(&self.config, &claim, is_gone)? {
            ClaimResult::Free(address) => address,
            ClaimResult::HeldBy(_) => return Err(leases.refusal(&self.config, &claim)),
        };
        let addresses = facts.addresses(&self.config, address, before.has_ipv6);
        if let Some(lease) = leases.promised(address.into(), &claim, is_gone) {
            let (before, now) = (lease.id.label(&lease.name), request.id.label(name));
            self.log.warn(&format!(
                "{address} is assigned to {now}; {before} held it before and may be started again"
            ));
        }
        let id = &request.id;
        let ports = &ports_of(&request.ports, addresses.ipv6().is_some())?;
        let mac = request.mac;
        if let Some(mac) = mac {
            self.refuse_taken_mac(mac)?;
        }
        // The lease is that of the IPv4 address, to which the others belong.
        let was_used = !knows_all || leases.get(address).is_some_and(|lease| !self.flows_are_gone(lease));
        let used: Vec<IpAddr> = addresses.iter().filter(|_| was_used).collect();
        let path = &request.netns;
        self.host.tools.many_mounts = leases.are_many();
        let state =
            AttachmentState::new(&self.config, facts, id, path, &addresses, mac, ports, Routes::Default);
        let desired = AttachmentState {
            flows_to_end: self.flows_to_end(&used, ports, facts),
            own_table: state.own_table || facts.policy_routing && before.has_way_out,
            ..state
        };
        let plan = planner::attach(&desired, &observe::attachment::nothing());
        let about = (name, request.aliases.as_slice(), request.caller);
        let receipt = self.receipt(&desired, &plan, netns.id(), about);
        leases.hold([address.into()], &claim);
        self.store.write_receipt(&receipt, network)?;
        let named = self.add_names(&receipt, &leases, facts, network);
        named.and_then(|()| self.store.write_leases(&leases, network)).inspect_err(|_| {
            // The receipt must not outlive the failure. Other failures are already in the error.
            let _ = self.store.remove_receipt(id, network);
            self.remove_names(id, &leases, network);
        })?;
        Ok((desired, plan, receipt))
    }

    /// The conntrack entries to delete: those of the previous holders of `addresses`, and those of clients of `ports`.
    fn flows_to_end(
        &self,
        addresses: &[IpAddr],
        ports: &[PortMapping],
        facts: &HostFacts,
    ) -> Vec<FlowFilter> {
        let bridge = self.config.bridge_address();
        let mut own = Vec::new();
        if ports.iter().any(|port| port.protocol == Protocol::Udp) {
            let others = observe::host::host_addresses(bridge);
            own.extend([Ipv4Addr::LOCALHOST, bridge].into_iter().chain(others).map(IpAddr::from));
            if let Some(bridge) = facts.ipv6_mapping(&self.config).map(|mapping| mapping.address_of(bridge)) {
                let others = observe::ipv6::host_addresses(bridge);
                own.extend(std::iter::once(bridge).chain(others).map(IpAddr::from));
            }
        }
        let of_addresses = addresses.iter().copied().flat_map(FlowFilter::of_address);
        of_addresses.chain(FlowFilter::before_publishing(ports, &own)).collect()
    }

    /// Rejects a published port in `masquerade_ports`: a container's connection could use the same port and receive its
    /// packets.
    fn refuse_ports(&self, ports: &[PortMapping]) -> Result<()> {
        let range = self.config.masquerade_ports;
        let masquerades = self.config.egress == Egress::Masquerade;
        match ports.iter().find(|port| masquerades && range.contains(port.host_port)) {
            None => Ok(()),
            Some(port) => Err(Error::new(
                Kind::PortReserved,
                format!(
                    "port {port} is in masquerade_ports {range}, which is reserved for outgoing connections"
                ),
            )),
        }?;
        let is_vxlan = self.config.overlay.as_ref().is_some_and(|overlay| overlay.kind == OverlayKind::Vxlan);
        let takes_it = |port: &&PortMapping| port.protocol == Protocol::Udp && port.host_port == VXLAN_PORT;
        match ports.iter().find(takes_it).filter(|_| is_vxlan) {
            None => Ok(()),
            Some(port) => Err(Error::new(
                Kind::PortReserved,
                format!("port {port} is reserved for VXLAN, which carries packets between hosts here"),
            )
            .remedy("Publish another port (`-p`)")),
        }
    }

    /// Counts the receipts of the caller's living containers. The dead ones are freed before an address is assigned.
    fn refuse_one_too_many(&mut self, request: &Request) -> Result<()> {
        let Some(most) = request.most else { return Ok(()) };
        // Not by number: a removed user's containers may outlive the user, whose number another one gets.
        let user = User::of(&request.id.container_id);
        let is_own =
            |receipt: &Receipt| User::of(&receipt.id.container_id) == user && receipt.id != request.id;
        let own: Vec<Receipt> = self.store.receipts()?.into_iter().filter(is_own).collect();
        let most_held = usize::from(most);
        // Most calls need not look whether each of them lives.
        if own.len() < most_held || own.iter().filter(|receipt| !self.is_dead(receipt)).count() < most_held {
            return Ok(());
        }
        let user = user.map(|user| user.name.to_string()).unwrap_or_default();
        let what = format!("user {user} has {most} containers attached, which is as many as allowed");
        Err(Error::new(Kind::Quota, what))
    }

    fn refuse_taken_mac(&self, mac: Mac) -> Result<()> {
        let taken = if mac == Mac::of_container(self.config.bridge_address()) {
            Some("the bridge".to_owned())
        } else {
            let holds = |receipt: &Receipt| receipt.mac == mac && !self.is_dead_soon(receipt);
            self.store.receipts()?.into_iter().find(holds).map(|receipt| receipt.label())
        };
        let Some(holder) = taken else { return Ok(()) };
        Err(Error::new(Kind::MacTaken, format!("MAC address {mac} is held by {holder}")))
    }

    /// The receipt for `plan`, which makes `desired` in the namespace `netns_id`, for a container with this name and
    /// these aliases that `caller` attaches.
    pub(super) fn receipt(
        &self,
        desired: &AttachmentState,
        plan: &Plan,
        netns_id: NetnsId,
        (name, aliases, caller): (&str, &[ContainerName], Caller),
    ) -> Receipt {
        let commands =
            |ops: &[Op]| render::commands(ops, &self.host.tools).into_iter().map(|one| one.command).collect();
        Receipt {
            version: receipt::VERSION,
            flatnet: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.config.network.clone(),
            id: desired.id.clone(),
            name: name.to_owned(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            addresses: desired.addresses.clone(),
            mac: desired.mac,
            host_link: desired.host_link.clone(),
            mode: Some(desired.mode),
            netns: desired.netns.clone(),
            netns_id,
            ports: desired.ports.clone(),
            boot_id: observe::boot_id(),
            created: now(),
            default_route: desired.routes_to.contains(&IpNet::V4(Ipv4Net::default())),
            caller,
            commands: commands(&plan.ops()),
            undo: commands(&plan.undo()),
            steps: plan.steps.clone(),
        }
    }

    /// Runs the plan, each command under the lock of what it changes: first the host's end of the link, then
    /// everything on it in parallel, with `nft` beside all of them. The network's guard is released as soon as
    /// `nft` runs. Conntrack entries are deleted last. Finally waits until the link carries packets, so that
    /// the container's first packet is not lost. A rollback needs only guards that are held throughout, except
    /// to release the address.
    fn make(
        &mut self,
        desired: &AttachmentState,
        plan: &Plan,
        receipt: &Receipt,
        network: NetworkGuard,
        ruleset: RulesetShare<'static>,
        links: &LinksGuard<'_>,
    ) -> Result<()> {
        let own = links.lock();
        let commands = render::commands(plan.steps.iter().map(|step| &step.op), &self.host.tools);
        let (forgetting, commands): (Vec<_>, Vec<_>) = commands
            .into_iter()
            .enumerate()
            .partition(|(_, one)| matches!(plan.steps[one.ops.start].op, Op::FlowsDel(_)));
        let mut commands = commands.into_iter();
        let mut events = Vec::new();
        let (elements, host_end) = (commands.next(), commands.next());
        // Everything else depends on it.
        let host_end = host_end.map(|one| self.start(one, &[own]));
        // The next operation on this attachment must wait for its elements too.
        let elements = elements.map(|one| self.start(one, &[ruleset.lock(), own]));
        drop(network);
        let no_elements = elements.as_ref().is_some_and(Job::never_ran);
        let no_links = host_end.as_ref().is_some_and(Job::never_ran);
        let mut made = host_end.map_or(Ok(()), |host_end| host_end.finish(&mut events));
        if made.is_ok() {
            let side_by_side: Vec<Job> = commands.map(|one| self.start(one, &[own])).collect();
            // Wait for all of them, even if the first fails.
            made = side_by_side.into_iter().fold(made, |made, job| made.and(job.finish(&mut events)));
        }
        let mut entered = elements.map_or(Ok(()), |job| job.finish(&mut events));
        let refused = entered.as_ref().is_err_and(exited);
        let mut ruleset = Some(ruleset);
        if made.is_ok() && refused {
            // The holder of a share does not wait for other guards.
            ruleset = None;
            entered = entered.or_else(|error| self.enter_again(receipt, error, &mut ruleset));
        }
        let opened = made.and(entered).and_then(|()| {
            self.forget_flows(forgetting, own, &mut events);
            let (link, is_port) = (&desired.host_link, desired.mode.is_bridged());
            await_link(link, is_port, LINK_OPENS, &mut self.host)
        });
        let error = match opened {
            Ok(is_ready) => {
                events.extend((!is_ready).then(|| Event::of_attachment(receipt::NOT_READY)));
                events.push(Event::of_attachment(receipt::ATTACHED));
                self.store.append_events(&desired.id, &events);
                return Ok(());
            }
            Err(error) => error,
        };
        let undo = plan.undo_of(|index| match plan.steps[index].op {
            Op::ElementAdd(_) => !no_elements,
            _ => !no_links,
        });
        let undone = match ruleset {
            Some(ruleset) => Undo::new(undo, links, ruleset).run(&mut self.host),
            // A transaction that nft rejected changed nothing.
            None => undo::links(&undo, links, &mut self.host, None),
        };
        let undone = self.warn_of_flows(undone);
        let stuck = &undone.stuck;
        let error = with_rollback(error, stuck);
        let forgotten = self.network_guard().and_then(|network| self.forget(links, &undone, &network));
        Err(match forgotten {
            Ok(()) => error,
            // What is stuck is in the error already.
            Err(_) if !stuck.is_empty() => error.outcome("`flatnet gc` tries again"),
            Err(failed) => {
                // So that it does not count as a running container.
                let _ = self.store.mark_pending(&receipt.id);
                let stays = "its address stays held until the next container starts or `flatnet gc` runs";
                error.outcome(failed.context(stays).to_line())
            }
        })
    }

    /// Leftover conntrack entries only delay some clients, which is no reason to fail the ADD.
    fn forget_flows(&mut self, commands: Vec<(usize, Rendered)>, own: &Lock, events: &mut Vec<Event>) {
        for one in commands {
            if let Err(error) = self.start(one, &[own]).finish(events) {
                self.log.warn(&undo::flows_stay(&error));
            }
        }
    }

    fn start(&mut self, (index, rendered): (usize, Rendered), locks: &[&Lock]) -> Job {
        let running = self.host.start(&rendered.command, locks);
        Job { index, rendered, running }
    }

    /// Handles elements that could not be added: either another container publishes a port, or the tables are
    /// gone (`nft flush ruleset`). In the latter case this host is set up again with the elements of all
    /// receipts, including the new one. Then `share` is a share again.
    fn enter_again(
        &mut self,
        receipt: &Receipt,
        refusal: Error,
        share: &mut Option<RulesetShare<'static>>,
    ) -> Result<()> {
        let network = match self.network_guard() {
            Err(busy) => return Err(refusal.outcome(busy.to_line())),
            Ok(network) => network,
        };
        for other in self.store.receipts()?.iter().filter(|other| other.id != receipt.id) {
            if let Some(port) = other.port_in_the_way_of(&receipt.ports) {
                return Err(super::gc::port_taken(port, other).source(refusal));
            }
        }
        let ruleset = self.ruleset_alone(&network)?;
        // On failure it rolls back what it added.
        self.up_locked(&ruleset)?;
        drop(ruleset);
        *share = Some(self.ruleset_share(&network)?);
        Ok(())
    }
}

/// The published ports as far as this host has them. Without IPv6 every address is an IPv4 address.
fn ports_of(ports: &[PortMapping], has_ipv6: bool) -> Result<Vec<PortMapping>> {
    let port = |port: &PortMapping| match port.host_ip {
        Some(address) if address.is_ipv6() && !has_ipv6 => {
            let what = format!("a port cannot be published at \"{address}\": containers have no IPv6 here");
            Err(Error::new(Kind::Unsupported, what).remedy("Use an IPv4 address of this host, or no address"))
        }
        Some(address) if address.is_unspecified() && !has_ipv6 => Ok(PortMapping { host_ip: None, ..*port }),
        _ => Ok(*port),
    };
    ports.iter().map(port).collect()
}

/// Containers of users have IDs of a form of their own, which says whose they are.
fn refuse_id_of_another(request: &Request) -> Result<()> {
    let id = &request.id.container_id;
    if Caller::of(id) == request.caller {
        return Ok(());
    }
    let what = format!("CNI_CONTAINERID: \"{id}\" is of the form of the IDs of users' containers");
    Err(Error::new(Kind::Environment, what).remedy("Choose another ID"))
}

/// A started command, or the failure to start it.
struct Job {
    index: usize,
    rendered: Rendered,
    running: Result<Box<dyn Running>>,
}

impl Job {
    /// Whether it could not be started.
    fn never_ran(&self) -> bool {
        self.running.is_err()
    }

    /// Waits for its end and records it.
    fn finish(self, events: &mut Vec<Event>) -> Result<()> {
        let output = self.running?.wait()?;
        let took = output.took;
        let result = output.checked(&self.rendered.command).map(drop);
        events.push(event(self.index, took, if result.is_ok() { "ok" } else { "failed" }));
        result
    }
}

/// Whether the previous holder of an address no longer exists. Unknown for containers that are not Podman's.
pub(super) fn is_gone(podman: &PodmanStorage, lease: &Lease) -> bool {
    lease.of_podman && podman.has(&lease.id.container_id) == Some(false)
}

/// Whether the command exited by itself, so that its effect is known.
fn exited(error: &Error) -> bool {
    CommandFailure::of(error).is_some_and(|failure| matches!(failure.exit, Exit::Code(_)))
}

fn event(command: usize, took: Duration, outcome: &str) -> Event {
    Event {
        at: now(),
        command: Some(command),
        milliseconds: Some((took.as_secs_f64() * 1e6).round() / 1e3),
        outcome: outcome.to_owned(),
    }
}

fn attached(desired: &AttachmentState, bridge: Ipv4Addr, dns: Dns) -> Attached {
    let answers = desired.answers_to.iter().map(|&address| IpNet::from(address));
    Attached {
        bridge: desired.bridge.clone(),
        bridge_mac: Mac::of_container(bridge),
        host_link: desired.host_link.clone(),
        host_mac: desired.host_mac(),
        if_name: desired.id.if_name.clone(),
        mac: desired.mac,
        mtu: desired.mtu,
        netns: desired.netns.clone(),
        addresses: desired.addresses.clone(),
        next_hops: desired.next_hops.clone(),
        routes_to: desired.routes_to.iter().copied().chain(answers).collect(),
        dns,
    }
}
