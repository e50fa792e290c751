//! The network's files of Podman still exist.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::types::shown;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "podman-files",
    group: Group::Podman,
    looks_at: "the files that define the network for Podman: whether one was deleted since `flatnet up`",
    shows: "`podman run --network flatnet` fails: \"network not found\", after `podman network prune` or `podman system prune`",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let lost = context.engine.lost_definitions();
    if lost.is_empty() {
        return Ok(vec![Finding::good("all files that define the network for Podman exist")]);
    }
    let up = context.flatnet("up");
    let finding = |path: &std::path::PathBuf| {
        let gone =
            format!("{} was deleted; it defines the network for Podman", shown(&path.to_string_lossy()));
        Finding::failure(gone).commands([up.clone()])
    };
    Ok(lost.iter().map(finding).collect())
}
