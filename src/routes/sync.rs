//! Once: look, build, publish.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::build::{self, Built, Sources};
use super::changed::Changed;
use super::choose::{Answers, Remembered};
use super::look::Looked;
use super::podman::Container;
use super::table::Table;
use super::{look, probe, publish};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{CommandFailure, Executor};
use crate::model::config::Config;
use crate::model::types::{ContainerId, HostName};
use crate::state::dir::StateDir;
use crate::state::lock::Lock;

/// What there is, as it was looked at.
#[derive(Debug)]
pub struct Seen {
    host: HostName,
    containers: Vec<Container>,
    /// Those that Podman fails to inspect, each with what is to be said of it. They are among the containers as they were
    /// at the last look that succeeded, where there was one.
    left_out: BTreeMap<ContainerId, String>,
    last_addresses: BTreeMap<String, Ipv4Addr>,
    /// The last table that could be read: one that was lost since is still remembered.
    before: Option<Table>,
    remembered: Remembered,
}

/// What came of it.
#[derive(Debug)]
pub struct Synced {
    /// The table that holds now.
    pub table: Table,
    /// The one before it, where it was another.
    pub before: Option<Table>,
    /// Whether it was written.
    pub written: bool,
    /// Routes that ask for what another one has, and containers that Podman fails to inspect.
    pub conflicts: Vec<String>,
}

impl Seen {
    /// Looks at Podman's containers, at what Flatnet knows of them and at the table before.
    pub fn look(engine: &Engine, executor: &mut dyn Executor, earlier: Option<&Self>) -> Result<Self> {
        let config = &engine.config;
        let Looked { mut containers, left_out } = look::all_containers(executor)?;
        let (kept, left_out) = kept(left_out, earlier);
        containers.extend(kept);
        let before =
            publish::last(&config.gateway.directory).or_else(|| earlier.and_then(|seen| seen.before.clone()));
        if containers.is_empty() {
            look::refuse_lost(&containers, before.as_ref(), &engine.attachments()?)?;
        }
        let last_addresses = look::last_addresses(&engine.store.leases()?);
        let mut remembered = earlier.map(|seen| seen.remembered.clone()).unwrap_or_default();
        if let Some(table) = &before {
            remembered.learn(table, &Answers::new());
        }
        Ok(Self { host: look::host_name(config), containers, left_out, last_addresses, before, remembered })
    }

    /// Looks again at those containers that have changed; whether that could be told.
    pub fn update(
        &mut self,
        engine: &Engine,
        executor: &mut dyn Executor,
        changed: &Changed,
    ) -> Result<bool> {
        let mut ids = changed.to_ask();
        let follows = |one: &&Container| one.shares.as_ref().is_some_and(|whose| ids.contains(whose));
        let followers: Vec<ContainerId> =
            self.containers.iter().filter(follows).map(|one| one.id.clone()).collect();
        ids.extend(followers.into_iter().filter(|id| !changed.gone.contains(id)));
        let Some(again) = look::some_containers(executor, &ids) else { return Ok(false) };
        self.containers.retain(|one| !ids.contains(&one.id) && !changed.gone.contains(&one.id));
        self.containers.extend(again);
        self.left_out.retain(|id, _| !ids.contains(id) && !changed.gone.contains(id));
        self.last_addresses = look::last_addresses(&engine.store.leases()?);
        Ok(true)
    }

    /// What a table is built from.
    #[must_use]
    pub fn sources<'a>(&'a self, config: &'a Config) -> Sources<'a> {
        let Self { host, containers, last_addresses, before, remembered, .. } = self;
        Sources { config, host, containers, last_addresses, before: before.as_ref(), remembered }
    }

    /// Publishes what these containers and answers make, unless it says what is published already.
    pub fn publish(&mut self, config: &Config, answers: &Answers) -> Result<Synced> {
        let directory = &config.gateway.directory;
        let on_disk = publish::published(directory);
        if let Some(table) = &on_disk {
            self.remembered.learn(table, answers);
            self.before.clone_from(&on_disk);
        }
        let Built { table, mut conflicts } = build::build(&self.sources(config), answers);
        conflicts.extend(self.left_out.values().cloned());
        let is_so = |on_disk: &Table| table.says_the_same_as(on_disk) && publish::may_be_read(directory);
        if let Some(table) = on_disk.filter(is_so) {
            return Ok(Synced { table, before: None, written: false, conflicts });
        }
        let written = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let generation = next_generation(publish::last(directory).map_or(0, |table| table.generation));
        let table = table.numbered(generation, written.to_string());
        table
            .validate(&config.range)
            .map_err(|why| Error::new(Kind::Internal, format!("a table of routes is wrong: {why}")))?;
        publish::publish(directory, &table)?;
        Ok(Synced { before: self.before.replace(table.clone()), table, written: true, conflicts })
    }
}

