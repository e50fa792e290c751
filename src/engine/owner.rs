//! Which Flatnet this is, and what belongs to another one that shares this host's network.

use std::fs::File;
use std::io::Read;

use super::{Engine, NetworkGuard};
use crate::error::{Error, Result};
use crate::kernel::observe;
use crate::kernel::observe::marked::{self, MarkedLinks};
use crate::kernel::planner;
use crate::model::types::{LinkAlias, Owner};

/// What the kernel gives random numbers by.
const RANDOM: &str = "/dev/urandom";
/// What WSL2 calls the distribution; all distributions have Windows' host name.
const DISTRIBUTION: &str = "WSL_DISTRO_NAME";

impl Engine {
    /// Makes state and the mark of this Flatnet, where there is none yet, so that a plan that is looked at shows it.
    pub fn mark(&self) -> Result<()> {
        self.network_guard().map(drop)
    }

    /// Makes the mark of this Flatnet, where it has none yet. On a full disk there is none, and what is made then is
    /// unmarked.
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

    /// The links that bear the network's mark; an error where its bridge is another Flatnet's, for so are the others then.
    pub(super) fn marked_links(&mut self) -> Result<MarkedLinks> {
        let owner = self.store.owner();
        let network = &self.config.network;
        let mut links = marked::links(network, owner.as_ref(), &mut self.host)?;
        if self.is_unknown() {
            links.bridges.extend(links.others.drain(..).map(|(_, link)| link));
        }
        match links.others.first() {
            Some((other, link)) => Err(self.another(&link.name, other)),
            None => Ok(links),
        }
    }

    /// An error where the bridge is another Flatnet's, as far as can be told without a program.
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

    /// Whether it cannot be told which Flatnet this is, since its state may not be read: who only looks then takes what is
    /// there for its own.
    pub(super) fn is_unknown(&self) -> bool {
        self.store.owner().is_none() && self.store.refused().is_some()
    }

    fn another(&self, link: &str, other: &Owner) -> Error {
        planner::another_flatnet(link, other, &self.store.owner_path())
    }
}
