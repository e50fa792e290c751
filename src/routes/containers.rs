//! Reads Podman's containers and Flatnet's records of them. Only the command line may call this: a plugin that runs `podman`
//! would wait for locks that Podman holds while it waits for the plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::podman::{Container, containers};
use super::table::Table;
use crate::engine::{Attachment, AttachmentStatus};
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::{CommandFailure, Executor, Exit, Output};
use crate::model::command::Command;
use crate::model::config::Config;
use crate::model::types::{ContainerId, HostName};

/// How often the list is read again if a container on it was removed before it was inspected.
const TRIES: usize = 5;

/// The result of inspecting all containers.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The inspected containers.
    pub containers: Vec<Container>,
    /// Containers that Podman fails to inspect, usually because of broken storage, with the failures.
    pub left_out: BTreeMap<ContainerId, CommandFailure>,
}

/// All containers of this host's Podman; an error if none of them can be inspected.
pub fn all_containers(executor: &mut dyn Executor) -> Result<Inspection> {
    let list = Command::new(["podman", "ps", "--all", "--quiet", "--no-trunc"]);
    let mut failure = None;
    for _ in 0..TRIES {
        let ids = executor.run(&list, &[])?.checked(&list)?.stdout;
        let ids = ids.split_whitespace().map(ContainerId::parse).collect::<Result<Vec<_>>>()?;
        let mut inspection = Inspection::default();
        if ids.is_empty() {
            return Ok(inspection);
        }
        match look_at(executor, &ids, &mut inspection) {
            Ok(()) if !inspection.containers.is_empty() => return Ok(inspection),
            Ok(()) => {
                failure = inspection.left_out.into_values().next().map(Error::from);
                break;
            }
            Err(error) if CommandFailure::of(&error).is_some_and(is_of_one_gone) => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::new(Kind::Internal, "podman was not called")))
}

/// Inspects `ids`. One failing container makes `podman inspect` fail for all of them: then each half is inspected
/// separately, until only the failing ones are left out.
fn look_at(executor: &mut dyn Executor, ids: &[ContainerId], inspection: &mut Inspection) -> Result<()> {
    let look = inspect(ids);
    let output = executor.run(&look, &[])?;
    if output.success() {
        inspection.containers.extend(containers(&output.stdout)?);
        return Ok(());
    }
    let failure = CommandFailure::new(&look, &output);
    // 127 and above are a shell's codes for a missing program and for signals.
    if !matches!(failure.exit, Exit::Code(1..127)) || is_of_one_gone(&failure) {
        return Err(failure.into());
    }
    if let [id] = ids {
        inspection.left_out.insert(id.clone(), failure);
        return Ok(());
    }
    let (first, rest) = ids.split_at(ids.len() / 2);
    look_at(executor, first, inspection)?;
    look_at(executor, rest, inspection)
}

/// Whether a listed container has been removed since.
fn is_of_one_gone(failure: &CommandFailure) -> bool {
    failure.stderr.contains("no such container")
}

/// These containers; `None` if that fails, for example because one was removed.
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

/// Rejects an empty list while routed containers are still attached: removing their routes would cut off working services.
pub fn refuse_lost(
    containers: &[Container],
    before: Option<&Table>,
    attachments: &[Attachment],
) -> Result<()> {
    if !containers.is_empty() {
        return Ok(());
    }
    let of_root = before.into_iter().flat_map(Table::own_routes).filter(|route| route.user.is_none());
    let routed = of_root.flat_map(|route| &route.endpoints);
    let lives = |id: &str| {
        attachments.iter().any(|one| {
            one.state == AttachmentStatus::Running && one.receipt.id.container_id.in_routes() == id
        })
    };
    match routed.into_iter().find(|one| lives(&one.id)) {
        Some(one) => Err(Error::new(
            Kind::PodmanLost,
            format!("Podman lists no container, and {} is attached at {}", one.container, one.address),
        )),
        None => Ok(()),
    }
}

