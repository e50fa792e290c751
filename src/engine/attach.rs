//! ADD: an address, a receipt, three commands.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::guard::{LinksGuard, RulesetShare};
use super::host::rolled_back;
use super::undo::Undo;
use super::{Engine, NetworkGuard, now, undo};
use crate::config::{Config, Egress};
use crate::desired::{AttachmentState, HostFacts, Routes};
use crate::error::{Error, Kind, Result};
use crate::execute::{CommandFailure, Exit, Running};
use crate::lease::{Claim, Found, Lease};
use crate::lock::Lock;
use crate::observe;
use crate::observe::containers_conf::PodmanStorage;
use crate::observe::netns::Netns;
use crate::observe::ready::await_link;
use crate::plan::{self, FlowFilter, Op, Place, Plan};
use crate::receipt::{self, Event, NetnsId, Receipt};
use crate::render::{self, Rendered};
use crate::request::{Attached, Request};
use crate::types::{AttachmentId, ContainerName, IfName, LinkAlias, Mac, PortMapping, Protocol};

/// How long a link may take until it takes packets; the kernel looks at a link's carrier once a second at least. One that
/// takes longer is somebody's doing (STP, the bridge set down), and no reason to refuse the container.
const LINK_OPENS: Duration = Duration::from_secs(2);

impl Engine {
    /// Attaches a container, and tells the runtime by `answer`. One that is attached already, because the runtime was
    /// killed, is attached anew. When it fails, nothing stays; so it is when the answer cannot be given, for then the
    /// runtime knows nothing of what was made for it.
    pub fn attach(
        &mut self,
        request: &Request,
        answer: impl FnOnce(&Attached, &Config) -> Result<()>,
    ) -> Result<()> {
        let started = std::time::Instant::now();
        let result = self.attach_with_lock(request, answer);
        let mut fields = serde_json::Map::new();
        if let Some(name) = &request.name {
            fields.insert("name".to_owned(), name.as_str().into());
        }
        if let Ok(attached) = &result {
            fields.insert("address".to_owned(), attached.address.addr().to_string().into());
        }
        self.log_operation("add", Some(&request.id), started, result.as_ref(), fields);
        let called = request.id.called(request.name.as_ref().map_or("", |name| name.as_str()));
        result.map(drop).map_err(|error| error.context(format!("container {called} cannot be attached")))
    }

    /// The answer is given under the guard of the links, for whoever attaches the same interface next takes over from
    /// there: what is taken back is what was made here. A runtime that was killed may have been started again before this
    /// process had the guard; then the container is the later call's.
    fn attach_with_lock(
        &mut self,
        request: &Request,
        answer: impl FnOnce(&Attached, &Config) -> Result<()>,
    ) -> Result<Attached> {
        let netns = Netns::open(&request.netns)?;
        self.await_last_holder(request);
        self.with_links(&request.id, |engine, links| {
            if observe::nobody_reads_stdout() {
                return Err(Error::new(Kind::Unheard, "nobody reads the answer any more; nothing was done"));
            }
            let attached = engine.attach_locked(request, &netns, links)?;
            match answer(&attached, &engine.config) {
                Ok(()) => Ok(attached),
                Err(lost) => Err(match engine.detach_locked(links, |_, _| true) {
                    Ok(_) => lost.outcome("all was taken back"),
                    Err(error) => lost.outcome(engine.left_for_later(&request.id, &error)),
                }),
            }
        })
    }

    /// Waits for whoever is at work on a dead container that holds the address which this one asks for, or had under its name:
    /// at boot `repair` frees what a power cut left, while the runtime starts containers again. No guard is held meanwhile;
    /// who works for too long is not waited for, and then the container gets another address, or is refused.
    fn await_last_holder(&self, request: &Request) {
        let name = request.name.as_ref().map_or("", |name| name.as_str());
        let leases = self.store.leases().unwrap_or_default();
        for (address, lease) in leases.held() {
            let has_name = !name.is_empty() && lease.name == name && lease.id.if_name == request.id.if_name;
            let is_wanted = request.ip.map_or(has_name, |ip| ip == address) && lease.id != request.id;
            let link = lease.id.host_link(&self.config.network);
            if is_wanted && observe::link_is_gone(link.as_str()) {
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
        let network = self.network_guard()?;
        self.refuse_another()?;
        self.refuse_ports(&request.ports)?;
        self.clear_the_way(request, &network, links)?;
        let (has_link, has_way_out) = netns.link_and_way_out(&request.id.if_name)?;
        if has_link {
            let if_name = &request.id.if_name;
            return Err(Error::new(
                Kind::InterfaceExists,
                format!("{if_name} exists in {} already, and is not Flatnet's", request.netns),
            ));
        }
        let facts = self.ensure_host(&network)?;
        self.free_ports(request, &network)?;
        let ruleset = self.ruleset_share(&network)?;
        let (wanted, plan, receipt) = self.record(request, (netns, has_way_out), &facts, &network)?;
        self.make(&wanted, &plan, &receipt, network, ruleset, links)?;
        Ok(attached(&wanted, self.config.bridge_address()))
    }

    /// Removes what an earlier ADD for the same attachment left, when the runtime was killed.
    fn clear_the_way(
        &mut self,
        request: &Request,
        network: &NetworkGuard,
        links: &LinksGuard<'_>,
    ) -> Result<()> {
        if let Some((stale, _)) = self.store.receipt(&request.id)? {
            self.undo_receipt(&stale, links, network)?;
        }
        let Some(link) = self.link_without_receipt(&request.id)? else { return Ok(()) };
        let stuck = self.undo_ops(vec![Op::LinkDel { dev: link.clone() }], links, network)?.stuck;
        if stuck.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::NotUndone, format!("the link {link} is in the way: {}", undo::describe(&stuck))))
    }

