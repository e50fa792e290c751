//! Containers of users' rootless Podmans.
//!
//! Each user's own Podman is asked, by a process of the user's ([`ask`]). Nothing in its answer is believed that is not the user's to
//! say: IDs and names get the user's prefix and suffix, addresses come from Flatnet's receipts and leases, and so does whether a container is attached.

mod ask;
mod background;
mod recall;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

pub use self::ask::{Answer, ask, ask_all};
pub(super) use self::background::Background;
use super::podman::{Container, ContainerState};
use super::table::Table;
use crate::engine::{AttachmentStatus, Engine};
use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::types::{ContainerId, ContainerName, NetworkName, User, UserName};

/// How many containers of one user are looked at.
const MOST: usize = 256;
/// How many exposed ports of one container are looked at: each may be probed.
const MOST_PORTS: usize = 16;
/// The length of a container's ID in Podman.
const ID_LENGTH: usize = 64;

/// What Flatnet knows of users' containers.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The attached ones, with their addresses and since when.
    attached: BTreeMap<ContainerId, (Ipv4Addr, jiff::Timestamp)>,
    /// All that have an address, or had it last.
    known: BTreeSet<ContainerId>,
}

impl Records {
    /// Reads the receipts and leases, if any user may have containers.
    pub fn read(engine: &Engine) -> Result<Self> {
        if engine.config.rootless.users.is_empty() {
            return Ok(Self::default());
        }
        let attachments = engine.attachments()?.into_iter();
        let running = attachments.filter(|one| one.state == AttachmentStatus::Running).map(|one| one.receipt);
        let attached = running.filter(|receipt| !receipt.caller.is_root()).map(|receipt| {
            let since = jiff::Timestamp::from_millisecond(receipt.created).unwrap_or_default();
            (receipt.id.container_id.clone(), (receipt.address(), since))
        });
        let attached: BTreeMap<_, _> = attached.collect();
        let leases = engine.store.leases()?;
        let holders = leases.ipv4().map(|(_, lease)| lease.id.container_id.clone());
        let known = holders.chain(attached.keys().cloned()).filter(|id| User::of(id).is_some()).collect();
        Ok(Self { attached, known })
    }
}

/// The last answers of users' Podmans.
#[derive(Clone, Debug, Default)]
pub struct UsersContainers {
    by_user: BTreeMap<UserName, Known>,
    /// Why Podman could not be asked, as it was said first.
    problems: BTreeMap<UserName, String>,
}

/// A user's containers, as Flatnet calls them.
#[derive(Clone, Debug)]
struct Known {
    containers: Vec<Container>,
    /// Whether they come from the user's Podman, not from the table of routes.
    is_fresh: bool,
}

impl UsersContainers {
    /// Forgets users who may no longer have containers, and recalls from the table `before` the routes of those whose Podman has not answered
    /// yet. Returns the users to ask: those with attached containers, or with containers that are known from before.
    pub fn to_ask(&mut self, config: &Config, records: &Records, before: Option<&Table>) -> Vec<UserName> {
        let users = &config.rootless.users;
        self.by_user.retain(|user, _| users.contains_key(user));
        self.problems.retain(|user, _| users.contains_key(user));
        for user in users.keys().filter(|_| before.is_some()) {
            let is_fresh = self.by_user.get(user).is_some_and(|known| known.is_fresh);
            let recalled =
                before.filter(|_| !is_fresh).map(|table| recall::containers(table, user, config, records));
            if let Some(containers) = recalled.filter(|containers| !containers.is_empty()) {
                self.by_user.insert(user.clone(), Known { containers, is_fresh: false });
            }
        }
        let attached: BTreeSet<UserName> =
            records.attached.keys().filter_map(User::of).map(|user| user.name).collect();
        let has_some =
            |user: &UserName| self.by_user.get(user).is_some_and(|known| !known.containers.is_empty());
        users.keys().filter(|user| attached.contains(*user) || has_some(user)).cloned().collect()
    }

