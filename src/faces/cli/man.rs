//! `flatnet man`.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{Cli, Options, output};
use crate::error::io;

/// Print the manual page, or write the pages of all commands into a directory.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flatnet man | man -l -\n  flatnet man /usr/local/share/man/man1   # then: man flatnet-plan"
)]
pub(super) struct Man {
    /// Write flatnet.1, flatnet-plan.1 and so on into DIR. Create DIR if it does not exist.
    #[arg(value_name = "DIR", value_parser = super::path)]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, _: &Options) -> eyre::Result<u8> {
        let command = Cli::command();
        match &self.dir {
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                output::print(&String::from_utf8_lossy(&page));
            }
            Some(dir) => {
                std::fs::create_dir_all(dir).map_err(io("create", dir))?;
                clap_mangen::generate_to(command, dir).map_err(io("write the manual pages to", dir))?;
            }
        }
        Ok(0)
    }
}
