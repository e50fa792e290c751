//! Where the gateway runs.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

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

/// `C:/flatnet/gateway` for `/mnt/c/flatnet/gateway`.
#[must_use]
pub fn drive(directory: &Path) -> Option<String> {
    let rest = directory.to_str()?.strip_prefix("/mnt/")?;
    let (letter, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_letter = letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_letter.then(|| format!("{}:/{path}", letter.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_of_windows_is_known() {
        let drive = |path: &str| drive(Path::new(path));
        assert_eq!(drive("/mnt/c/flatnet/gateway").as_deref(), Some("C:/flatnet/gateway"));
        assert_eq!(drive("/mnt/d").as_deref(), Some("D:/"));
        for path in ["/mnt/wsl/x", "/mnt", "/var/lib/flatnet-gateway", "/mnt/data/gateway"] {
            assert_eq!(drive(path), None, "{path}");
        }
    }
}
