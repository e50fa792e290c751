//! Podman's own files of the network. `podman network prune` and `podman system prune` delete them, and then
//! Podman does not know the network. `up` remembers them and restores missing ones.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Engine, NetworkGuard, exists};
use crate::error::Result;
use crate::kernel::observe::containers_conf;
use crate::model::types::{NetworkName, shown};
use crate::setup::install::{self, Content, Item};

/// `definitions.json` in the state directory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Definitions {
    pub(super) files: Vec<Definition>,
}

/// A file as `up` last saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    path: PathBuf,
    text: String,
}

impl Engine {
    /// The files that `up` has seen and that are missing now.
    #[must_use]
    pub fn lost_definitions(&self) -> Vec<PathBuf> {
        let known = self.store.definitions().unwrap_or_default();
        known.into_iter().map(|one| one.path).filter(|path| !exists(path)).collect()
    }

    /// Remembers existing files and restores missing ones; returns notes. A file that cannot be written is no
    /// reason to leave this host without its network.
    pub(super) fn keep_definitions(&mut self, network: &NetworkGuard) -> Vec<String> {
        self.try_to_keep_definitions(network).unwrap_or_else(|error| {
            vec![format!("cannot keep Podman's files of the network: {}", error.to_line())]
        })
    }

    fn try_to_keep_definitions(&mut self, network: &NetworkGuard) -> Result<Vec<String>> {
        let before = self.store.definitions()?;
        let mut now = found(&self.config.network);
        let mut notes = Vec::new();
        for lost in before.iter().filter(|one| !exists(&one.path)) {
            let (path, content) = (lost.path.clone(), Content::File(lost.text.clone()));
            let shown = shown(&path.to_string_lossy());
            notes.push(match install::install(&[Item { path, content }], false) {
                Ok(_) => format!("{shown} was missing and is restored; Podman needs it to know the network"),
                Err(error) => format!(
                    "{shown} is missing and cannot be restored; Podman needs it to know the network: {}",
                    error.to_line()
                ),
            });
            now.push(lost.clone());
        }
        if now != before {
            self.store.write_definitions(now, network)?;
        }
        Ok(notes)
    }
}

/// Notes about `lost` files before they are restored.
pub(super) fn notes_of_lost(lost: &[PathBuf]) -> impl Iterator<Item = String> + '_ {
    lost.iter().map(|path| {
        let shown = shown(&path.to_string_lossy());
        format!("{shown} is missing; Podman needs it to know the network, and `flatnet up` restores it")
    })
}

/// The existing files of this network.
fn found(network: &NetworkName) -> Vec<Definition> {
    let dirs = match containers_conf::network_config_dir() {
        Some(dir) => vec![dir],
        None => ["/etc/cni/net.d", "/etc/containers/networks"].map(PathBuf::from).to_vec(),
    };
    let paths =
        dirs.iter().flat_map(|dir| ["conflist", "json"].map(|end| dir.join(format!("{network}.{end}"))));
    paths.filter_map(|path| ours(&path, network).map(|text| Definition { path, text })).collect()
}

/// The text of the file at `path`, if it defines `network` as a network of Flatnet.
fn ours(path: &Path, network: &NetworkName) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let file: Value = serde_json::from_str(&text).ok()?;
    let is_flatnet = |value: &Value| value == "flatnet";
    let plugins = file["plugins"].as_array();
    let by_plugin = plugins.is_some_and(|plugins| plugins.iter().any(|plugin| is_flatnet(&plugin["type"])));
    let is_ours = file["name"] == network.as_str() && (by_plugin || is_flatnet(&file["driver"]));
    is_ours.then_some(text)
}