    /// Takes the answer of a user's Podman. If it failed, what is known of the user's containers stays.
    pub fn take(&mut self, name: UserName, answer: Result<Answer>, network: &NetworkName) {
        match answer {
            Ok(Answer { user, containers, left_out }) => {
                let before = self.by_user.remove(&name).map(|known| known.containers).unwrap_or_default();
                let left_out: BTreeSet<ContainerId> =
                    left_out.iter().filter_map(|id| user.container_id(id).ok()).collect();
                let kept = before.into_iter().filter(|one| left_out.contains(&one.id));
                let containers = kept.chain(accepted(&user, containers, network)).collect();
                self.problems.remove(&name);
                self.by_user.insert(name, Known { containers, is_fresh: true });
            }
            Err(error) => {
                self.problems.entry(name).or_insert_with_key(|name| unanswered(name, &error));
            }
        }
    }

    /// All containers, with their addresses and states according to `records`.
    #[must_use]
    pub fn containers(&self, network: &NetworkName, records: &Records) -> Vec<Container> {
        let all = self.by_user.values().flat_map(|known| &known.containers);
        all.map(|container| recorded(container, network, records)).collect()
    }

    /// A line about each user whose Podman does not answer.
    pub fn problems(&self) -> impl Iterator<Item = &String> {
        self.problems.values()
    }
}

fn unanswered(name: &UserName, error: &Error) -> String {
    let why =
        std::iter::once(error.message().to_owned()).chain(error.causes()).collect::<Vec<_>>().join(": ");
    let why: String = why.chars().filter(|c| !c.is_control()).take(400).collect();
    format!("Podman of user {name} does not answer, and the routes to its containers stay: {why}")
}

/// What is accepted of a Podman's answer: containers with IDs as Podman gives them and a name each, that are on `network`, share the namespace of another, or
/// have a label of Flatnet's.
fn accepted(user: &User, containers: Vec<Container>, network: &NetworkName) -> Vec<Container> {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    let wanted = containers.into_iter().filter(|one| {
        let has_label = one.labels.keys().any(|key| key.starts_with("flatnet."));
        one.is_on(network) || one.shares.is_some() || has_label
    });
    let renamed = wanted.filter_map(|one| {
        let shares = one.shares.as_ref().map(|id| own_id(user, id));
        let (id, name) = (own_id(user, &one.id)?, own_name(user, &one.name)?);
        let is_new = ids.insert(id.in_routes()) && names.insert(name.clone());
        (is_new && shares != Some(None)).then(|| Container {
            id,
            name,
            shares: shares.flatten(),
            exposed: one.exposed.iter().copied().take(MOST_PORTS).collect(),
            networks: one
                .networks
                .keys()
                .filter(|name| *name == network.as_str())
                .map(|name| (name.clone(), None))
                .collect(),
            labels: one.labels.into_iter().filter(|(key, _)| key.starts_with("flatnet.")).collect(),
            ..one
        })
    });
    renamed.take(MOST).collect()
}

fn own_id(user: &User, id: &ContainerId) -> Option<ContainerId> {
    let is_podmans =
        id.as_str().len() == ID_LENGTH && id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    user.container_id(id).ok().filter(|_| is_podmans)
}

fn own_name(user: &User, name: &ContainerName) -> Option<ContainerName> {
    user.container_name(name).ok()
}

/// The container, with what Flatnet knows better than the user's Podman.
fn recorded(container: &Container, network: &NetworkName, records: &Records) -> Container {
    let attached = records.attached.get(container.shares.as_ref().unwrap_or(&container.id));
    let address = attached.map(|(address, _)| *address);
    let is_on = address.is_some() || container.is_on(network);
    let state = match (attached, &container.shares, container.state) {
        (None, ..) => ContainerState::Stopped,
        // It was started again since its Podman was asked.
        (Some(_), None, ContainerState::Stopped) => ContainerState::Running,
        (Some(_), _, state) => state,
    };
    Container {
        state,
        // Of two new ones, the one that was attached first has a name.
        created: attached.map_or(jiff::Timestamp::MAX, |(_, since)| *since),
        networks: is_on.then(|| (network.to_string(), address)).into_iter().collect(),
        ..container.clone()
    }
}

#[cfg(test)]
mod tests;
