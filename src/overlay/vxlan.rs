//! The file with the hosts of an overlay of kind `vxlan`, which has no certificates and no lighthouses.

use super::membership::ThisHost;
use super::papers::{Carrier, Invitation, read, write};
use super::task::Task;
use crate::error::{Error, Kind, Result};
use crate::model::config::{Config, OverlayKind, Peer, Peers};

/// What everybody must know who uses it.
pub const WARNING: &str = "VXLAN does not encrypt packets, and nothing proves who sent them: whoever is in this LAN can read and forge them";

const COMMENT: &str = "Flatnet: the hosts of the overlay, the same on every host. After a change: flatnet up";

impl ThisHost<'_> {
    /// The commands by which this host knows these hosts, and no others.
    pub fn peers(&self, peers: &Peers, force: bool) -> Result<Vec<Task>> {
        if self.config.overlay.as_ref().is_none_or(|overlay| overlay.kind != OverlayKind::Vxlan) {
            return Err(Error::new(Kind::BadValue, "this host has joined no overlay of kind vxlan")
                .remedy("Join one with `flatnet overlay join`"));
        }
        let mut put = self.put_own_peers(self.config, peers, force)?;
        if !self.is_up {
            return Ok(vec![put]);
        }
        put = put.undone_by([self.flatnet("up")]);
        Ok(vec![put, Task::new(self.flatnet("up"), "neighbours, routes and rules for these hosts")])
    }

    /// Writes the file for the host of `config`, which is among the hosts and has the address in the list.
    pub(super) fn put_own_peers(&self, config: &Config, peers: &Peers, force: bool) -> Result<Task> {
        let peers = Peers { force, hosts: peers.hosts.clone() };
        peers.check(config)?;
        let overlay = config.overlay.as_ref();
        let own = overlay.and_then(|overlay| peers.of(overlay.number));
        self.refuse_foreign_address(own)?;
        let path = overlay.map_or_else(|| self.files().peers(), |overlay| overlay.peers_file().to_owned());
        Ok(Task::put(&path, "644", &write(&peers, COMMENT)?, "the hosts, and where in the LAN they are"))
    }

    fn refuse_foreign_address(&self, own: Option<&Peer>) -> Result<()> {
        let what = match own {
            Some(peer) if self.addresses.contains(&peer.address) => return Ok(()),
            Some(peer) => format!("{} is not an address of this host", peer.address),
            None => "this host is not among the hosts".to_owned(),
        };
        Err(Error::new(Kind::BadValue, what)
            .remedy("Make a request with this host's address in the LAN (`flatnet overlay request --kind vxlan --at ADDRESS`), and have it signed"))
    }
}

/// The hosts in `text`: an invitation, or the file of another host.
pub fn hosts_in(text: &str) -> Result<Peers> {
    if !text.lines().any(|line| line.starts_with("flatnet_invitation:")) {
        return read(text, "list of hosts");
    }
    let invitation: Invitation = read(text, "invitation of `flatnet overlay sign`")?;
    match invitation.carrier {
        Carrier::Vxlan(peers) => Ok(peers),
        Carrier::Nebula(_) => {
            Err(Error::new(Kind::BadValue, "the invitation is for kind nebula, which needs no list of hosts"))
        }
    }
}

/// The list of hosts as text.
pub fn list(peers: &Peers) -> Result<String> {
    write(peers, COMMENT)
}