/// The last address of each container, by ID.
#[must_use]
pub fn last_addresses(leases: &crate::state::lease::Leases) -> BTreeMap<String, Ipv4Addr> {
    leases.ipv4().map(|(address, lease)| (lease.id.container_id.to_string(), address)).collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kernel::execute::Running;
    use crate::state::lock::Lock;

    const GRAPH: &str = "Error: getting graph driver info \"b\": layer not known";

    /// A fake Podman that returns `lists` in turn, then the last one repeatedly, and fails to inspect the containers in
    /// `fails`.
    struct Podman {
        lists: Vec<&'static str>,
        fails: Vec<(&'static str, Exit, &'static str)>,
        inspected: Vec<String>,
    }

    impl Podman {
        fn of(
            lists: &[&'static str],
            fails: impl IntoIterator<Item = (&'static str, Exit, &'static str)>,
        ) -> Self {
            Self { lists: lists.to_vec(), fails: fails.into_iter().collect(), inspected: Vec::new() }
        }

        /// The IDs of inspected containers, and the failures of the others.
        fn look(&mut self) -> Result<(Vec<String>, BTreeMap<String, String>)> {
            let Inspection { containers, left_out } = all_containers(self)?;
            let left_out = left_out.iter().map(|(id, failure)| (id.to_string(), failure.to_string()));
            Ok((containers.iter().map(|one| one.id.to_string()).collect(), left_out.collect()))
        }
    }

    struct Ended(Output);

    impl Running for Ended {
        fn wait(self: Box<Self>) -> Result<Output> {
            Ok(self.0)
        }

        fn has_ended(&self) -> bool {
            true
        }
    }

    impl Executor for Podman {
        fn start(&mut self, command: &Command, _: &[&Lock]) -> Result<Box<dyn Running>> {
            let ended = |exit, stdout: String, stderr: &str| {
                let output = Output { exit, stdout, stderr: stderr.to_owned(), took: Duration::ZERO };
                Ok::<Box<dyn Running>, Error>(Box::new(Ended(output)))
            };
            if command.argv[1] == "ps" {
                let list = if self.lists.len() > 1 { self.lists.remove(0) } else { self.lists[0] };
                return ended(Exit::Code(0), list.replace(' ', "\n"), "");
            }
            let ids = &command.argv[4..];
            self.inspected.push(ids.join(" "));
            let documents: Vec<String> = ids.iter().map(|id| inspected(id)).collect();
            let failure = self.fails.iter().find(|(bad, ..)| ids.iter().any(|id| id == bad));
            failure.map_or_else(
                || ended(Exit::Code(0), format!("[{}]", documents.join(",")), ""),
                |(_, exit, says)| ended(*exit, "[]".to_owned(), says),
            )
        }
    }

    fn inspected(id: &str) -> String {
        format!(
            r#"{{"Id":"{id}","Name":"{id}","Created":"","State":{{"Status":"running"}},"NetworkSettings":{{}},"Config":{{}},"HostConfig":{{}}}}"#
        )
    }

    #[test]
    fn only_uninspectable_containers_are_left_out() {
        let mut podman = Podman::of(&["a b c d e"], [("b", Exit::Code(125), GRAPH)]);
        let (found, left_out) = podman.look().unwrap();
        assert_eq!(found, ["a", "c", "d", "e"]);
        let says = format!("`podman inspect --type container b` exited with 125: {GRAPH}");
        assert_eq!(left_out, [("b".to_owned(), says)].into());
        assert_eq!(podman.inspected, ["a b c d e", "a b", "a", "b", "c d e"]);
        let fails = ["a", "c", "e"].map(|id| (id, Exit::Code(125), GRAPH));
        let (found, left_out) = Podman::of(&["a b c d e"], fails).look().unwrap();
        assert_eq!((found.join(""), left_out.len()), ("bd".to_owned(), 3));
    }

    #[test]
    fn failing_to_inspect_all_containers_is_an_error() {
        for list in ["b", "b c d"] {
            let fails = ["b", "c", "d"].map(|id| (id, Exit::Code(125), GRAPH));
            let error = Podman::of(&[list], fails).look().unwrap_err();
            assert!(error.to_line().contains(GRAPH), "{list}: {error}");
        }
    }

    #[test]
    fn killed_inspect_is_an_error_without_retry() {
        let timed_out = Exit::TimedOut(Duration::from_secs(1));
        for exit in [timed_out, Exit::Signal(9), Exit::Code(137), Exit::Code(127)] {
            let mut podman = Podman::of(&["a b"], [("b", exit, "")]);
            assert!(podman.look().is_err(), "{exit:?}");
            assert_eq!(podman.inspected, ["a b"], "{exit:?}");
        }
    }

    #[test]
    fn list_is_read_again_after_container_vanished() {
        let gone = ("b", Exit::Code(125), "Error: no such container b");
        let mut podman = Podman::of(&["a b c", "a c"], [gone]);
        assert_eq!(podman.look().unwrap(), (vec!["a".to_owned(), "c".to_owned()], BTreeMap::new()));
        assert_eq!(podman.inspected, ["a b c", "a c"]);
        let mut podman = Podman::of(&["a b c"], [gone]);
        assert!(podman.look().unwrap_err().to_line().contains("no such container b"));
        assert_eq!(podman.inspected.len(), TRIES);
        // Also beside a broken one, which Podman reaches first.
        let mut podman = Podman::of(&["a b d", "a d"], [("d", Exit::Code(125), GRAPH), gone]);
        let (found, left_out) = podman.look().unwrap();
        assert_eq!((found, left_out.len()), (vec!["a".to_owned()], 1));
    }
}
