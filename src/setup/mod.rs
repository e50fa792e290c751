//! The files that register Flatnet with Podman: `flatnet init` writes them, the doctor checks them.

pub(crate) mod install;
pub(crate) mod machine;
pub(crate) mod podman;
pub(crate) mod rootless;
pub mod task;
pub(crate) mod templates;
pub(crate) mod units;
pub(crate) mod unmanaged;

use std::path::{Path, PathBuf};

use self::install::{Content, Item};
use crate::error::{Result, io};
use crate::file;
use crate::model::types::NetworkName;

/// Where Podman with CNI, and Podman with netavark, look for plugins.
pub(crate) const PLUGINS: [&str; 2] = ["/opt/cni/bin/flatnet", "/usr/local/libexec/netavark/flatnet"];

/// The plugin folders that Podman must be configured with, for CNI and for netavark.
pub(crate) const PLUGIN_FOLDERS: [&str; 2] =
    ["\"/opt/cni/bin\", \"/usr/lib/cni\"", "\"/usr/local/libexec/netavark\", \"/usr/libexec/netavark\""];

/// Where `init` and where a package installs files; Podman, systemd and `NetworkManager` read both.
const PACKAGED: [(&str, &str); 5] = [
    ("/opt/cni/bin", "/usr/lib/cni"),
    ("/usr/local/libexec/netavark", "/usr/libexec/netavark"),
    ("/etc/systemd/system", "/usr/lib/systemd/system"),
    ("/etc/systemd/network", "/usr/lib/systemd/network"),
    ("/etc/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"),
];

/// Where Podman with CNI looks for the network.
pub(crate) fn conflist_path(network: &NetworkName) -> PathBuf {
    Path::new("/etc/cni/net.d").join(format!("{network}.conflist"))
}

/// The conflist of the network whose configuration is at `config`.
pub(crate) fn conflist(network: &NetworkName, config: &Path) -> Item {
    Item { path: conflist_path(network), content: Content::File(templates::conflist(network, config)) }
}

/// The links by which Podman finds `program` as a plugin.
pub(crate) fn plugin_links(program: &Path) -> [Item; 2] {
    PLUGINS.map(|link| Item { path: link.into(), content: Content::Link(program.to_owned()) })
}

/// `item`, or the same file of a package, so that it is not installed twice. A file at `item`'s own path takes
/// precedence, and so is the one to check.
pub(crate) fn or_packaged(item: Item) -> Result<Item> {
    let Some(path) = packaged(&item.path) else { return Ok(item) };
    let there = Item { path, content: item.content.clone() };
    let is_alone = item.path.symlink_metadata().is_err();
    Ok(if is_alone && there.is_in_place()? { there } else { item })
}

/// Where a package installs the file that `init` writes to `path`.
pub(crate) fn packaged(path: &Path) -> Option<PathBuf> {
    PACKAGED
        .iter()
        .find_map(|(own, package)| path.strip_prefix(own).ok().map(|name| Path::new(package).join(name)))
}

/// This program's path, with links resolved.
pub(crate) fn executable() -> Result<PathBuf> {
    std::env::current_exe().and_then(std::fs::canonicalize).map_err(io("find", Path::new("/proc/self/exe")))
}

/// Whether users other than root can write to `program`. Podman runs it as root, so they would gain root.
pub(crate) fn is_writable_by_others(program: &Path) -> Result<bool> {
    let found = std::fs::metadata(program).map_err(io("stat", program))?;
    Ok(file::is_writable_by_others(&found, 0))
}
