//! The gateway's platform.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::model::config::drive;

/// The gateway's platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Debian's nginx with its Lua module.
    Linux,
    /// `OpenResty` for Windows.
    Windows,
}

impl Platform {
    /// The platform by the location of `directory`: a Windows drive means `OpenResty`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        if drive(directory).is_some() { Self::Windows } else { Self::Linux }
    }

    /// The value of `--platform`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }
}
