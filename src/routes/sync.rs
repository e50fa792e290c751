//! One synchronization: inspect containers, build the table, publish it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::build::{self, Draft, Sources};
use super::containers::Inspection;
use super::follow::Changes;
use super::others::{self, Other, Others};
use super::podman::Container;
use super::port_choice::{Answers, KnownPorts};
use super::table::Table;
use super::users::{self, Answer, Records, UsersContainers};
use super::{containers, probe, publish};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{CommandFailure, Executor};
use crate::model::config::Config;
use crate::model::types::{ContainerId, HostName, UserName};
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// The containers and Flatnet's records of them at one time.
#[derive(Debug)]
pub struct Snapshot {
    host: HostName,
    /// Root's.
    containers: Vec<Container>,
    users: UsersContainers,
    records: Records,
    /// Users', according to `users` and `records`.
    of_users: Vec<Container>,
    /// Warnings about containers that Podman fails to inspect. `containers` has them as of the last successful inspection, if
    /// there was one.
    left_out: BTreeMap<ContainerId, String>,
    last_addresses: BTreeMap<String, Ipv4Addr>,
    /// The published table, if it is readable.
    published: Option<Table>,
    /// The last readable table, even if the file was lost since.
    before: Option<Table>,
    remembered: KnownPorts,
}

/// The result of a synchronization.
#[derive(Debug)]
pub struct SyncOutcome {
    /// The current table.
    pub table: Table,
    /// The previous table, if it differs.
    pub before: Option<Table>,
    /// Whether it was written.
    pub written: bool,
    /// Conflicts between routes, and containers that Podman fails to inspect.
    pub conflicts: Vec<String>,
}

impl Snapshot {
    /// Reads Podman's containers, Flatnet's records of them and the previous table.
    pub fn take(engine: &Engine, executor: &mut dyn Executor, earlier: Option<&Self>) -> Result<Self> {
        let config = &engine.config;
        let records = Records::read(engine)?;
        let Inspection { mut containers, left_out } = containers::all_containers(executor)?;
        let (kept, left_out) = kept(left_out, earlier);
        containers.extend(kept);
        let directory = &config.gateway.directory;
        let published = publish::published(directory);
        let before = published
            .clone()
            .or_else(|| publish::last_good(directory))
            .or_else(|| earlier.and_then(|snapshot| snapshot.before.clone()));
        if containers.is_empty() {
            containers::refuse_lost(&containers, before.as_ref(), &engine.attachments()?)?;
        }
        let last_addresses = containers::last_addresses(&engine.store.leases()?);
        let mut remembered = earlier.map(|snapshot| snapshot.remembered.clone()).unwrap_or_default();
        if let Some(table) = &before {
            remembered.learn(table, &Answers::new());
        }
        Ok(Self {
            host: containers::host_name(config),
            containers,
            users: earlier.map(|snapshot| snapshot.users.clone()).unwrap_or_default(),
            records,
            of_users: Vec::new(),
            left_out,
            last_addresses,
            published,
            before,
            remembered,
        })
    }

    /// Reads the published table again: `flatnet gateway sync` may have replaced it.
    pub fn read_published(&mut self, config: &Config) {
        self.published = publish::published(&config.gateway.directory);
        if self.published.is_some() {
            self.before.clone_from(&self.published);
        }
    }

    /// Inspects changed containers again. Returns whether that succeeded.
    pub fn update(
        &mut self,
        engine: &Engine,
        executor: &mut dyn Executor,
        changed: &Changes,
    ) -> Result<bool> {
        let mut ids = changed.to_inspect();
        let follows = |one: &&Container| one.shares.as_ref().is_some_and(|whose| ids.contains(whose));
        let followers: Vec<ContainerId> =
            self.containers.iter().filter(follows).map(|one| one.id.clone()).collect();
        ids.extend(followers.into_iter().filter(|id| !changed.gone.contains(id)));
        let Some(again) = containers::some_containers(executor, &ids) else { return Ok(false) };
        self.containers.retain(|one| !ids.contains(&one.id) && !changed.gone.contains(&one.id));
        self.containers.extend(again);
        self.left_out.retain(|id, _| !ids.contains(id) && !changed.gone.contains(id));
        self.read_records(engine)?;
        Ok(true)
    }

    /// Reads again what Flatnet knows of containers.
    pub fn read_records(&mut self, engine: &Engine) -> Result<()> {
        self.last_addresses = containers::last_addresses(&engine.store.leases()?);
        self.records = Records::read(engine)?;
        Ok(())
    }

    /// The users whose Podmans are to be asked. Until they have answered, their routes are those that were published.
    pub fn users_to_ask(&mut self, config: &Config) -> Vec<UserName> {
        self.users.to_ask(config, &self.records, self.before.as_ref())
    }

    /// Takes the answer of a user's Podman.
    pub fn take_answer(&mut self, user: UserName, answer: Result<Answer>, config: &Config) {
        if config.rootless.users.contains_key(&user) {
            self.users.take(user, answer, &config.network);
        }
    }