    /// The link of the attachment's name, which is a hash of network, container and ifname, where there is one; an
    /// error when it does not bear the attachment's mark.
    pub(super) fn link_without_receipt(&mut self, id: &AttachmentId) -> Result<Option<IfName>> {
        let link = id.host_link(&self.config.network);
        if observe::link_is_gone(link.as_str()) {
            return Ok(None);
        }
        let alias = LinkAlias::of_attachment(&self.config.network, id);
        let found = observe::attachment::link(&Place::Host, link.as_str(), &mut *self.executor, &self.tools)?;
        if found.is_some_and(|found| found.alias != alias.as_str()) {
            return Err(Error::new(
                Kind::ForeignLink,
                format!("the link {link}, which the container needs, belongs to somebody else"),
            )
            .remedy(format!("See whose it is with `ip -d link show dev {link}`, and rename or delete it")));
        }
        Ok(Some(link))
    }

    /// Chooses the address and writes down what is about to be done, before it is done.
    fn record(
        &mut self,
        request: &Request,
        (netns, has_way_out): (&Netns, bool),
        facts: &HostFacts,
        network: &NetworkGuard,
    ) -> Result<(AttachmentState, Plan, Receipt)> {
        let name = request.name.as_ref().map_or("", |name| name.as_str());
        let podman = PodmanStorage::default();
        let of_podman = podman.has(&request.id.container_id) == Some(true);
        let claim = Claim { id: &request.id, name, requested: request.ip, of_podman, now: now() };
        let knows_all = self.store.has_leases();
        let mut leases = self.free_the_dead(network)?;
        let is_gone = |lease: &Lease| is_gone(&podman, lease);
        let address = match leases.find(&self.config, &claim, is_gone)? {
            Found::Free(address) => address,
            Found::HeldBy(_) => return Err(leases.refusal(&self.config, &claim)),
        };
        if let Some(lease) = leases.promised(address, &claim, is_gone) {
            let (before, now) = (lease.id.called(&lease.name), request.id.called(name));
            self.log.warn(&format!("{address} goes to {now}; {before} had it, and may be started again"));
        }
        let (id, ports) = (&request.id, &request.ports);
        let mac = request.mac;
        if let Some(mac) = mac {
            self.refuse_taken_mac(mac)?;
        }
        let was_used = !knows_all || leases.get(address).is_some_and(|lease| !lease.forgotten);
        let netns_path = &request.netns;
        let state =
            AttachmentState::new(&self.config, facts, id, netns_path, address, mac, ports, Routes::Default);
        let wanted = AttachmentState {
            flows_to_end: self.flows_to_end(was_used.then_some(address), ports),
            own_table: state.own_table || facts.policy_routing && has_way_out,
            ..state
        };
        let plan = plan::attach(&wanted, &observe::attachment::nothing());
        let receipt = self.receipt(&wanted, &plan, netns.id(), name, &request.aliases);
        leases.hold(address, &claim);
        self.store.write_receipt(&receipt, network)?;
        self.store.write_leases(&leases, network).inspect_err(|_| {
            // The receipt must not outlive the failure; what else could be done is in the error already.
            let _ = self.store.remove_receipt(id, network);
        })?;
        Ok((wanted, plan, receipt))
    }

    /// What the kernel may remember of whoever had `address` before, where it has not forgotten it, and of clients that use
    /// `ports` already.
    fn flows_to_end(&self, address: Option<Ipv4Addr>, ports: &[PortMapping]) -> Vec<FlowFilter> {
        let bridge = self.config.bridge_address();
        let mut own = Vec::new();
        if ports.iter().any(|port| port.protocol == Protocol::Udp) {
            own.extend([Ipv4Addr::LOCALHOST, bridge]);
            own.extend(observe::host::host_addresses(bridge));
        }
        let of_address = address.map(FlowFilter::of_address).into_iter().flatten();
        of_address.chain(FlowFilter::before_publishing(ports, &own)).collect()
    }

