//! The directories of leases, receipts and locks are accessible to root only.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Result, io};
use crate::model::command::Command;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "state-directory",
    group: Group::Host,
    looks_at: "owner and mode of the directories of leases, receipts and locks",
    shows: "no container on the network starts or stops cleanly (FLAT-E084)",
    needs: Needs::Config,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let config = &context.engine.config;
    let network = config.network.as_str();
    let state = config.paths.state.join(network);
    let receipts = state.join("receipts");
    let directories = [
        config.paths.state.clone(),
        state,
        receipts,
        config.paths.run.clone(),
        config.paths.run.join(network),
    ];
    let mut found = Vec::new();
    let mut there = 0;
    for directory in directories {
        match directory.symlink_metadata() {
            Ok(metadata) => {
                there += 1;
                found.extend(judge(&directory, metadata.is_dir(), metadata.uid(), metadata.mode()));
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            // Below a directory that only root can enter.
            Err(cause) if cause.kind() == ErrorKind::PermissionDenied => {
                return Ok(vec![Finding::not_looked(format!(
                    "{} is readable by root only",
                    directory.display()
                ))]);
            }
            Err(cause) => return Err(io("look at", &directory)(cause)),
        }
    }
    if found.is_empty() {
        let state = config.paths.state.display();
        found.push(if there == 0 {
            Finding::not_applicable(format!("{state} does not exist before the first `flatnet up`"))
        } else {
            Finding::good(format!("{state} and {} are accessible to root only", config.paths.run.display()))
        });
    }
    Ok(found)
}

fn judge(directory: &Path, is_directory: bool, owner: u32, mode: u32) -> Option<Finding> {
    let shown = directory.display();
    if !is_directory {
        let aside = PathBuf::from(format!("{shown}.old")).display().to_string();
        return Some(
            Finding::failure(format!("{shown} is a link or a file, but must be a directory"))
                .commands([Command::new(["mv".to_owned(), shown.to_string(), aside]).to_string()]),
        );
    }
    if owner == 0 && mode & 0o077 == 0 {
        return None;
    }
    let path = shown.to_string();
    Some(
        Finding::failure(format!(
            "{shown} is accessible to other users (owner {owner}, mode {:04o})",
            mode & 0o7777
        ))
        // Not fixed by the doctor: files that others put there would be trusted afterwards.
        .commands([
            Command::new(["chown", "root:root", &path]).line(),
            Command::new(["chmod", "700", &path]).line(),
        ])
        .help("First check that all files in it are Flatnet's"),
    )
}
