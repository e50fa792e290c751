//! Reads INI files: wsl.conf, and .wslconfig of Windows.

/// The value of `key` in `[section]` of wsl.conf or .wslconfig, as WSL reads them: the first of a name counts, `#` begins a
/// comment, and quotation marks are not part of a value.
#[must_use]
pub fn value<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
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
    fn settings_are_read_as_wsl_reads_them() {
        let text = "# x\r\n[Boot]\r\nsystemd = true\r\n[wsl2]\r\n#vmIdleTimeout=1\r\nvmIdleTimeout=-1\r\n";
        assert_eq!(value(text, "boot", "systemd"), Some("true"));
        assert_eq!(value(text, "wsl2", "vmidletimeout"), Some("-1"));
        assert_eq!(value(text, "boot", "vmIdleTimeout"), None);
        let text = "\u{feff}[wsl2] # y\nvmIdleTimeout = \"-1\" # never\nvmIdleTimeout=60000\n";
        assert_eq!(value(text, "wsl2", "vmIdleTimeout"), Some("-1"));
        assert_eq!(value("", "boot", "systemd"), None);
    }
}
