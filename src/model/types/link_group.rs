//! Link groups (`ip link set dev DEV group NUMBER`), by which rules match the links of a network.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::NetworkName;

/// The group of all links of one network; see ip-link(8). The default group is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkGroup(pub u32);

impl LinkGroup {
    /// A network's group, derived from its name, so that it is the same in every version and on every host.
    /// Between 2^30 and 2^31, far from numbers that people choose.
    #[must_use]
    pub fn of_network(network: &NetworkName) -> Self {
        let hash = Sha256::digest(network.as_str().as_bytes());
        let number = hash.iter().take(4).fold(0, |number, &byte| number << 8 | u32::from(byte));
        Self(number >> 2 | 1 << 30)
    }
}

impl fmt::Display for LinkGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_group_is_derived_from_network_name() {
        let of = |name: &str| LinkGroup::of_network(&NetworkName::parse(name).unwrap());
        assert_eq!(of("flatnet"), of("flatnet"));
        assert_ne!(of("flatnet"), of("flatnet2"));
        assert!((1 << 30..1 << 31).contains(&of("flatnet").0));
    }
}
