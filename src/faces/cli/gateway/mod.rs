//! `flatnet gateway ..`: containers by name, for browsers of the LAN.

mod install;
mod render;
mod routes;
mod sync;
mod watch;

use clap::{Args, Subcommand};

use super::Options;

/// Manage the HTTP gateway, through which browsers of the LAN open containers by name.
///
/// The gateway is nginx with Lua: `OpenResty` on Windows, or Debian's nginx on this host. These commands write its files
/// and keep its routes up to date; they do not run it. It is configured in section `gateway` of the configuration.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  flatnet gateway install   # write its files\n  flatnet gateway sync      # update the routes once\n  flatnet gateway watch     # update the routes on each change\n  flatnet gateway routes    # list the routes"
)]
pub(super) struct Gateway {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Install),
    Sync(sync::Sync),
    Watch(watch::Watch),
    Routes(routes::Routes),
    Render(render::Render),
}

impl Gateway {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        match &self.command {
            Command::Install(command) => command.run(options),
            Command::Sync(command) => command.run(options),
            Command::Watch(command) => command.run(options),
            Command::Routes(command) => command.run(options),
            Command::Render(command) => command.run(options),
        }
    }
}
