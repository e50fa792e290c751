//! One thread that waits for questions, answers of other servers, and changes of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::base::iana::{OptRcode, Rcode};
use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::ask::leads_only_to;
use super::cache::{Cache, Key};
use super::channel::is_later;
use super::client::{Client, Source};
use super::connection::{self, Connection};
use super::counters::{Counters, Histogram};
use super::decide::{Verdict, Zone, decide, decide_for_host, named};
use super::files::Files;
use super::forward::{FinishedQuestion, Forwarder, Purpose, Waiter};
use super::listener::Listener;
use super::network::Network;
use super::own_addresses::{OwnAddresses, crowding};
use super::podman::PodmanNames;
use super::query::{Query, QueryOutcome};
use super::question::{Question, QuestionName, Refusal};
use super::rate::Rate;
use super::reply::{self, ForwardedQuestion};
use super::servers::{PORT, ResolvConf, choose};
use super::systemd;
use crate::error::{Error, Kind, Result};
use crate::model::types::NetworkName;

/// How often files, listeners and idle connections are looked after, beside what is noticed at once.
const TICK: Duration = Duration::from_secs(1);
/// How often the counters are written.
const COUNT: Duration = Duration::from_secs(5);
/// How many datagrams are read before others have their turn.
const TURN: usize = 64;
/// How many events are taken at once.
const EVENTS: usize = 128;
/// How many descriptors are needed at most.
const DESCRIPTORS: u64 = 4096;
/// The largest message.
const LARGEST: usize = 65_535;

/// How the resolver runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the files of names.
    pub directory: PathBuf,
    /// The port at which it listens.
    pub port: u16,
    /// This host's resolv.conf.
    pub resolv_conf: PathBuf,
    /// Where the counters are written.
    pub counters: Option<PathBuf>,
    /// Questions a second of one client; 0 for no limit.
    pub rate: u32,
    /// Whether each question is reported.
    pub has_log: bool,
}