    /// A port of this host that connections of containers get as theirs cannot be published: a container could take
    /// what is meant for it.
    fn refuse_ports(&self, ports: &[PortMapping]) -> Result<()> {
        let range = self.config.masquerade_ports;
        let masquerades = self.config.egress == Egress::Masquerade;
        match ports.iter().find(|port| masquerades && range.contains(port.host_port)) {
            None => Ok(()),
            Some(port) => Err(Error::new(
                Kind::PortReserved,
                format!(
                    "port {port} is inside masquerade_ports {range}, which connections of containers use"
                ),
            )),
        }
    }

    fn refuse_taken_mac(&self, mac: Mac) -> Result<()> {
        let taken = if mac == Mac::of_container(self.config.bridge_address()) {
            Some("the bridge".to_owned())
        } else {
            let holds = |receipt: &Receipt| receipt.mac == mac && !self.is_dead(receipt);
            self.store.receipts()?.into_iter().find(holds).map(|receipt| receipt.called())
        };
        let Some(holder) = taken else { return Ok(()) };
        Err(Error::new(Kind::MacTaken, format!("MAC address {mac} is held by {holder}")))
    }

    /// The receipt of what `plan` makes: `wanted`, in the namespace `netns_id`, for a container called `name`.
    pub(super) fn receipt(
        &self,
        wanted: &AttachmentState,
        plan: &Plan,
        netns_id: NetnsId,
        name: &str,
        aliases: &[ContainerName],
    ) -> Receipt {
        let commands =
            |ops: &[Op]| render::commands(ops, &self.tools).into_iter().map(|one| one.command).collect();
        Receipt {
            version: receipt::VERSION,
            flatnet: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.config.network.clone(),
            id: wanted.id.clone(),
            name: name.to_owned(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            address: wanted.address,
            mac: wanted.mac,
            host_link: wanted.host_link.clone(),
            mode: Some(wanted.mode),
            netns: wanted.netns.clone(),
            netns_id,
            ports: wanted.ports.clone(),
            boot_id: observe::boot_id(),
            created: now(),
            default_route: wanted.routes_to.contains(&Ipv4Net::default()),
            commands: commands(&plan.ops()),
            undo: commands(&plan.undo()),
            steps: plan.steps.clone(),
        }
    }

    /// Runs the plan, each command under the lock of what it changes: the host's end, then what stands on it side by
    /// side, and `nft` beside all of them. The network's guard is let go as soon as `nft` runs. What the kernel shall
    /// forget comes last. At the end the link takes packets, so that the container's first one is not lost. The way
    /// back needs no guard that is not held all the time, but to release the address.
    fn make(
        &mut self,
        wanted: &AttachmentState,
        plan: &Plan,
        receipt: &Receipt,
        network: NetworkGuard,
        ruleset: RulesetShare<'static>,
        links: &LinksGuard<'_>,
    ) -> Result<()> {
        let own = links.lock();
        let commands = render::commands(plan.steps.iter().map(|step| &step.op), &self.tools);
        let (forgetting, commands): (Vec<_>, Vec<_>) = commands
            .into_iter()
            .enumerate()
            .partition(|(_, one)| matches!(plan.steps[one.ops.start].op, Op::FlowsDel(_)));
        let mut commands = commands.into_iter();
        let mut events = Vec::new();
        let (elements, host_end) = (commands.next(), commands.next());
        // What all else waits for comes first.
        let host_end = host_end.map(|one| self.start(one, &[own]));
        // Whoever works on this attachment next waits for its elements too.
        let elements = elements.map(|one| self.start(one, &[ruleset.lock(), own]));
        drop(network);
        let no_elements = elements.as_ref().is_some_and(Job::never_ran);
        let no_links = host_end.as_ref().is_some_and(Job::never_ran);
        let mut made = host_end.map_or(Ok(()), |host_end| host_end.finish(&mut events));
        if made.is_ok() {
            let side_by_side: Vec<Job> = commands.map(|one| self.start(one, &[own])).collect();
            // All are waited for, whatever becomes of the first.
            made = side_by_side.into_iter().fold(made, |made, job| made.and(job.finish(&mut events)));
        }
        let mut entered = elements.map_or(Ok(()), |job| job.finish(&mut events));
        let refused = entered.as_ref().is_err_and(exited);
        let mut ruleset = Some(ruleset);
        if made.is_ok() && refused {
            // Who has a share waits for no guard.
            ruleset = None;
            entered = entered.or_else(|error| self.enter_again(receipt, error, &mut ruleset));
        }
        let opened = made.and(entered).and_then(|()| {
            self.forget_flows(forgetting, own, &mut events);
            let (link, is_port) = (&wanted.host_link, wanted.mode.is_bridged());
            await_link(link, is_port, LINK_OPENS, &mut *self.executor, &self.tools)
        });
        let error = match opened {
            Ok(is_ready) => {
                events.extend((!is_ready).then(|| Event::of_attachment(receipt::NOT_READY)));
                events.push(Event::of_attachment(receipt::ATTACHED));
                self.store.append_events(&wanted.id, &events);
                return Ok(());
            }
            Err(error) => error,
        };
        let undo = plan.undo_of(|index| match plan.steps[index].op {
            Op::ElementAdd(_) => !no_elements,
            _ => !no_links,
        });
        let undone = match ruleset {
            Some(ruleset) => Undo::new(undo, links, ruleset).run(&mut *self.executor, &self.tools),
            // A transaction that nft refused did nothing.
            None => undo::links(&undo, links, &mut *self.executor, &self.tools),
        };
        let undone = self.told(undone);
        let stuck = &undone.stuck;
        let error = rolled_back(error, stuck);
        let forgotten = self.network_guard().and_then(|network| self.forget(links, &undone, &network));
        Err(match forgotten {
            Ok(()) => error,
            // What is stuck is told already.
            Err(_) if !stuck.is_empty() => error.outcome("`flatnet gc` tries again"),
            Err(failed) => {
                // Nobody takes it for a container that lives.
                let _ = self.store.mark_pending(&receipt.id);
                let stays = "its address stays held until the next container starts or `flatnet gc` runs";
                error.outcome(failed.context(stays).whole())
            }
        })
    }

    /// That the kernel remembers what it should not makes some clients wait, and is no reason to refuse the container.
    fn forget_flows(&mut self, commands: Vec<(usize, Rendered)>, own: &Lock, events: &mut Vec<Event>) {
        for one in commands {
            if let Err(error) = self.start(one, &[own]).finish(events) {
                self.log.warn(&undo::flows_stay(&error));
            }
        }
    }

    fn start(&mut self, (index, rendered): (usize, Rendered), locks: &[&Lock]) -> Job {
        let running = self.executor.start(&rendered.command, locks);
        Job { index, rendered, running }
    }

    /// The elements could not be entered: a port is another container's, or the tables are gone (`nft flush ruleset`).
    /// Then this host is set up again, with the elements of every receipt, the new one's too.
    /// Once they are entered, `share` is one again.
    fn enter_again(
        &mut self,
        receipt: &Receipt,
        refusal: Error,
        share: &mut Option<RulesetShare<'static>>,
    ) -> Result<()> {
        let network = match self.network_guard() {
            Err(busy) => return Err(refusal.outcome(busy.whole())),
            Ok(network) => network,
        };
        for other in self.store.receipts()?.iter().filter(|other| other.id != receipt.id) {
            if let Some(port) = other.port_in_the_way_of(&receipt.ports) {
                return Err(super::gc::port_taken(port, other).source(refusal));
            }
        }
        let ruleset = self.ruleset_alone(&network)?;
        // One that fails takes back what it entered.
        self.up_locked(&ruleset)?;
        drop(ruleset);
        *share = Some(self.ruleset_share(&network)?);
        Ok(())
    }
}

/// A command that was started, or could not be.
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

