//! What tells Podman of Flatnet: the files that `flatnet init` puts in place, and that the doctor looks for.

pub(crate) mod install;
pub(crate) mod podman;
pub(crate) mod templates;
pub(crate) mod units;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use self::install::{Content, Item};
use crate::error::{Result, io};
use crate::types::NetworkName;

/// Where a Podman with CNI, and one with netavark, look for plugins.
pub(crate) const PLUGINS: [&str; 2] = ["/opt/cni/bin/flatnet", "/usr/local/libexec/netavark/flatnet"];

/// Where a Podman with CNI looks for the network.
pub(crate) fn conflist_path(network: &NetworkName) -> PathBuf {
    Path::new("/etc/cni/net.d").join(format!("{network}.conflist"))
}

/// The conflist of the network whose YAML lies at `config`.
pub(crate) fn conflist(network: &NetworkName, config: &Path) -> Item {
    Item { path: conflist_path(network), content: Content::File(templates::conflist(network, config)) }
}

/// The links by which Podman finds `program` as plugin.
pub(crate) fn plugin_links(program: &Path) -> [Item; 2] {
    PLUGINS.map(|link| Item { path: link.into(), content: Content::Link(program.to_owned()) })
}

/// This program, without links on the way.
pub(crate) fn executable() -> Result<PathBuf> {
    std::env::current_exe().and_then(std::fs::canonicalize).map_err(io("find", Path::new("/proc/self/exe")))
}

/// Whether others than root may write `program`: Podman runs it as root, so they may do anything.
pub(crate) fn is_writable_by_others(program: &Path) -> Result<bool> {
    let found = std::fs::metadata(program).map_err(io("look at", program))?;
    Ok(found.uid() != 0 || found.mode() & 0o022 != 0)
}
