//! Folders on Windows' disks, as WSL2 shows them.

use std::path::Path;

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
    fn windows_drive_path_is_recognised() {
        let drive = |path: &str| drive(Path::new(path));
        assert_eq!(drive("/mnt/c/flatnet/gateway").as_deref(), Some("C:/flatnet/gateway"));
        assert_eq!(drive("/mnt/d").as_deref(), Some("D:/"));
        for path in ["/mnt/wsl/x", "/mnt", "/var/lib/flatnet-gateway", "/mnt/data/gateway"] {
            assert_eq!(drive(path), None, "{path}");
        }
    }
}