    /// Asks users' Podmans and waits for their answers.
    fn ask_users(&mut self, engine: &Engine) -> Result<()> {
        let config = &engine.config;
        let users = self.users_to_ask(config);
        if users.is_empty() {
            return Ok(());
        }
        for (user, answer) in users::ask_all(&users) {
            self.take_answer(user, answer, config);
        }
        // Addresses may have changed hands meanwhile.
        self.read_records(engine)?;
        self.look_at_users(config);
        Ok(())
    }

    /// Brings users' containers up to date with what is known by now.
    pub fn look_at_users(&mut self, config: &Config) {
        self.of_users = self.users.containers(&config.network, &self.records);
    }

    /// The input for building a table.
    #[must_use]
    pub fn sources<'a>(&'a self, config: &'a Config) -> Sources<'a> {
        let Self { host, containers, of_users, last_addresses, before, remembered, .. } = self;
        Sources { config, host, containers, of_users, last_addresses, before: before.as_ref(), remembered }
    }

    /// Other hosts' routes as they were published.
    #[must_use]
    pub fn others(&self, config: &Config) -> Others {
        self.before.as_ref().map(|table| others::read_back(table, config)).unwrap_or_default()
    }

    /// The hosts of the published table, if that is readable.
    #[must_use]
    pub fn published_hosts(&self) -> Option<BTreeSet<u16>> {
        Some(self.published.as_ref()?.hosts.iter().map(|host| host.number).collect())
    }

    /// Builds the table of this host's containers, with warnings.
    pub fn draft(&mut self, config: &Config, answers: &Answers) -> Draft {
        if let Some(table) = &self.published {
            self.remembered.learn(table, answers);
        }
        let mut draft = build::build(&self.sources(config), answers);
        draft.conflicts.extend(self.left_out.values().chain(self.users.problems()).cloned());
        draft
    }

    /// Remembers what was built instead of publishing it, on a host without a gateway.
    pub fn keep(&mut self, draft: Draft, answers: &Answers) -> SyncOutcome {
        let Draft { table, conflicts } = draft;
        self.remembered.learn(&table, answers);
        self.before = Some(table.clone());
        SyncOutcome { table, before: None, written: false, conflicts }
    }

    /// Publishes the table together with other hosts' routes, unless the published one is equal.
    pub fn publish(&mut self, config: &Config, draft: Draft, others: &Others) -> Result<SyncOutcome> {
        let directory = &config.gateway.directory;
        let Draft { table, conflicts } = others::merged(draft, others, config);
        let is_current =
            |published: &&Table| table.says_the_same_as(published) && publish::may_be_read(directory);
        if let Some(table) = self.published.as_ref().filter(is_current).cloned() {
            return Ok(SyncOutcome { table, before: None, written: false, conflicts });
        }
        let last = self.published.as_ref().map(|table| table.generation);
        let last = last.or_else(|| publish::last_good(directory).map(|table| table.generation));
        let generation = next_generation(last.unwrap_or(0));
        let table = table.numbered(generation, now());
        table
            .validate(&config.range)
            .map_err(|why| Error::new(Kind::Internal, format!("built an invalid routes table: {why}")))?;
        publish::publish(directory, &table)?;
        self.published = Some(table.clone());
        Ok(SyncOutcome { before: self.before.replace(table.clone()), table, written: true, conflicts })
    }
}

/// The containers of `left_out` as of the previous snapshot, and a warning about each. An earlier warning is kept, so that it is
/// printed once: Podman's message may contain the time.
fn kept(
    left_out: BTreeMap<ContainerId, CommandFailure>,
    earlier: Option<&Snapshot>,
) -> (Vec<Container>, BTreeMap<ContainerId, String>) {
    let before = |id: &ContainerId| earlier?.containers.iter().find(|one| one.id == *id).cloned();
    let said = |id: &ContainerId| earlier?.left_out.get(id).cloned();
    let kept: Vec<Container> = left_out.keys().filter_map(before).collect();
    let news = left_out.into_iter().map(|(id, failure)| {
        let text = said(&id).unwrap_or_else(|| match kept.iter().find(|one| one.id == id) {
            Some(one) => format!("container {} keeps its previous state: {failure}", one.name),
            None => format!("container {} is skipped: {failure}", id.short()),
        });
        (id, text)
    });
    let news = news.collect();
    (kept, news)
}

/// Takes a snapshot, probes ports and publishes the table.
pub fn sync(engine: &Engine, executor: &mut dyn Executor) -> Result<SyncOutcome> {
    sync_with(engine, executor, |_| Ok(()))
}

/// The same without the host with this number. A running watch forgets it, too.
pub fn forget(engine: &Engine, executor: &mut dyn Executor, number: u16) -> Result<SyncOutcome> {
    sync_with(engine, executor, |others| {
        forgettable(others, number)?;
        others.remove(&number);
        Ok(())
    })
}

