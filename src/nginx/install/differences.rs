//! Differences between the installed files of the gateway and those of this version.

use std::path::{Path, PathBuf};

use super::record::{self, Record};
use super::{File, Platform, Target, files, has_http2_directive};
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::model::config::Config;
use crate::routes::containers::host_name;

/// Files that differ from those of this version and configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    /// Missing files.
    pub missing: Vec<PathBuf>,
    /// Files installed by another version or for another configuration.
    pub older: Vec<PathBuf>,
    /// Files modified after installation.
    pub edited: Vec<PathBuf>,
}

/// The platform of the gateway installed in `directory`; `None` if there is none.
#[must_use]
pub fn platform(directory: &Path) -> Option<Platform> {
    let is_there = ["conf/nginx.conf", record::PATH].iter().any(|path| directory.join(path).exists());
    let recorded = || Record::read(directory).platform.unwrap_or_else(|| Platform::of(directory));
    is_there.then(recorded)
}

/// Compares the installed files with those of this version for `platform`.
pub fn differences(config: &Config, platform: Platform, executor: &mut dyn Executor) -> Result<Differences> {
    let directory = &config.gateway.directory;
    let has_http2 = has_http2_directive(platform, directory, executor);
    let wanted = files(config, Target { platform, name: &host_name(config), has_http2 })?;
    Ok(compare(directory, &Record::read(directory), &wanted))
}

fn compare(directory: &Path, record: &Record, wanted: &[File]) -> Differences {
    let mut found = Differences { missing: Vec::new(), older: Vec::new(), edited: Vec::new() };
    for File { path, text } in wanted {
        match std::fs::read(directory.join(path)) {
            Err(_) => found.missing.push(path.clone()),
            Ok(content) if content == text.as_bytes() => {}
            Ok(_) if record.is_untouched(directory, path) => found.older.push(path.clone()),
            Ok(_) => found.edited.push(path.clone()),
        }
    }
    let outdated = record.not_in(wanted).filter(|path| record.is_untouched(directory, path));
    found.older.extend(outdated.cloned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::install::install;

    #[test]
    fn missing_outdated_and_edited_files_are_distinguished() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| File { path: path.into(), text: text.to_owned() };
        let before = ["a", "b", "c", "d", "gone"].map(|path| file(path, "1"));
        install(dir.path(), &before, Platform::Windows, &"flatnet".parse().unwrap(), false).unwrap();
        std::fs::write(dir.path().join("b"), "mine").unwrap();
        std::fs::remove_file(dir.path().join("d")).unwrap();
        let wanted = [file("a", "1"), file("b", "1"), file("c", "2"), file("d", "1")];
        let record = Record::read(dir.path());
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            compare(dir.path(), &record, &wanted),
            Differences { missing: paths(&["d"]), older: paths(&["c", "gone"]), edited: paths(&["b"]) }
        );
        std::fs::create_dir(dir.path().join("other")).unwrap();
        assert_eq!(platform(dir.path()), Some(Platform::Windows));
        assert_eq!(platform(&dir.path().join("other")), None);
    }
}
