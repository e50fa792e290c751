//! Where the gateway runs.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::model::config::drive;

/// Where the gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Debian's nginx with its Lua module.
    Linux,
    /// `OpenResty` for Windows.
    Windows,
}

impl Platform {
    /// On a disk of Windows the gateway is `OpenResty`'s.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        if drive(directory).is_some() { Self::Windows } else { Self::Linux }
    }

    /// As `--platform` takes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}
