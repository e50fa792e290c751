//! Parses Podman's events and collects the containers to inspect again.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::model::types::{ContainerId, User};

/// The effect of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No effect on routes.
    Nothing,
    /// This container changed.
    Of(ContainerId),
    /// This container was removed.
    Gone(ContainerId),
    /// Unknown: inspect all containers.
    Unclear,
}

/// Parses a line of `podman events --format json`.
#[must_use]
pub(super) fn parse(event: &str) -> Change {
    let Ok(Event { kind, status, id }) = serde_json::from_str(event) else { return Change::Unclear };
    let id = ContainerId::parse(&id);
    match (kind.as_str(), status.as_str(), id) {
        ("image" | "volume" | "pod" | "secret", ..)
        | ("network", "create" | "remove", _)
        | ("container", "exec" | "exec_died" | "health_status" | "attach" | "export", _) => Change::Nothing,
        ("container", "remove", Ok(id)) => Change::Gone(id),
        ("container", _, Ok(id)) | ("network", "connect" | "disconnect", Ok(id)) => Change::Of(id),
        _ => Change::Unclear,
    }
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Status", default)]
    status: String,
    /// In a network's event, the ID of the container.
    #[serde(rename = "ID", default)]
    id: String,
}

/// The containers to inspect again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changed containers.
    pub containers: BTreeSet<ContainerId>,
    /// Removed containers.
    pub gone: BTreeSet<ContainerId>,
    /// Whether all containers are to be inspected.
    pub everything: bool,
}

impl Changes {
    /// All containers.
    #[must_use]
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether there is nothing to inspect.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the effect of an event. IDs are never reused, so a removed container stays removed.
    pub fn add_event(&mut self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Of(id) => {
                self.containers.insert(id);
            }
            Change::Gone(id) => {
                self.gone.insert(id);
            }
            Change::Unclear => self.everything = true,
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        let Self { containers, gone, everything } = other;
        self.containers.extend(containers);
        self.gone.extend(gone);
        self.everything |= everything;
    }

    /// The users whose containers changed, and the changes of root's.
    #[must_use]
    pub fn split(self) -> (Vec<User>, Self) {
        let Self { containers, gone, everything } = self;
        let (of_users, containers): (BTreeSet<_>, BTreeSet<_>) =
            containers.into_iter().partition(|id| User::of(id).is_some());
        let mut users: Vec<User> = of_users.iter().filter_map(User::of).collect();
        users.dedup();
        (users, Self { containers, gone, everything })
    }

    /// The containers to inspect.
    #[must_use]
    pub fn to_inspect(&self) -> BTreeSet<ContainerId> {
        self.containers.difference(&self.gone).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_events_map_to_route_changes() {
        for events in [
            include_str!("../../../tests/captured/podman-4.3.1/events.jsonl"),
            include_str!("../../../tests/captured/podman-5.4.2/events.jsonl"),
        ] {
            for line in events.lines() {
                let id =
                    || ContainerId::parse(line.split('"').find(|word| word.len() == 64).unwrap()).unwrap();
                let wanted = match line {
                    _ if line.contains("\"Type\":\"image\"") || line.contains("\"Type\":\"pod\"") => {
                        Change::Nothing
                    }
                    _ if line.contains("\"Status\":\"remove\"") => Change::Gone(id()),
                    _ => Change::Of(id()),
                };
                assert_eq!(parse(line), wanted, "{line}");
            }
        }
        assert_eq!(parse(r#"{"Type":"container","Status":"exec_died","ID":"ab"}"#), Change::Nothing);
        for unclear in [
            "what is this?",
            r#"{"Type":"system","Status":"renumber"}"#,
            r#"{"Type":"container","ID":"a b"}"#,
        ] {
            assert_eq!(parse(unclear), Change::Unclear, "{unclear}");
        }
    }

    #[test]
    fn removed_container_is_not_inspected() {
        let id = |text| ContainerId::parse(text).unwrap();
        let mut changed = Changes::default();
        for change in [Change::Of(id("a")), Change::Gone(id("b")), Change::Of(id("b")), Change::Nothing] {
            changed.add_event(change);
        }
        assert_eq!(changed.to_inspect(), [id("a")].into());
        assert!(!changed.everything && !changed.is_nothing());
        changed.add_event(Change::Unclear);
        assert!(changed.everything);
    }
}
