//! `flatnet completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Options, output};

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet completions bash > /etc/bash_completion.d/flatnet\n  flatnet completions fish > /etc/fish/completions/flatnet.fish"
)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "each command has the same signature")]
    pub(super) fn run(&self, _: &Options) -> eyre::Result<u8> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "flatnet", &mut text);
        output::print(&String::from_utf8_lossy(&text));
        Ok(0)
    }
}
