//! What Podman's events say, and what has to be looked at again.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::model::types::ContainerId;

/// What a line of `podman events` says to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that matters to a route.
    Nothing,
    /// This container.
    Of(ContainerId),
    /// This container, which is gone.
    Gone(ContainerId),
    /// It is not clear what: everything.
    Unclear,
}

/// What a line of `podman events --format json` says to look at.
#[must_use]
pub fn change(event: &str) -> Change {
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
    /// Of a network's event, the container's.
    #[serde(rename = "ID", default)]
    id: String,
}

/// What has to be looked at again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// These containers.
    pub containers: BTreeSet<ContainerId>,
    /// These are gone.
    pub gone: BTreeSet<ContainerId>,
    /// All containers, whatever else is said.
    pub everything: bool,
}

impl Changed {
    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether nothing has.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what one event says. An ID is never used again, so that what is gone stays gone.
    pub fn note(&mut self, change: Change) {
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

    /// The containers that there are to ask about.
    #[must_use]
    pub fn to_ask(&self) -> BTreeSet<ContainerId> {
        self.containers.difference(&self.gone).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_that_change_routes() {
        for events in [
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captured/podman-4.3.1/events.jsonl")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captured/podman-5.4.2/events.jsonl")),
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
                assert_eq!(change(line), wanted, "{line}");
            }
        }
        assert_eq!(change(r#"{"Type":"container","Status":"exec_died","ID":"ab"}"#), Change::Nothing);
        for unclear in [
            "what is this?",
            r#"{"Type":"system","Status":"renumber"}"#,
            r#"{"Type":"container","ID":"a b"}"#,
        ] {
            assert_eq!(change(unclear), Change::Unclear, "{unclear}");
        }
    }

    #[test]
    fn what_is_gone_is_not_asked_about() {
        let id = |text| ContainerId::parse(text).unwrap();
        let mut changed = Changed::default();
        for change in [Change::Of(id("a")), Change::Gone(id("b")), Change::Of(id("b")), Change::Nothing] {
            changed.note(change);
        }
        assert_eq!(changed.to_ask(), [id("a")].into());
        assert!(!changed.everything && !changed.is_nothing());
        changed.note(Change::Unclear);
        assert!(changed.everything);
    }
}
