//! Routing tables of a container's namespace (`ip route show table NUMBER`), by which its addresses have ways of their own.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// The number of a routing table; see ip-route(8). The kernel's own are 253 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteTable(u32);

impl RouteTable {
    /// Of an address: it has the address's number, and so no other interface of the container has it.
    #[must_use]
    pub fn of_address(address: Ipv4Addr) -> Self {
        Self(address.to_bits())
    }

    /// As `ip -j` prints it; `None` for one that has a name.
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
