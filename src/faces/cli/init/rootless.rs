//! `flatnet init --rootless USER`.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::error::Result;
use crate::faces::cli::{Options, output};
use crate::model::config;
use crate::model::types::UserName;
use crate::setup::executable;
use crate::setup::podman::Podman;
use crate::setup::rootless::{ByUser, RootlessUser};
use crate::setup::task::{self, Task};

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
        let (tasks, by_user) = if self.remove {
            user.remove()?
        } else {
            let podman = Podman::ask(&mut executor, &config.network);
            user.add(self.addresses, &executable()?, &podman)?
        };
        task::run(&tasks, &mut executor)?;
        if options.json {
            let ByUser(commands) = &by_user;
            output::print(&format!("{:#}\n", json!({"done": tasks, "by_user": commands})));
        } else {
            output::print(&told(name, &tasks, &by_user, self.remove));
        }
        Ok(Some(0))
    }
}

fn told(name: &UserName, tasks: &[Task], ByUser(commands): &ByUser, is_removed: bool) -> String {
    let mut text = String::new();
    for task in tasks {
        let _ = writeln!(text, "{}    # {}", task.command.line(), task.why);
    }
    if tasks.is_empty() {
        text.push_str("Nothing was to be done.\n");
    }
    let next = if is_removed {
        format!("\nContainers of {name} that are attached stay until they end. As {name}:\n")
    } else {
        format!("\nNext, as {name}, after a new login (so that `id` lists the group flatnet):\n")
    };
    text + &next + &commands.iter().map(|command| format!("  {command}\n")).collect::<String>()
}
