//! How a container's link is attached to this host.

use serde::{Deserialize, Serialize};

/// The mode of the host's end of a container's veth pair. It stays the same while the container is attached,
/// whatever the configuration says for new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortMode {
    /// A link of its own, with a route to the container's address.
    Routed,
    /// A bridge port that exchanges frames with the others.
    Plain,
    /// An isolated bridge port: what Flatnet 0.1.0 made instead of `Routed`.
    Isolated,
}

impl PortMode {
    /// Whether it is a port of the bridge.
    #[must_use]
    pub fn is_bridged(self) -> bool {
        self != Self::Routed
    }
}
