//! Installs files and links: all of them, or none.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempPath;

use crate::error::{Error, Kind, Remedy, Result, io};
use crate::file;

/// Something to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The path.
    pub(crate) path: PathBuf,
    /// The content.
    pub(crate) content: Content,
}

/// The content of an [`Item`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A file with this text.
    File(String),
    /// A symbolic link to this file.
    Link(PathBuf),
}

/// The outcome of installing a file or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOutcome {
    /// It did not exist.
    Written,
    /// It differed and was overwritten.
    Overwritten,
    /// It was from another version and was replaced.
    Updated,
    /// It was the same.
    AlreadySo,
    /// It differs and was kept.
    Kept,
    /// It was from another version, is no longer needed and was removed.
    Removed,
}

impl FileOutcome {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Overwritten => "overwritten",
            Self::Updated => "updated",
            Self::AlreadySo => "unchanged",
            Self::Kept => "kept",
            Self::Removed => "removed",
        }
    }
}

/// Installs all `items`. What differs is kept, unless `force`. On an error nothing new is left behind.
pub(crate) fn install(items: &[Item], force: bool) -> Result<Vec<FileOutcome>> {
    let outcomes = items.iter().map(|item| item.outcome(force)).collect::<Result<Vec<_>>>()?;
    let to_write = || items.iter().zip(&outcomes).filter(|(_, outcome)| outcome.writes());
    // Declared first, so that it is dropped last, after the temporary files in the folders.
    let mut folders = MadeFolders::default();
    let mut staged = Vec::new();
    for (item, outcome) in to_write() {
        folders.make_above(&item.path)?;
        staged.push((item, *outcome, item.stage()?));
    }
    let mut made = Vec::new();
    for (item, outcome, temporary) in staged {
        if let Err(cause) = temporary.persist(&item.path) {
            for path in made {
                let _: std::io::Result<()> = std::fs::remove_file::<&PathBuf>(path);
            }
            return Err(io("write", &item.path)(cause.error));
        }
        if outcome == FileOutcome::Written {
            made.push(&item.path);
        }
    }
    Ok(outcomes)
}

impl FileOutcome {
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Written | Self::Overwritten)
    }
}

impl Item {
    fn outcome(&self, force: bool) -> Result<FileOutcome> {
        match self.path.symlink_metadata() {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(FileOutcome::Written),
            Err(cause) => return Err(io("stat", &self.path)(cause)),
            Ok(found) if found.is_dir() => {
                let shown = self.path.display();
                return Err(Error::new(
                    Kind::DirectoryInTheWay,
                    format!("{shown} is a directory, not a file"),
                )
                .remedy(Remedy::move_away("Check what it is, then move it away", &self.path)));
            }
            Ok(_) => {}
        }
        Ok(match (self.is_in_place()?, force) {
            (true, _) => FileOutcome::AlreadySo,
            (false, true) => FileOutcome::Overwritten,
            (false, false) => FileOutcome::Kept,
        })
    }

    /// Whether it is installed with this content.
    pub(crate) fn is_in_place(&self) -> Result<bool> {
        let unless_dangling = |cause: std::io::Error| match cause.kind() {
            ErrorKind::NotFound => Ok(false),
            _ => Err(io("read", &self.path)(cause)),
        };
        match &self.content {
            Content::File(text) => {
                std::fs::read(&self.path).map_or_else(unless_dangling, |found| Ok(found == text.as_bytes()))
            }
            // Also if the program itself is there, or a chain of links leads to it.
            Content::Link(target) => Ok(std::fs::read_link(&self.path).is_ok_and(|found| found == *target)
                || std::fs::canonicalize(&self.path).is_ok_and(|found| found == *target)),
        }
    }

    /// Writes the file or link under a temporary name beside its path.
    fn stage(&self) -> Result<TempPath> {
        let staged = match &self.content {
            Content::File(text) => file::stage(&self.path, text.as_bytes()),
            Content::Link(target) => file::stage_by(&self.path, |path| symlink(target, path)),
        };
        staged.map_err(io("write", &self.path))
    }
}

/// Created folders; those that stay empty are removed.
#[derive(Default)]
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    fn make_above(&mut self, path: &Path) -> Result<()> {
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(folder).map_err(io("create", folder))?;
            self.0.push(folder.to_owned());
        }
        Ok(())
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        // The kernel refuses to remove a folder that is not empty.
        self.0.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(path: &Path, text: &str) -> Item {
        Item { path: path.to_owned(), content: Content::File(text.to_owned()) }
    }

    #[test]
    fn install_keeps_differing_files_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        let link =
            Item { path: dir.path().join("d/link"), content: Content::Link(dir.path().join("target")) };
        let items = [file(&path, "one"), link];
        assert_eq!(install(&items, false).unwrap(), [FileOutcome::Written; 2]);
        assert_eq!(install(&items, false).unwrap(), [FileOutcome::AlreadySo; 2]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        let items = [
            file(&path, "two"),
            Item { path: items[1].path.clone(), content: Content::Link("/else".into()) },
        ];
        assert_eq!(install(&items, false).unwrap(), [FileOutcome::Kept; 2]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(install(&items, true).unwrap(), [FileOutcome::Overwritten; 2]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_link(&items[1].path).unwrap(), Path::new("/else"));
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn failed_install_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let items = [file(&dir.path().join("a/b/c"), "one"), file(&dir.path().join("file/x"), "two")];
        assert!(install(&items, false).is_err());
        let left: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["file"]);
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let error = install(&[file(&dir.path().join("folder"), "x")], true).unwrap_err();
        assert!(error.to_string().contains("is a directory"), "{error}");
    }
}
