//! How a container's link is joined to this host.

use serde::{Deserialize, Serialize};

/// What the host's end of a container's veth pair is. It stays so while the container is attached, whatever the
/// configuration says for those that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortMode {
    /// A link of its own with a route to the container's address.
    Routed,
    /// A port of the bridge, which exchanges frames with the others.
    Plain,
    /// A port of the bridge which exchanges none: what Flatnet 0.1.0 made where this version routes.
    Isolated,
}

impl PortMode {
    /// Whether it is a port of the bridge.
    #[must_use]
    pub fn is_bridged(self) -> bool {
        self != Self::Routed
    }
}
