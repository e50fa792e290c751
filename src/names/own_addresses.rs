//! Which addresses are this host's, and whose share a question counts against.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::kernel::observe::source_address::address_towards;

/// For how long an answer of the kernel is remembered, and of how many addresses.
const REMEMBERED: (Duration, usize) = (Duration::from_secs(5), 256);

/// This host's addresses, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(HashMap<Ipv4Addr, (bool, Instant)>);

impl OwnAddresses {
    /// Whether `address` is this host's.
    pub(super) fn contains(&mut self, address: Ipv4Addr) -> bool {
        if address.is_loopback() {
            return true;
        }
        let now = Instant::now();
        if let Some((is_own, at)) = self.0.get(&address) {
            if now.saturating_duration_since(*at) < REMEMBERED.0 {
                return *is_own;
            }
        }
        if self.0.len() >= REMEMBERED.1 {
            self.0.clear();
        }
        let is_own = address_towards(address) == Some(address);
        self.0.insert(address, (is_own, now));
        is_own
    }

    /// Whose share a client at `address` uses: its own, but all addresses of this host have one.
    pub(super) fn share_of(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        if self.contains(address) { Ipv4Addr::LOCALHOST } else { address }
    }
}

/// Who has to make room for one more of `own`'s: `own`, if it has `most` of `shares` already; if all places are taken, whoever
/// has most of them.
pub(super) fn crowding(
    shares: impl Iterator<Item = Ipv4Addr>,
    own: Ipv4Addr,
    most: usize,
    is_full: bool,
) -> Option<Ipv4Addr> {
    let mut counts: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
    for share in shares {
        *counts.entry(share).or_default() += 1;
    }
    if counts.get(&own).is_some_and(|&count| count >= most) {
        return Some(own);
    }
    let largest = || counts.into_iter().max_by_key(|(_, count)| *count).map(|(share, _)| share);
    is_full.then(largest).flatten()
}
