//! Routing tables of a container's namespace (`ip route show table NUMBER`), one per flat address.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// The number of a routing table; see ip-route(8). The kernel reserves 253 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteTable(u32);

impl RouteTable {
    /// The table of an address. Its number is the address, so no other interface of the container uses it.
    #[must_use]
    pub fn of_address(address: Ipv4Addr) -> Self {
        Self(address.to_bits())
    }

    /// Parses the output of `ip -j`; `None` for a named table.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
