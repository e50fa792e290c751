//! What there is: Podman's containers, and what Flatnet itself knows of them. Only the command line may call this: a
//! plugin that runs `podman` waits for locks that Podman holds while it waits for the plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::podman::{Container, containers};
use super::table::Table;
use crate::command::Command;
use crate::config::Config;
use crate::engine::{Attachment, State};
use crate::error::{Error, Kind, Result};
use crate::execute::{CommandFailure, Executor, Output};
use crate::types::{ContainerId, HostName};

/// How often the list is asked for again when a container on it went away before it was looked at.
const TRIES: usize = 5;

/// All containers of this host's Podman.
pub fn all_containers(executor: &mut dyn Executor) -> Result<Vec<Container>> {
    let list = Command::new(["podman", "ps", "--all", "--quiet", "--no-trunc"]);
    let mut failure = None;
    for _ in 0..TRIES {
        let ids = executor.run(&list, &[])?.checked(&list)?.stdout;
        let ids = ids.split_whitespace().map(ContainerId::parse).collect::<Result<Vec<_>>>()?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let look = inspect(&ids);
        let output = executor.run(&look, &[])?;
        if output.success() {
            return containers(&output.stdout);
        }
        let went_away = output.stderr.contains("no such container");
        failure = Some(CommandFailure::new(&look, &output));
        if !went_away {
            break;
        }
    }
    Err(failure.map_or_else(|| Error::new(Kind::Internal, "podman was not asked"), Error::from))
}

/// These containers; `None` where that cannot be told, for example since one is gone.
pub fn some_containers(executor: &mut dyn Executor, ids: &BTreeSet<ContainerId>) -> Option<Vec<Container>> {
    if ids.is_empty() {
        return Some(Vec::new());
    }
    let output = executor.run(&inspect(ids), &[]).ok().filter(Output::success)?;
    containers(&output.stdout).ok()
}

fn inspect<'a>(ids: impl IntoIterator<Item = &'a ContainerId>) -> Command {
    let ids = ids.into_iter().map(ContainerId::as_str);
    Command::new(["podman", "inspect", "--type", "container"].into_iter().chain(ids))
}

/// An empty list where containers that were routed are still attached is no list: taking their routes away would cut off
/// all that works.
pub fn refuse_lost(
    containers: &[Container],
    before: Option<&Table>,
    attachments: &[Attachment],
) -> Result<()> {
    if !containers.is_empty() {
        return Ok(());
    }
    let routed = before.into_iter().flat_map(|table| &table.routes).flat_map(|route| &route.endpoints);
    let lives = |id: &str| {
        attachments.iter().any(|one| one.state == State::Running && one.receipt.id.container_id.short() == id)
    };
    match routed.into_iter().find(|one| lives(&one.id)) {
        Some(one) => Err(Error::new(
            Kind::PodmanLost,
            format!("Podman lists no container, and {} is attached at {}", one.container, one.address),
        )),
        None => Ok(()),
    }
}

/// The address that each container had last, by ID.
#[must_use]
pub fn last_addresses(leases: &crate::lease::Leases) -> BTreeMap<String, Ipv4Addr> {
    leases.all().map(|(address, lease)| (lease.id.container_id.to_string(), address)).collect()
}

/// This host's name.
#[must_use]
pub fn host_name(config: &Config) -> HostName {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let or_network = || HostName::parse(config.network.as_str());
    HostName::parse(&name)
        .or_else(|_| or_network())
        .or_else(|_| HostName::parse("localhost"))
        .unwrap_or_else(|_| unreachable!("a constant that parses"))
}
