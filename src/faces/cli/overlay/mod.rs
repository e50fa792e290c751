//! `flatnet overlay ..`: several hosts.

mod authority;
mod block;
mod forget;
mod host;
mod passphrase;
mod peers;
mod status;

use clap::{Args, Subcommand};

use super::Options;

/// Connect several hosts, so that their containers reach one another by address.
///
/// Nebula carries the packets between hosts, encrypted; its certificates say which host has which addresses. Each host has a
/// number N, and containers on it have addresses in 10.87.N.0/24. Whoever adds hosts makes a certificate authority once (`ca`) and
/// lighthouses, by which hosts find one another (`lighthouse`). A new host makes a request (`request`), gets an invitation for it (`sign`), and
/// joins (`join`). In one trusted LAN the kernel's VXLAN is faster (`ca --kind vxlan`): it encrypts nothing, and every host must be told of
/// each other one (`peers`).
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  flatnet overlay ca --no-passphrase                        # once, on any machine\n  flatnet overlay lighthouse lights1 --at 203.0.113.7:4242 lights1/\n  flatnet overlay request > bob.request                     # on the new host\n  flatnet overlay sign bob.request > bob.invitation         # on the machine with the authority\n  flatnet overlay join bob.invitation                       # on the new host"
)]
pub(super) struct Overlay {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ca(authority::Ca),
    Lighthouse(authority::LighthouseCommand),
    Request(host::RequestCommand),
    Sign(authority::Sign),
    Join(host::Join),
    Leave(host::Leave),
    Peers(peers::Peers),
    Status(status::Status),
    Revoke(authority::Revoke),
    Block(block::Block),
    Trust(block::Trust),
    Forget(forget::Forget),
}

impl Overlay {
    pub(super) fn run(&self, options: &Options) -> eyre::Result<u8> {
        match &self.command {
            Command::Ca(command) => command.run(options),
            Command::Lighthouse(command) => command.run(options),
            Command::Request(command) => command.run(options),
            Command::Sign(command) => command.run(options),
            Command::Join(command) => command.run(options),
            Command::Leave(command) => command.run(options),
            Command::Peers(command) => command.run(options),
            Command::Status(command) => command.run(options),
            Command::Revoke(command) => command.run(options),
            Command::Block(command) => command.run(options),
            Command::Trust(command) => command.run(options),
            Command::Forget(command) => command.run(options),
        }
    }
}
