//! Podman's own files of the network are where `flatnet up` saw them.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::types::shown;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "podman-files",
    group: Group::Podman,
    looks_at: "the files by which Podman knows the network: whether one is gone since `flatnet up`",
    shows: "`podman run --network flatnet` fails: \"network not found\", after `podman network prune` or `podman system prune`",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let lost = context.engine.lost_definitions();
    if lost.is_empty() {
        return Ok(vec![Finding::good("no file by which Podman knows the network is gone")]);
    }
    let up = context.flatnet("up");
    let finding = |path: &std::path::PathBuf| {
        let gone = format!("{} is gone, by which Podman knows the network", shown(&path.to_string_lossy()));
        Finding::failure(gone).commands([up.clone()])
    };
    Ok(lost.iter().map(finding).collect())
}
