//! Golden files: tests compare them with the program's output, and rewrite them with `FLATNET_GOLDEN=write`.

use std::path::Path;

/// Compares the file at `path` with `found`; `FLATNET_GOLDEN=write` writes the file first.
pub(crate) fn compare(path: &Path, found: &str, differences: &mut Vec<String>) {
    if std::env::var("FLATNET_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(path, found).unwrap();
    }
    if std::fs::read_to_string(path).unwrap_or_default() != found {
        differences.push(format!("{} differs; it would be now:\n{found}", path.display()));
    }
}