fn sync_with(
    engine: &Engine,
    executor: &mut dyn Executor,
    change: impl FnOnce(&mut Others) -> Result<()>,
) -> Result<SyncOutcome> {
    let config = &engine.config;
    let _lock = lock(config)?;
    let mut snapshot = Snapshot::take(engine, executor, None)?;
    snapshot.ask_users(engine)?;
    let mut others = snapshot.others(config);
    change(&mut others)?;
    let answers = probe::ask_all(build::to_probe(&snapshot.sources(config)).into_keys());
    let draft = snapshot.draft(config, &answers);
    snapshot.publish(config, draft, &others)
}

/// The host with this number, of which routes are known and which does not answer.
pub fn forgettable(others: &Others, number: u16) -> Result<&Other> {
    let error = |what: String, remedy: &str| Err(Error::new(Kind::BadValue, what).remedy(remedy));
    match others.get(&number) {
        None => error(
            format!("this host keeps no routes of host {number}"),
            "`flatnet gateway routes` lists the hosts whose routes it keeps",
        ),
        Some(Other { name, answers: true, .. }) => error(
            format!("host {number} ({name}) answers, so it would be known again at once"),
            "End it first: `flatnet overlay leave` there, or `flatnet overlay revoke` where the authority is",
        ),
        Some(other) => Ok(other),
    }
}

/// The current time to the second, as in the table.
pub(super) fn now() -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default().to_string()
}

/// Builds the current table without publishing it; an error if a container cannot be inspected.
pub fn draft_table(engine: &Engine, executor: &mut dyn Executor) -> Result<Table> {
    let mut snapshot = Snapshot::take(engine, executor, None)?;
    snapshot.ask_users(engine)?;
    if let Some(why) = snapshot.left_out.values().next() {
        return Err(Error::new(
            Kind::Command,
            format!("not rendered: one container could not be inspected: {why}"),
        ));
    }
    let sources = snapshot.sources(&engine.config);
    let answers = probe::ask_all(build::to_probe(&sources).into_keys());
    let draft = build::build(&sources, &answers);
    Ok(others::merged(draft, &snapshot.others(&engine.config), &engine.config).table)
}

/// Lua's numbers are exact up to this value, after which generations restart at 1. The gateway loads any generation that
/// differs from its own.
const LAST_GENERATION: u64 = 1 << 53;

fn next_generation(last: u64) -> u64 {
    if last >= LAST_GENERATION { 1 } else { last + 1 }
}

/// Acquires the lock for writing the table.
pub(super) fn lock(config: &Config) -> Result<Lock> {
    let run = StateDir::create(&config.paths.run)?;
    let path = run.path().join(format!("{}.gateway.lock", config.network));
    Lock::acquire(&path, config.limits.patience())
}

#[cfg(test)]
mod tests {
    use super::super::podman::containers;
    use super::*;
    use crate::kernel::execute::Exit;
    use crate::model::command::Command;

    #[test]
    fn uninspectable_container_keeps_state_and_is_reported_once() {
        let known = containers(include_str!("../../tests/captured/podman-5.4.2/inspect.json")).unwrap();
        let web = known.iter().find(|one| one.name.as_str() == "web").unwrap().clone();
        let snapshot = |containers, left_out| Snapshot {
            host: HostName::parse("dev-pc").unwrap(),
            containers,
            users: UsersContainers::default(),
            records: Records::default(),
            of_users: Vec::new(),
            left_out,
            last_addresses: BTreeMap::new(),
            published: None,
            before: None,
            remembered: KnownPorts::default(),
        };
        let new = ContainerId::parse("0123456789abcdef").unwrap();
        let fails = |says: &str| {
            let failure = CommandFailure {
                command: Command::new(["podman", "inspect"]),
                exit: Exit::Code(125),
                stderr: says.to_owned(),
            };
            BTreeMap::from([(web.id.clone(), failure.clone()), (new.clone(), failure)])
        };
        let (none, warnings) = kept(fails("layer not known"), None);
        assert!(none.is_empty());
        let failed = "`podman inspect` exited with 125: layer not known";
        assert_eq!(warnings[&new], format!("container 0123456789ab is skipped: {failed}"));
        let (containers, warnings) =
            kept(fails("layer not known"), Some(&snapshot(known.clone(), BTreeMap::new())));
        assert_eq!(containers, std::slice::from_ref(&web));
        assert_eq!(warnings[&web.id], format!("container web keeps its previous state: {failed}"));
        assert_eq!(warnings[&new], format!("container 0123456789ab is skipped: {failed}"));
        // The next inspection keeps the first warning although the message differs.
        let (again, repeated) =
            kept(fails("12:00 layer not known"), Some(&snapshot(containers, warnings.clone())));
        assert_eq!((again, repeated), (vec![web.clone()], warnings));
    }
}
