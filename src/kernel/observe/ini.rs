//! Reads INI files: wsl.conf, and .wslconfig of Windows.

/// The value of `key` in `[section]` of an INI file such as wsl.conf or .wslconfig.
#[must_use]
pub fn value<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut inside = false;
    let mut value = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            inside = name.trim_end_matches(']').eq_ignore_ascii_case(section);
        } else if let Some((name, found)) = line.split_once('=').filter(|_| inside) {
            if name.trim().eq_ignore_ascii_case(key) {
                value = Some(found.trim());
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_their_section() {
        let text = "# x\r\n[Boot]\r\nsystemd = true\r\n[wsl2]\r\n#vmIdleTimeout=1\r\nvmIdleTimeout=-1\r\n";
        assert_eq!(value(text, "boot", "systemd"), Some("true"));
        assert_eq!(value(text, "wsl2", "vmidletimeout"), Some("-1"));
        assert_eq!(value(text, "boot", "vmIdleTimeout"), None);
        assert_eq!(value("", "boot", "systemd"), None);
    }
}
