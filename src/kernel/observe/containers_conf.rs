//! The parts of containers.conf(5) and containers-storage.conf(5) that Flatnet needs. Podman itself cannot be
//! queried: while it waits for a plugin it holds its locks.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::model::types::ContainerId;

/// The default pools of containers.conf(5).
const POOLS: [&str; 6] =
    ["10.88.0.0/16", "10.89.0.0/16", "10.90.0.0/15", "10.92.0.0/14", "10.96.0.0/11", "10.128.0.0/9"];

/// The relevant part of containers.conf.
#[derive(Deserialize, Default)]
struct ContainersConf {
    #[serde(default)]
    network: NetworkTable,
}

#[derive(Deserialize, Default)]
struct NetworkTable {
    network_config_dir: Option<PathBuf>,
    default_subnet_pools: Option<Vec<Pool>>,
}

#[derive(Deserialize)]
struct Pool {
    base: Ipv4Net,
}

/// The relevant part of storage.conf.
#[derive(Deserialize, Default)]
struct StorageConf {
    #[serde(default)]
    storage: StorageTable,
}

#[derive(Deserialize, Default)]
struct StorageTable {
    driver: Option<String>,
    graphroot: Option<PathBuf>,
}

/// Where Podman keeps networks, if a file sets it.
#[must_use]
pub fn network_config_dir() -> Option<PathBuf> {
    first(|conf| conf.network_config_dir.filter(|dir| !dir.as_os_str().is_empty()))
}

/// The pools from which Podman takes the subnets of new networks.
#[must_use]
pub fn default_subnet_pools() -> Vec<Ipv4Net> {
    let named = first(|conf| conf.default_subnet_pools);
    named.map_or_else(
        || POOLS.iter().filter_map(|pool| pool.parse().ok()).collect(),
        |pools| pools.into_iter().map(|pool| pool.base).collect(),
    )
}

/// The value of the first file that sets it. A file that is not TOML is skipped: Podman rejects it.
fn first<T>(value: impl Fn(NetworkTable) -> Option<T>) -> Option<T> {
    let files = std::env::var_os("CONTAINERS_CONF").map(PathBuf::from).map_or_else(
        || {
            let mut files: Vec<PathBuf> = dropped_in("/etc/containers/containers.conf.d");
            files.push("/etc/containers/containers.conf".into());
            files.push("/usr/share/containers/containers.conf".into());
            files
        },
        |file| vec![file],
    );
    files.iter().find_map(|file| {
        let conf: ContainersConf = toml::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        value(conf.network)
    })
}

/// Where Podman keeps its containers, looked up on first use.
#[derive(Debug, Default)]
pub struct PodmanStorage(OnceCell<Option<PathBuf>>);

impl PodmanStorage {
    /// Whether Podman has the container; `None` if unknown.
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

/// The folder with one folder per container, named by its ID; `None` if there is none.
fn containers_dir() -> Option<PathBuf> {
    let file = std::env::var_os("CONTAINERS_STORAGE_CONF").map(PathBuf::from);
    let files = file.map_or_else(
        || vec!["/etc/containers/storage.conf".into(), "/usr/share/containers/storage.conf".into()],
        |file| vec![file],
    );
    // Only the first existing file counts.
    let text = files.iter().find_map(|file: &PathBuf| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let dir = containers_dir_of(&text);
    dir.is_dir().then_some(dir)
}

/// The folder of containers by storage.conf. An empty value counts as unset.
fn containers_dir_of(storage_conf: &str) -> PathBuf {
    let StorageTable { driver, graphroot } =
        toml::from_str::<StorageConf>(storage_conf).unwrap_or_default().storage;
    let root = graphroot.filter(|root| !root.as_os_str().is_empty());
    let root = root.unwrap_or_else(|| "/var/lib/containers/storage".into());
    let driver = driver.filter(|driver| !driver.is_empty()).unwrap_or_else(|| "overlay".to_owned());
    root.join(format!("{driver}-containers"))
}

/// The files of a folder, last first, since later ones override earlier ones.
fn dropped_in(dir: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(dir)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    files.sort();
    files.reverse();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_dir_follows_storage_conf() {
        for (text, dir) in [
            (
                "[storage]\n# graphroot = \"/old\"\n graphroot=  \"/data\" # there\ndriver = 'vfs'\n",
                "/data/vfs-containers",
            ),
            (
                "[storage]\ndriver = \"\"\nrunroot = \"/run\"\n",
                "/var/lib/containers/storage/overlay-containers",
            ),
            (
                "[storage.options]\ngraphroot = \"/not/this\"\n",
                "/var/lib/containers/storage/overlay-containers",
            ),
            ("not TOML", "/var/lib/containers/storage/overlay-containers"),
        ] {
            assert_eq!(containers_dir_of(text), Path::new(dir), "{text}");
        }
    }

    #[test]
    fn default_subnet_pools_are_parsed() {
        let toml = "[network]\n# default_subnet_pools = [{\"base\" = \"10.1.0.0/16\"}]\ndefault_subnet_pools = [\n  \
                    {\"base\" = \"10.87.0.0/16\", \"size\" = 24},\n  {base = \"172.20.0.0/14\", size = 24}]\n";
        let conf: ContainersConf = toml::from_str(toml).unwrap();
        let pools: Vec<String> =
            conf.network.default_subnet_pools.unwrap().iter().map(|pool| pool.base.to_string()).collect();
        assert_eq!(pools, ["10.87.0.0/16", "172.20.0.0/14"]);
        let conf: ContainersConf = toml::from_str("[network]\n# default_subnet_pools = []\n").unwrap();
        assert!(conf.network.default_subnet_pools.is_none());
    }

    #[test]
    fn default_podman_pools_are_valid_networks() {
        assert!(POOLS.iter().all(|pool| pool.parse::<Ipv4Net>().is_ok()));
    }
}
