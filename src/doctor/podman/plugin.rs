//! The plugin that Podman calls is this executable.

use std::path::Path;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::command::Command;
use crate::setup::podman::Podman;
use crate::setup::{executable, is_writable_by_others, or_packaged, plugin_links};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "plugin",
    group: Group::Podman,
    looks_at: "the links by which Podman finds the plugin, and who can write the executable",
    shows: "`podman run --network flatnet` fails: \"failed to find plugin\"; or containers use another version of Flatnet",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let program = executable()?;
    let mut found = Vec::new();
    if is_writable_by_others(&program)? {
        found.push(writable(&program));
    }
    let [cni, netavark] = plugin_links(&program);
    let link = or_packaged(if matches!(context.podman(), Podman::Netavark { .. }) { netavark } else { cni })?;
    if link.is_in_place()? {
        if found.is_empty() {
            found.push(Finding::good(format!("{} is {}", link.path.display(), program.display())));
        }
        return Ok(found);
    }
    let path = link.path.display().to_string();
    let relink = Command::new(["ln", "-sfn", &program.to_string_lossy(), &path]).to_string();
    found.push(match std::fs::canonicalize(&link.path) {
        Ok(other) => {
            Finding::failure(format!("Podman calls {}, but this is {}", other.display(), program.display()))
                .commands([relink])
                .help("If Podman should keep calling the other one, use it on the command line too")
        }
        Err(_) if link.path.is_symlink() => {
            Finding::failure(format!("{path} is a dangling link")).commands([relink]).fixed_by_file(link)
        }
        Err(_) => Finding::failure(format!("the plugin {path} is missing"))
            .commands([context.flatnet("init")])
            .fixed_by_file(link),
    });
    Ok(found)
}

fn writable(program: &Path) -> Finding {
    let shown = program.to_string_lossy();
    Finding::failure(format!("{shown} is writable by users other than root, but Podman runs it as root"))
        .commands([
            Command::new(["chown", "root:root", &shown]).to_string(),
            Command::new(["chmod", "755", &shown]).to_string(),
        ])
}
