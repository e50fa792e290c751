//! `flatnet init --rootless USER`.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::engine::Engine;
use crate::error::Result;
use crate::faces::cli::{Options, output};
use crate::model::config::{self, Config};
use crate::model::types::{User, UserName};
use crate::setup::executable;
use crate::setup::podman::Podman;
use crate::setup::rootless::{ByUser, RootlessUser};
use crate::setup::task::{self, Task};
use crate::state::receipt::Receipt;

/// The options about a user's rootless Podman.
#[derive(Debug, Args)]
pub(super) struct Rootless {
    /// Let USER's rootless Podman attach containers: adds USER to the group flatnet and to `rootless.users` of the configuration,
    /// and starts the service that USER's Podman asks. Nothing else of `init` is done.
    #[arg(id = "rootless", long = "rootless", value_name = "USER", conflicts_with_all = ["host", "network", "bridge", "force", "root"])]
    user: Option<UserName>,
    /// With --rootless: how many containers may be attached at once (default: 16).
    #[arg(long, value_name = "COUNT", requires = "rootless", value_parser = clap::value_parser!(u16).range(1..))]
    addresses: Option<u16>,
    /// With --rootless: take it back.
    #[arg(long, requires = "rootless", conflicts_with = "addresses")]
    remove: bool,
}

impl Rootless {
    /// Does it for the network whose configuration is at `path`, if a user is named.
    pub(super) fn run(&self, path: &Path, options: &Options) -> Result<Option<u8>> {
        let Some(name) = &self.user else { return Ok(None) };
        let config = config::load(path)?;
        let mut executor = Podman::executor(config.limits.command_seconds);
        let user = RootlessUser::find(name, path, &config, &mut executor)?;
        let mut has_containers = false;
        let (tasks, by_user) = if self.remove {
            has_containers = has_any(&config, name)?;
            user.remove(has_containers)?
        } else {
            let podman = Podman::ask(&mut executor, &config.network);
            user.add(self.addresses, &executable()?, &podman)?
        };
        task::run(&tasks, &mut executor)?;
        if options.json {
            let ByUser(commands) = &by_user;
            output::print(&format!("{:#}\n", json!({"done": tasks, "by_user": commands})));
        } else {
            output::print(&told(name, &tasks, &by_user, self.remove, has_containers));
        }
        Ok(Some(0))
    }
}

/// Whether containers of the user are attached.
fn has_any(config: &Config, name: &UserName) -> Result<bool> {
    let is_own =
        |receipt: &Receipt| User::of(&receipt.id.container_id).is_some_and(|user| user.name == *name);
    Ok(Engine::open_to_look(config.clone())?.store.receipts()?.iter().any(is_own))
}

fn told(
    name: &UserName,
    tasks: &[Task],
    ByUser(commands): &ByUser,
    is_removed: bool,
    has_containers: bool,
) -> String {
    let mut text = String::new();
    for task in tasks {
        let _ = writeln!(text, "{}    # {}", task.command.line(), task.why);
    }
    if tasks.is_empty() {
        text.push_str("Nothing was to be done.\n");
    }
    let next = if has_containers {
        format!(
            "\nContainers of {name} are attached and stay until they end; for that {name} stays in the group and keeps the \
             network. Afterwards run this again. As {name}:\n"
        )
    } else if is_removed {
        format!("\nAs {name}:\n")
    } else {
        format!("\nNext, as {name}, after a new login (so that `id` lists the group flatnet):\n")
    };
    text + &next + &commands.iter().map(|command| format!("  {command}\n")).collect::<String>()
}
