//! Checks that apply only inside WSL2.

pub(super) mod clock;
pub(super) mod idle;
pub(super) mod mode;
pub(super) mod systemd;
pub(super) mod windows_address;

use super::Finding;

/// Whether the kernel is WSL2's, by `/proc/sys/kernel/osrelease`.
fn is_wsl2(osrelease: &str) -> bool {
    osrelease.to_lowercase().contains("microsoft")
}

/// Runs `look` only inside WSL2.
fn inside(look: impl FnOnce() -> Finding) -> Vec<Finding> {
    let osrelease = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![if is_wsl2(&osrelease) { look() } else { Finding::not_applicable("this is not WSL2") }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wsl2_kernel_is_recognised_by_release() {
        assert!(is_wsl2("6.6.114.1-microsoft-standard-WSL2\n"));
        assert!(!is_wsl2("6.1.0-25-amd64\n"));
    }
}
