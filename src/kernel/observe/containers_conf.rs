//! What Podman is told by containers.conf(5) and containers-storage.conf(5), as far as Flatnet has to know where its files
//! lie. Podman itself cannot be asked: while it waits for a plugin it holds its locks.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::model::types::ContainerId;

/// Where Podman keeps networks, where it is told so.
#[must_use]
pub fn network_config_dir() -> Option<PathBuf> {
    let files = std::env::var_os("CONTAINERS_CONF").map(PathBuf::from).map_or_else(
        || {
            let mut files: Vec<PathBuf> = dropped_in("/etc/containers/containers.conf.d");
            files.push("/etc/containers/containers.conf".into());
            files.push("/usr/share/containers/containers.conf".into());
            files
        },
        |file| vec![file],
    );
    files.iter().find_map(|file| value(&std::fs::read_to_string(file).ok()?, "network_config_dir"))
}

/// Where Podman keeps its containers, looked for when it is asked first.
#[derive(Debug, Default)]
pub struct PodmanStorage(OnceCell<Option<PathBuf>>);

impl PodmanStorage {
    /// Whether Podman has the container; `None` where that cannot be told.
    #[must_use]
    pub fn has(&self, id: &ContainerId) -> Option<bool> {
        let dir = self.0.get_or_init(containers_dir).as_ref()?;
        match dir.join(id.as_str()).symlink_metadata() {
            Ok(_) => Some(true),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Some(false),
            Err(_) => None,
        }
    }
}

/// The folder that has a folder for each container of Podman's, named by its ID; `None` where there is none.
fn containers_dir() -> Option<PathBuf> {
    let file = std::env::var_os("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
    let files = file.map_or_else(
        || vec!["/etc/containers/storage.conf".into(), "/usr/share/containers/storage.conf".into()],
        |file| vec![file],
    );
    // The first file that is there counts, and no other.
    let text = files.iter().find_map(|file: &PathBuf| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let root = value(&text, "graphroot").unwrap_or_else(|| "/var/lib/containers/storage".into());
    let driver = value(&text, "driver").unwrap_or_else(|| "overlay".into());
    let dir = root.join(format!("{}-containers", driver.display()));
    dir.is_dir().then_some(dir)
}

/// The files of a folder, last first, for a later one overrides.
fn dropped_in(dir: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(dir)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    files.sort();
    files.reverse();
    files
}

/// The text that a file in TOML gives `key`, on a line of its own. Neither file has the key in two sections.
fn value(toml: &str, key: &str) -> Option<PathBuf> {
    toml.lines().find_map(|line| {
        let text = line.trim_start().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim_start();
        let quote = text.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
        let text = text[1..].split(quote).next()?;
        (!text.is_empty()).then(|| text.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_told_and_not_what_is_commented_out() {
        let toml = "[storage]\n# graphroot = \"/old\"\n graphroot=  \"/data/containers\" # there\ndriver = 'vfs'\nrunroot = \"\"\n";
        assert_eq!(value(toml, "graphroot"), Some("/data/containers".into()));
        assert_eq!(value(toml, "driver"), Some("vfs".into()));
        assert_eq!((value(toml, "runroot"), value(toml, "graph")), (None, None));
    }
}
