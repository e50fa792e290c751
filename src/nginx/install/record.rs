//! The record of installed files, by which a newer version replaces its own files and keeps those modified by the user.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{File, Platform};
use crate::model::types::NetworkName;

/// Its path in the gateway's directory. Only root may write there, because files are removed according to it.
pub(super) use crate::kernel::observe::gateway::INSTALLED as PATH;

/// The hash of each file as it was installed, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The version that installed it.
    flatnet: String,
    /// The platform; missing in records of old versions.
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    /// The network of the gateway: containers of other networks may not use it.
    #[serde(default)]
    network: Option<NetworkName>,
    files: BTreeMap<PathBuf, String>,
}

impl Record {
    /// The record of `files`.
    pub(super) fn of(files: &[File], platform: Platform, network: &NetworkName) -> Self {
        let files = files.iter().map(|file| (file.path.clone(), hash(file.text.as_bytes())));
        let flatnet = env!("CARGO_PKG_VERSION").to_owned();
        Self { flatnet, platform: Some(platform), network: Some(network.clone()), files: files.collect() }
    }

    /// Reads the record in `directory`; an empty one if it is missing or unreadable.
    pub(super) fn read(directory: &Path) -> Self {
        let text = std::fs::read_to_string(directory.join(PATH)).unwrap_or_default();
        let mut record: Self = serde_json::from_str(&text).unwrap_or_default();
        record.files.retain(|path, _| path.components().all(|part| matches!(part, Component::Normal(_))));
        record
    }

    /// The content of the file.
    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Whether the file at `path` in `directory` is unchanged since it was installed.
    pub(super) fn is_untouched(&self, directory: &Path, path: &Path) -> bool {
        let found = std::fs::read(directory.join(path));
        self.files.get(path).is_some_and(|recorded| found.is_ok_and(|found| hash(&found) == *recorded))
    }

    /// Recorded files that are not among `files`.
    pub(super) fn not_in<'a>(&'a self, files: &[File]) -> impl Iterator<Item = &'a PathBuf> {
        let new: BTreeSet<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        self.files.keys().filter(move |path| !new.contains(*path))
    }
}

fn hash(bytes: &[u8]) -> String {
    crate::hex::digits(&Sha256::digest(bytes))
}
