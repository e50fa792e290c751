//! What is different inside WSL2, and only there.

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

/// Looks only inside WSL2.
fn inside(look: impl FnOnce() -> Finding) -> Vec<Finding> {
    let osrelease = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    vec![if is_wsl2(&osrelease) { look() } else { Finding::not_applicable("this is not WSL2") }]
}

/// The value of `key` in `[section]` of wsl.conf or .wslconfig, as WSL reads them: the first of a name counts, `#` begins a
/// comment, and quotation marks are not part of a value.
pub(crate) fn ini<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[') {
            inside = name.trim_end_matches(']').eq_ignore_ascii_case(section);
        } else if let Some((name, found)) = line.split_once('=').filter(|_| inside) {
            if name.trim().eq_ignore_ascii_case(key) {
                return Some(found.trim().trim_matches('"'));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_kernel_and_reads_settings() {
        assert!(is_wsl2("6.6.114.1-microsoft-standard-WSL2\n"));
        assert!(!is_wsl2("6.1.0-25-amd64\n"));
        let text = "# x\r\n[Boot]\r\nsystemd = true\r\n[wsl2]\r\n#vmIdleTimeout=1\r\nvmIdleTimeout=-1\r\n";
        assert_eq!(ini(text, "boot", "systemd"), Some("true"));
        assert_eq!(ini(text, "wsl2", "vmidletimeout"), Some("-1"));
        assert_eq!(ini(text, "boot", "vmIdleTimeout"), None);
        let text = "\u{feff}[wsl2] # y\nvmIdleTimeout = \"-1\" # never\nvmIdleTimeout=60000\n";
        assert_eq!(ini(text, "wsl2", "vmIdleTimeout"), Some("-1"));
        assert_eq!(ini("", "boot", "systemd"), None);
    }
}
