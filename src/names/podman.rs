//! Names in Podman's own networks, for containers that are also on one of them.
//!
//! Podman lists the resolvers of a container's networks in random order, and a program asks the second one only if the first
//! does not answer. So Flatnet's resolver answers these names, too, as aardvark-dns does.

use std::fs::DirBuilder;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::question::QuestionName;
use crate::kernel::observe::aardvark::{AardvarkFiles, NETAVARK};
use crate::model::types::ContainerId;

/// The search domain that aardvark-dns' networks have.
const DOMAIN: &[u8] = b"dns.podman";

/// The files of aardvark-dns.
#[derive(Debug)]
pub(super) struct PodmanNames(AardvarkFiles);

impl PodmanNames {
    /// Opens the directory once, often before Podman's first network is used. Root creates it as Podman does.
    pub(super) fn open() -> Self {
        let path = Path::new(NETAVARK);
        if rustix::process::geteuid().is_root() {
            for (directory, mode) in [(path.parent(), 0o700), (Some(path), 0o755)] {
                // If this fails, opening does, too.
                let _ = directory.map(|directory| DirBuilder::new().mode(mode).create(directory));
            }
        }
        Self(AardvarkFiles::open(path))
    }

    /// The addresses of `name` in Podman's own networks of the container `asker`; none for a name that is missing from
    /// their domain. `None` if these networks do not decide.
    pub(super) fn addresses(&mut self, asker: &ContainerId, name: &QuestionName) -> Option<Vec<Ipv4Addr>> {
        let in_domain = name.within(DOMAIN);
        let label = in_domain.or((name.labels == 1).then(|| name.as_bytes()))?;
        let networks = self.0.networks().iter();
        let mut own = networks
            .filter(|network| network.containers.iter().any(|container| container.id == *asker))
            .peekable();
        own.peek()?;
        let containers = own.flat_map(|network| &network.containers);
        let is_called = |names: &[String]| names.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(label));
        let called = containers.filter(|container| is_called(&container.names));
        let addresses: Vec<Ipv4Addr> =
            called.flat_map(|container| container.addresses.iter().copied()).collect();
        (in_domain.is_some() || !addresses.is_empty()).then_some(addresses)
    }
}
