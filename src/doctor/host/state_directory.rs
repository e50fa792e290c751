//! The directories of leases, receipts and locks are root's alone.

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
    shows: "no container on the network starts or stops cleanly: \".. may be entered by others\"",
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
            // Below a directory that only root may enter.
            Err(cause) if cause.kind() == ErrorKind::PermissionDenied => {
                return Ok(vec![Finding::not_looked(format!("{} is root's", directory.display()))]);
            }
            Err(cause) => return Err(io("look at", &directory)(cause)),
        }
    }
    if found.is_empty() {
        let state = config.paths.state.display();
        found.push(if there == 0 {
            Finding::not_applicable(format!("{state} is made by the first `flatnet up`"))
        } else {
            Finding::good(format!("{state} and {} are root's alone", config.paths.run.display()))
        });
    }
    Ok(found)
}

fn judge(directory: &Path, is_directory: bool, owner: u32, mode: u32) -> Option<Finding> {
    let shown = directory.display();
    if !is_directory {
        let aside = PathBuf::from(format!("{shown}.old")).display().to_string();
        return Some(
            Finding::failure(format!("{shown} is a link or a file, and should be a directory"))
                .commands([Command::new(["mv".to_owned(), shown.to_string(), aside]).to_string()]),
        );
    }
    if owner == 0 && mode & 0o077 == 0 {
        return None;
    }
    let path = shown.to_string();
    Some(
        Finding::failure(format!(
            "{shown} may be entered by others (owner {owner}, mode {:04o})",
            mode & 0o7777
        ))
        // Not by the doctor itself: what others put there would be trusted from then on.
        .commands([
            Command::new(["chown", "root:root", &path]).line(),
            Command::new(["chmod", "700", &path]).line(),
        ])
        .help("Look first whether anything in it is not Flatnet's"),
    )
}
