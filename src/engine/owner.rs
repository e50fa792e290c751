//! The owner mark: which Flatnet this is, and what belongs to another one on this host's network.

use std::fs::File;
use std::io::Read;

use super::{Engine, NetworkGuard};
use crate::error::{Error, Result};
use crate::kernel::observe;
use crate::kernel::observe::marked_links::{self, MarkedLinks};
use crate::kernel::planner;
use crate::model::types::{LinkAlias, Owner};

/// The kernel's source of random numbers.
const RANDOM: &str = "/dev/urandom";
/// The name of the WSL2 distribution; all distributions have Windows' host name.
const DISTRIBUTION: &str = "WSL_DISTRO_NAME";

impl Engine {
    /// Creates state and the owner mark if missing, so that a printed plan shows the mark.
    pub fn mark(&self) -> Result<()> {
        self.network_guard().map(drop)
    }

    /// Creates the owner mark if missing. On a full disk there is none, and links and tables are made without.
    pub(super) fn make_owner(&self, network: &NetworkGuard) {
        if self.store.keep_owner(network) {
            return;
        }
        let mut random = [0; 6];
        let read = File::open(RANDOM).and_then(|mut file| file.read_exact(&mut random));
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = std::env::var(DISTRIBUTION).unwrap_or_else(|_| host());
        if read.is_ok() {
            self.store.write_owner(&Owner::new(&name, random), network);
        }
    }

    /// The links with the network's alias; an error if its bridge is another Flatnet's, since then the others are too.
    pub(super) fn marked_links(&mut self) -> Result<MarkedLinks> {
        let owner = self.store.owner();
        let network = &self.config.network;
        let mut links = marked_links::links(network, owner.as_ref(), &mut self.host)?;
        if self.is_unknown() {
            links.bridges.extend(links.others.drain(..).map(|(_, link)| link));
        }
        match links.others.first() {
            Some((other, link)) => Err(self.another(&link.name, other)),
            None => Ok(links),
        }
    }

    /// An error if the bridge is another Flatnet's, as far as can be seen without running a program.
    pub(super) fn refuse_another(&self) -> Result<()> {
        let bridge = self.config.bridge.as_str();
        let alias = observe::alias_in_sys(bridge).unwrap_or_default();
        match LinkAlias::bridge_in(&alias, &self.config.network).flatten() {
            Some(other) if self.store.owner().as_ref() != Some(&other) && !self.is_unknown() => {
                Err(self.another(bridge, &other))
            }
            _ => Ok(()),
        }
    }

    /// Whether the owner is unknown because state may not be read. A read-only engine then treats everything as its
    /// own.
    pub(super) fn is_unknown(&self) -> bool {
        self.store.owner().is_none() && self.store.refused().is_some()
    }

    fn another(&self, link: &str, other: &Owner) -> Error {
        planner::another_flatnet(link, other, &self.store.owner_path())
    }
}