/// Those of `left_out` as they were at the look before, and what is to be said of each. What was said already stays, so
/// that it is news once: Podman's words may have the time in them.
fn kept(
    left_out: BTreeMap<ContainerId, CommandFailure>,
    earlier: Option<&Seen>,
) -> (Vec<Container>, BTreeMap<ContainerId, String>) {
    let before = |id: &ContainerId| earlier?.containers.iter().find(|one| one.id == *id).cloned();
    let said = |id: &ContainerId| earlier?.left_out.get(id).cloned();
    let kept: Vec<Container> = left_out.keys().filter_map(before).collect();
    let news = left_out.into_iter().map(|(id, failure)| {
        let text = said(&id).unwrap_or_else(|| match kept.iter().find(|one| one.id == id) {
            Some(one) => format!("container {} is taken as it was before: {failure}", one.name),
            None => format!("container {} is left out: {failure}", id.short()),
        });
        (id, text)
    });
    let news = news.collect();
    (kept, news)
}

/// Looks, asks ports, publishes.
pub fn sync(engine: &Engine, executor: &mut dyn Executor) -> Result<Synced> {
    let config = &engine.config;
    let _lock = lock(config)?;
    let mut seen = Seen::look(engine, executor, None)?;
    let answers = probe::ask_all(build::to_ask(&seen.sources(config)).into_keys());
    seen.publish(config, &answers)
}

/// The table of the containers as they are, which nobody is told of; an error where it would lack one.
pub fn built(engine: &Engine, executor: &mut dyn Executor) -> Result<Table> {
    let seen = Seen::look(engine, executor, None)?;
    if let Some(why) = seen.left_out.values().next() {
        return Err(Error::new(Kind::Command, format!("the routes would lack one: {why}")));
    }
    let sources = seen.sources(&engine.config);
    let answers = probe::ask_all(build::to_ask(&sources).into_keys());
    Ok(build::build(&sources, &answers).table)
}

/// Lua has no whole numbers beyond: from there it begins anew. The gateway takes up whatever is another one.
const LAST_GENERATION: u64 = 1 << 53;

fn next_generation(last: u64) -> u64 {
    if last >= LAST_GENERATION { 1 } else { last + 1 }
}

/// One at a time writes the table.
pub(super) fn lock(config: &Config) -> Result<Lock> {
    let run = StateDir::create(&config.paths.run)?;
    let path = run.path().join(format!("{}.gateway.lock", config.network));
    Lock::acquire(&path, Duration::from_secs(config.limits.lock_seconds))
}

#[cfg(test)]
mod tests {
    use super::super::podman::containers;
    use super::*;
    use crate::kernel::execute::Exit;
    use crate::model::command::Command;

    #[test]
    fn what_cannot_be_inspected_is_taken_as_it_was_and_told_once() {
        let known = containers(include_str!("../../tests/captured/podman-5.4.2/inspect.json")).unwrap();
        let web = known.iter().find(|one| one.name.as_str() == "web").unwrap().clone();
        let seen = |containers, left_out| Seen {
            host: HostName::parse("dev-pc").unwrap(),
            containers,
            left_out,
            last_addresses: BTreeMap::new(),
            before: None,
            remembered: Remembered::default(),
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
        let (none, told) = kept(fails("layer not known"), None);
        assert!(none.is_empty());
        let failed = "`podman inspect` exited with 125: layer not known";
        assert_eq!(told[&new], format!("container 0123456789ab is left out: {failed}"));
        let (containers, told) = kept(fails("layer not known"), Some(&seen(known.clone(), BTreeMap::new())));
        assert_eq!(containers, std::slice::from_ref(&web));
        assert_eq!(told[&web.id], format!("container web is taken as it was before: {failed}"));
        assert_eq!(told[&new], format!("container 0123456789ab is left out: {failed}"));
        // The next look finds it there, and other words are no news.
        let (again, told_again) = kept(fails("12:00 layer not known"), Some(&seen(containers, told.clone())));
        assert_eq!((again, told_again), (vec![web.clone()], told));
    }
}