    /// Waits for its end, and records it.
    fn finish(self, events: &mut Vec<Event>) -> Result<()> {
        let output = self.running?.wait()?;
        let took = output.took;
        let result = output.checked(&self.rendered.command).map(drop);
        events.push(event(self.index, took, if result.is_ok() { "ok" } else { "failed" }));
        result
    }
}

/// Whether the container that had an address last is there no more. Of one that is not Podman's nobody can tell.
pub(super) fn is_gone(podman: &PodmanStorage, lease: &Lease) -> bool {
    lease.of_podman && podman.has(&lease.id.container_id) == Some(false)
}

/// Whether the failure is a command that ended by itself, so that what it did is known.
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

fn attached(wanted: &AttachmentState, gateway: Ipv4Addr) -> Attached {
    let answers = wanted.answers_to.iter().map(|&address| Ipv4Net::from(address));
    Attached {
        bridge: wanted.bridge.clone(),
        bridge_mac: Mac::of_container(gateway),
        host_link: wanted.host_link.clone(),
        host_mac: wanted.host_mac(),
        if_name: wanted.id.if_name.clone(),
        mac: wanted.mac,
        mtu: wanted.mtu,
        netns: wanted.netns.clone(),
        address: wanted.address,
        gateway,
        routes_to: wanted.routes_to.iter().copied().chain(answers).collect(),
    }
}