/// An event reported to the caller.
#[derive(Debug)]
pub enum Event<'a> {
    /// It listens for this network.
    Listening(&'a NetworkName, Ipv4Addr),
    /// It listens for it no longer: its file was removed, or names another address.
    Closed(&'a NetworkName, Ipv4Addr),
    /// Something failed; it is tried again.
    Failed(&'a Error),
    /// A question was answered.
    Query(&'a Query<'a>),
}

/// The resolver, with its sockets open.
#[derive(Debug)]
pub struct Resolver {
    settings: Settings,
    epoll: OwnedFd,
    files: Files,
    resolv_conf: ResolvConf,
    podman: PodmanNames,
    listeners: BTreeMap<u64, Listener>,
    connections: BTreeMap<u64, Connection>,
    forwarder: Forwarder,
    cache: Cache,
    rate: Rate,
    own: OwnAddresses,
    counters: Counters,
    local_time: Histogram,
    forwarded_time: Histogram,
    /// Failures to listen, by network, each of which is reported once.
    failures: BTreeMap<NetworkName, String>,
    /// Connections that may have further questions.
    woken: BTreeSet<u64>,
    /// Counts what has a number, and whose turn it is.
    count: u64,
    answer: Vec<u8>,
}

type Report<'a> = &'a mut dyn FnMut(Event<'_>);

impl Resolver {
    /// Opens the sockets that can be opened now, or takes those that systemd kept.
    pub fn open(settings: Settings, report: Report<'_>) -> Result<Self> {
        let counters = Counters {
            started: jiff::Timestamp::now().as_millisecond(),
            pid: std::process::id(),
            ..Counters::default()
        };
        let mut resolver = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(cannot_wait)?,
            files: Files::new(&settings.directory),
            resolv_conf: ResolvConf::new(&settings.resolv_conf),
            podman: PodmanNames::open(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            forwarder: Forwarder::default(),
            cache: Cache::default(),
            rate: Rate::new(settings.rate),
            own: OwnAddresses::default(),
            counters,
            local_time: Histogram::default(),
            forwarded_time: Histogram::default(),
            failures: BTreeMap::new(),
            woken: BTreeSet::new(),
            count: 0,
            answer: Vec::new(),
            settings,
        };
        allow_descriptors();
        let mut kept = systemd::kept();
        resolver.look_after(Instant::now(), &mut kept, report);
        kept.iter().for_each(systemd::forget_socket);
        systemd::ready();
        Ok(resolver)
    }

    /// Answers until `stop` is readable.
    pub fn run(mut self, stop: &UnixStream, report: Report<'_>) -> Result<()> {
        self.watch(stop.as_fd(), Source::Stop).map_err(cannot_wait)?;
        let mut buffer = vec![0; LARGEST];
        let mut events = [MaybeUninit::uninit(); EVENTS];
        let (mut tick, mut count) = (Instant::now() + TICK, Instant::now());
        loop {
            let now = Instant::now();
            if now >= tick {
                self.look_after(now, &mut Vec::new(), report);
                tick = now + TICK;
            }
            if now >= count {
                self.write_counters();
                count = now + COUNT;
            }
            for done in self.forwarder.work(&self.epoll, now) {
                self.finish(done, report);
            }
            for number in std::mem::take(&mut self.woken) {
                self.serve(number, report);
            }
            let due = self.forwarder.next().into_iter().fold(tick.min(count), Instant::min);
            let due = if self.woken.is_empty() { due } else { now };
            let timeout = Timespec::try_from(due.saturating_duration_since(Instant::now())).ok();
            let ready = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
                Ok((ready, _)) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(cannot_wait(errno)),
            };
            for event in ready {
                match Source::of(event.data.u64()) {
                    Source::Stop => {
                        self.write_counters();
                        return Ok(());
                    }
                    Source::Files => self.look_after(now, &mut Vec::new(), report),
                    Source::Datagrams(number) => self.read_datagrams(number, &mut buffer, report),
                    Source::Connections(number) => self.accept(number),
                    Source::Connection(number) => self.serve(number, report),
                    Source::Server(number, which) => {
                        let from = (number, which);
                        let done = self.forwarder.receive(&self.epoll, from, &mut buffer, Instant::now());
                        if let Some(done) = done {
                            self.finish(done, report);
                        }
                    }
                }
            }
        }
    }

    fn watch(&self, socket: BorrowedFd<'_>, source: Source) -> rustix::io::Result<()> {
        let flags = match source {
            Source::Connection(_) => epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET,
            _ => epoll::EventFlags::IN,
        };
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(source.token()), flags)
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Looks for networks that came or went, and listens for them, with sockets of `kept` as far as they fit; ends idle
    /// connections.
    fn look_after(&mut self, now: Instant, kept: &mut Vec<OwnedFd>, report: Report<'_>) {
        if self.files.scan() {
            if let Some(changes) = self.files.changes() {
                // Without it, the next tick finds what came.
                let _ = self.watch(changes.as_fd(), Source::Files);
            }
        }
        self.report_problems(report);
        let wanted: Vec<(NetworkName, Ipv4Addr)> = self
            .files
            .networks()
            .map(|network| (network.file.network.clone(), network.file.listen))
            .collect();
        let is_wanted = |one: &Listener| wanted.contains(&(one.network.clone(), one.address));
        let gone: Vec<u64> =
            self.listeners.iter().filter(|(_, one)| !is_wanted(one)).map(|(number, _)| *number).collect();
        for listener in gone.iter().filter_map(|number| self.listeners.remove(number)) {
            report(Event::Closed(&listener.network, listener.address));
            systemd::forget(listener.address.into());
        }
        self.failures.retain(|network, _| wanted.iter().any(|(name, _)| name == network));
        for (network, address) in wanted {
            let is_open =
                self.listeners.values().any(|one| (&one.network, one.address) == (&network, address));
            if !is_open {
                self.listen(network, address, kept, report);
            }
        }
        self.connections
            .retain(|_, connection| now.saturating_duration_since(connection.active) < connection::IDLE);
    }

    fn listen(
        &mut self,
        network: NetworkName,
        address: Ipv4Addr,
        kept: &mut Vec<OwnedFd>,
        report: Report<'_>,
    ) {
        let opened = Listener::open(&network, address, self.settings.port, kept).and_then(|listener| {
            let number = self.number();
            self.watch(listener.udp.as_fd(), Source::Datagrams(number))
                .and_then(|()| self.watch(listener.tcp.as_fd(), Source::Connections(number)))
                .map_err(cannot_wait)?;
            systemd::keep(&listener);
            self.listeners.insert(number, listener);
            Ok(())
        });
        match opened {
            Ok(()) => {
                self.failures.remove(&network);
                report(Event::Listening(&network, address));
            }
            Err(error) => {
                let text = error.to_line();
                if self.failures.get(&network) != Some(&text) {
                    report(Event::Failed(&error));
                    self.failures.insert(network, text);
                }
            }
        }
    }

    fn report_problems(&mut self, report: Report<'_>) {
        for error in self.files.problems() {
            report(Event::Failed(&error));
        }
    }

    fn read_datagrams(&mut self, number: u64, buffer: &mut [u8], report: Report<'_>) {
        for _ in 0..TURN {
            let Some(listener) = self.listeners.get(&number) else { return };
            match listener.udp.recv_from(buffer) {
                Ok((length, SocketAddr::V4(address))) => {
                    let client = Client { address, listener: number, connection: None };
                    self.handle(client, buffer.get(..length).unwrap_or_default(), report);
                }
                Err(cause) if is_later(&cause) => return,
                // An error is about an answer that did not arrive.
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn accept(&mut self, number: u64) {
        let Some(listener) = self.listeners.get(&number) else { return };
        let Ok((stream, SocketAddr::V4(peer))) = listener.tcp.accept() else { return };
        let network = listener.network.clone();
        self.files.refresh();
        if !self.may_ask(&network, *peer.ip()) {
            self.counters.foreign += 1;
            return;
        }
        let now = Instant::now();
        let share = self.own.share_of(*peer.ip());
        self.make_room(share);
        let own = self.number();
        let is_ready = stream.set_nonblocking(true).is_ok() && stream.set_nodelay(true).is_ok();
        if is_ready && self.watch(stream.as_fd(), Source::Connection(own)).is_ok() {
            self.connections.insert(own, Connection::new(stream, (peer, share), number, now));
        }
    }

    /// Ends the idlest connection of whoever has most, if there is no room for one more; or of `share`, if it has enough.
    fn make_room(&mut self, share: Ipv4Addr) {
        let shares = self.connections.values().map(|connection| connection.share);
        let is_full = self.connections.len() >= connection::MOST.0;
        let crowded = crowding(shares, share, connection::MOST.1, is_full);
        let of_crowded = self.connections.iter().filter(|(_, one)| Some(one.share) == crowded);
        if let Some(idlest) = of_crowded.min_by_key(|(_, one)| one.active).map(|(number, _)| *number) {
            self.connections.remove(&idlest);
        }
    }

    /// Answers what a connection brings.
    fn serve(&mut self, number: u64, report: Report<'_>) {
        for _ in 0..TURN {
            let Some(connection) = self.connections.get_mut(&number) else { return };
            let client =
                Client { address: connection.peer, listener: connection.listener, connection: Some(number) };
            match connection.exchange(Instant::now()).and_then(|()| connection.take()) {
                Ok(Some(message)) => self.handle(client, &message, report),
                Ok(None) if !connection.is_over() => return,
                Ok(None) | Err(_) => {
                    self.connections.remove(&number);
                    return;
                }
            }
        }
        self.woken.insert(number);
    }

    /// Whether `address` may ask at the address of `network`.
    fn may_ask(&mut self, network: &NetworkName, address: Ipv4Addr) -> bool {
        let serves = |network: &Network| network.serves(address) || network.is_other_host(address);
        self.files.network(network).is_some_and(serves) || self.own.contains(address)
    }

    /// Answers a message, forwards it or drops it.
    fn handle(&mut self, client: Client, message: &[u8], report: Report<'_>) {
        let since = Instant::now();
        if self.files.refresh() {
            self.cache.clear();
        }
        self.report_problems(report);
        let Some(network) = self.listeners.get(&client.listener).map(|listener| listener.network.clone())
        else {
            return;
        };
        let address = *client.address.ip();
        if !self.may_ask(&network, address) {
            self.counters.foreign += 1;
            return;
        }
        if !self.own.contains(address) && !self.rate.allows(address, since) {
            self.counters.limited += 1;
            return;
        }
        let question = match Question::parse(message) {
            Ok(question) => question,
            Err(Refusal::Silence) => {
                self.counters.malformed += 1;
                return;
            }
            Err(Refusal::Error(rcode)) => {
                self.counters.queries += 1;
                self.refuse(client, message, rcode);
                return;
            }
        };
        self.counters.queries += 1;
        if question.is_transfer() {
            self.transfer(client, &network, &question, since, report);
            return;
        }
        let turn = self.number();
        let other_host = self.files.network(&network).filter(|one| one.is_other_host(address));
        let user = self.files.network(&network).and_then(|one| one.user_at(address));
        let verdict = match other_host {
            None => {
                let networks = self.files.networks_for(&network);
                Some(decide(networks, user.as_ref(), &question.name, question.rtype))
            }
            Some(network) => decide_for_host(network, &question.name, question.rtype),
        };
        let Some(mut verdict) = verdict else {
            return self.refuse(client, message, Rcode::REFUSED.into());
        };
        let elsewhere = match verdict {
            Verdict::NoName(Zone::Root) | Verdict::Forward if other_host.is_none() => {
                elsewhere(&self.files, &mut self.podman, &network, address, &question)
            }
            _ => None,
        };
        if let Some(addresses) = &elsewhere {
            verdict = named(addresses, question.rtype);
        }
        match verdict {
            Verdict::Forward => return self.forward(client, &network, &question, since, report),
            Verdict::OtherHost(host) => {
                let Some(subnet) = self.files.network(&network).and_then(|one| one.subnet_of_host(host))
                else {
                    return self.refuse(client, message, Rcode::SERVFAIL.into());
                };
                let servers = vec![(host, PORT).into()];
                let purpose = Purpose::OtherHost(subnet);
                return self.ask_others(client, &question, since, (servers, purpose), report);
            }
            _ => {}
        }
        let mut answer = std::mem::take(&mut self.answer);
        let turn = usize::try_from(turn).unwrap_or_default();
        reply::answer(&mut answer, &question, client.transport(), &verdict, turn);
        let outcome = self.settings.has_log.then(|| QueryOutcome::of(&verdict));
        self.send(client, &answer);
        self.answer = answer;
        self.counters.local += 1;
        let took = since.elapsed();
        self.local_time.add(took);
        if let Some(outcome) = outcome {
            self.report_query(client, &question, outcome, took, report);
        }
    }

    fn refuse(&mut self, client: Client, message: &[u8], rcode: OptRcode) {
        self.counters.refused += 1;
        let mut answer = std::mem::take(&mut self.answer);
        reply::error(&mut answer, message, rcode);
        self.send(client, &answer);
        self.answer = answer;
    }

    /// Answers a question for all names of this host, which other hosts and this host itself may ask.
    fn transfer(
        &mut self,
        client: Client,
        network: &NetworkName,
        question: &Question<'_>,
        since: Instant,
        report: Report<'_>,
    ) {
        let address = *client.address.ip();
        let is_host = self.own.contains(address);
        let network = self.files.network(network).filter(|one| is_host || one.is_other_host(address));
        let zone = network.and_then(|network| Some((network, network.host_zone()?)));
        let asked = zone.filter(|(_, zone)| question.name == QuestionName::of(zone));
        let Some((network, zone)) = asked.filter(|_| client.connection.is_some()) else {
            self.refuse(client, question.message.as_slice(), Rcode::NOTIMP.into());
            return;
        };
        for message in reply::transfer(question, &zone, network.records_for_other_hosts()) {
            self.send(client, &message);
        }
        self.counters.local += 1;
        if self.settings.has_log {
            self.report_query(client, question, QueryOutcome::Transfer, since.elapsed(), report);
        }
    }

    fn forward(
        &mut self,
        client: Client,
        network: &NetworkName,
        question: &Question<'_>,
        since: Instant,
        report: Report<'_>,
    ) {
        match self.resolv_conf.refresh() {
            Ok(false) => {}
            Ok(true) => self.cache.clear(),
            Err(error) => {
                self.cache.clear();
                report(Event::Failed(&error));
            }
        }
        let configured = self.files.network(network).map_or(&[][..], |network| &network.file.upstreams);
        // Where a network has servers of its own, their answers are for it alone.
        let set = (!configured.is_empty()).then(|| network.clone());
        let is_own = |address: IpAddr| self.listeners.values().any(|one| IpAddr::V4(one.address) == address);
        let servers = choose(configured, self.resolv_conf.servers(), is_own);
        let key = Key::of(question, set);
        let limit = reply::limit(client.transport(), question.edns);
        let mut answer = std::mem::take(&mut self.answer);
        let is_cached = key.as_ref().is_some_and(|key| self.cache.get(key, limit, since, &mut answer));
        if is_cached {
            reply::adapt(&mut answer, question.message.as_slice(), question.end);
            self.send(client, &answer);
            self.counters.cached += 1;
            self.local_time.add(since.elapsed());
        }
        self.answer = answer;
        if is_cached {
            if self.settings.has_log {
                self.report_query(client, question, QueryOutcome::Cached, since.elapsed(), report);
            }
            return;
        }
        self.ask_others(client, question, since, (servers, Purpose::Cache(key)), report);
    }

    /// Asks servers.
    fn ask_others(
        &mut self,
        client: Client,
        question: &Question<'_>,
        since: Instant,
        (servers, purpose): (Vec<SocketAddr>, Purpose),
        report: Report<'_>,
    ) {
        let id = question.message.header().id().to_be_bytes();
        if let Some(connection) = client.connection.and_then(|number| self.connections.get_mut(&number)) {
            connection.waiting += 1;
        }
        let share = self.own.share_of(*client.address.ip());
        let waiter = Waiter { client, share, id, since };
        let done = self.forwarder.ask(&self.epoll, question, waiter, servers, purpose);
        if let Some(done) = done {
            self.finish(done, report);
        }
    }

    /// Passes on the answer of another server, or says that there is none.
    fn finish(&mut self, done: FinishedQuestion, report: Report<'_>) {
        let FinishedQuestion { pending, answer, server } = done;
        let now = Instant::now();
        let mut out = std::mem::take(&mut self.answer);
        let answer = answer.filter(|answer| match &pending.purpose {
            Purpose::OtherHost(subnet) => leads_only_to(answer, *subnet),
            Purpose::Cache(_) => true,
        });
        if let (Some(answer), Purpose::Cache(Some(key))) = (&answer, pending.purpose) {
            self.cache.put(key, answer, now);
        }
        for waiter in &pending.waiters {
            let mut message = pending.message.clone();
            reply::adapt(&mut message, &waiter.id, 0);
            let asked = ForwardedQuestion { message: &message, edns: pending.edns };
            match &answer {
                Some(answer) if answer.len() <= reply::limit(waiter.client.transport(), pending.edns) => {
                    out.clear();
                    out.extend_from_slice(answer);
                    reply::adapt(&mut out, &message, pending.end);
                }
                Some(_) => reply::without_answer(&mut out, &asked, Rcode::NOERROR),
                None => reply::without_answer(&mut out, &asked, Rcode::SERVFAIL),
            }
            if let Some(connection) =
                waiter.client.connection.and_then(|number| self.connections.get_mut(&number))
            {
                connection.waiting = connection.waiting.saturating_sub(1);
            }
            self.send(waiter.client, &out);
            let took = now.saturating_duration_since(waiter.since);
            if server.is_some() {
                self.counters.forwarded += 1;
                self.forwarded_time.add(took);
            } else {
                self.counters.failures += 1;
            }
            if self.settings.has_log {
                if let Ok(question) = Question::parse(&message) {
                    let outcome = server.map_or(QueryOutcome::Failed, QueryOutcome::Forwarded);
                    self.report_query(waiter.client, &question, outcome, took, report);
                }
            }
        }
        self.answer = out;
        // They may have more questions, which waited for these answers.
        self.woken.extend(pending.waiters.iter().filter_map(|waiter| waiter.client.connection));
    }

    fn send(&mut self, client: Client, answer: &[u8]) {
        match client.connection {
            None => {
                if let Some(listener) = self.listeners.get(&client.listener) {
                    // A client that cannot be reached asks again, if it still wants to know.
                    let _ = listener.udp.send_to(answer, client.address);
                }
            }
            Some(number) => {
                let sent = self.connections.get_mut(&number).map(|connection| connection.send(answer));
                if matches!(sent, Some(Err(_))) {
                    self.connections.remove(&number);
                }
            }
        }
    }

    fn report_query(
        &self,
        client: Client,
        question: &Question<'_>,
        outcome: QueryOutcome,
        took: Duration,
        report: Report<'_>,
    ) {
        let network = self.listeners.get(&client.listener).and_then(|one| self.files.network(&one.network));
        let address = *client.address.ip();
        let holder = network.and_then(|network| network.holder(address));
        report(Event::Query(&Query {
            network: network.map(|network| &network.file.network),
            address,
            holder,
            name: question.name.to_string(),
            rtype: question.rtype.to_string(),
            transport: client.transport(),
            outcome,
            took,
        }));
    }

    /// A failure is ignored: nobody could be told who does not see it by the age of the file.
    fn write_counters(&mut self) {
        let Some(path) = &self.settings.counters else { return };
        let mut counters = self.counters.clone();
        counters.written = jiff::Timestamp::now().as_millisecond();
        counters.listening = self.listeners.values().map(|one| (one.network.clone(), one.address)).collect();
        counters.problems = self.failures.values().cloned().collect();
        counters.crowded = self.forwarder.dropped;
        counters.wrong_answers = self.forwarder.foreign;
        counters.local_time = self.local_time.quantiles();
        counters.forwarded_time = self.forwarded_time.quantiles();
        if let Ok(text) = serde_json::to_string(&counters) {
            let _ = crate::file::replace(path, format!("{text}\n").as_bytes());
        }
    }
}

/// The addresses in Podman's own networks, if the container at `address` is on one.
fn elsewhere(
    files: &Files,
    podman: &mut PodmanNames,
    network: &NetworkName,
    address: Ipv4Addr,
    question: &Question<'_>,
) -> Option<Vec<Ipv4Addr>> {
    let asker = &files.network(network)?.holder(address)?.id.container_id;
    podman.addresses(asker, &question.name)
}

fn cannot_wait(errno: rustix::io::Errno) -> Error {
    Error::new(Kind::Internal, "cannot wait for questions").source(std::io::Error::from(errno))
}

/// Lets this process have as many descriptors as there may be questions that wait, each of several servers.
fn allow_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        // With fewer, some questions are not forwarded while very many wait.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
