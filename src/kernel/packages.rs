//! The commands that install packages here: of Debian's family or of Fedora's.

/// Packages that Fedora names otherwise than Debian.
const FEDORA: [(&str, &str); 4] = [
    ("conntrack", "conntrack-tools"),
    ("iproute2", "iproute"),
    ("openssh-client", "openssh-clients"),
    ("procps", "procps-ng"),
];

/// The command that installs the package that Debian calls `package`.
#[must_use]
pub fn install(package: &str) -> String {
    of(&std::fs::read_to_string("/etc/os-release").unwrap_or_default(), package)
}

/// The same on the system that `os-release(5)` describes.
fn of(os_release: &str, package: &str) -> String {
    let is_family = |line: &str| {
        let names = line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE="));
        names.is_some_and(|names| names.trim_matches(['"', '\'']).split(' ').any(|name| name == "fedora"))
    };
    if !os_release.lines().any(is_family) {
        return format!("apt-get install {package}");
    }
    let name = FEDORA.iter().find(|(debian, _)| *debian == package).map_or(package, |(_, fedora)| fedora);
    format!("dnf install {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fedora_has_its_own_names() {
        for (os_release, package, command) in [
            ("NAME=\"Debian GNU/Linux\"\nID=debian\n", "iproute2", "apt-get install iproute2"),
            ("ID=ubuntu\nID_LIKE=debian\n", "procps", "apt-get install procps"),
            ("", "nftables", "apt-get install nftables"),
            ("ID=fedora\nVERSION_ID=43\n", "iproute2", "dnf install iproute"),
            ("ID=\"rhel\"\nID_LIKE=\"fedora\"\n", "conntrack", "dnf install conntrack-tools"),
            ("ID='centos'\nID_LIKE='rhel fedora'\n", "nftables", "dnf install nftables"),
            ("ID=debian\nVARIANT_ID=fedora\n", "podman", "apt-get install podman"),
        ] {
            assert_eq!(of(os_release, package), command, "{os_release}");
        }
    }
}
