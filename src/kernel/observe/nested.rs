//! A systemd in a mount and a PID namespace of its own, as in the distribution that `podman machine` makes in WSL2.
//!
//! A program that Windows starts there is outside: it sees neither the mounts of containers' namespaces nor what systemd mounted.

use std::os::unix::fs::MetadataExt as _;

use super::processes;

/// The process of a systemd with this host's files and network that is the first of a PID namespace below this one. `None` if there is
/// none, and where this process is inside.
#[must_use]
pub fn systemd() -> Option<u32> {
    processes::pids().into_iter().find(|pid| has_init_below(&read(*pid, "status")) && is_of_this_host(*pid))
}

fn read(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// Whether `/proc/PID/status` is that of a systemd whose number is 1 in a namespace below this one (`proc_pid_status(5)`, `NSpid`).
fn has_init_below(status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let mut numbers = field("NSpid:").unwrap_or_default().split_whitespace().rev();
    field("Name:") == Some("systemd") && numbers.next() == Some("1") && numbers.next().is_some()
}

/// A container's systemd has another root or network, and that of any user's, who could call any program so, another user namespace.
fn is_of_this_host(pid: u32) -> bool {
    let place = |path: &str| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    ["root", "ns/net", "ns/user"].iter().all(|name| {
        let own = place(&format!("/proc/self/{name}"));
        own.is_some() && own == place(&format!("/proc/{pid}/{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_below_is_recognised_by_its_numbers() {
        let status =
            |name: &str, numbers: &str| format!("Name:\t{name}\nPid:\t23\nNSpid:\t{numbers}\nVmPeak:\t1\n");
        assert!(has_init_below(&status("systemd", "23\t1")));
        assert!(has_init_below(&status("systemd", "923\t23\t1")));
        for (name, numbers) in [
            ("systemd", "1"),
            ("systemd", "23"),
            ("systemd", "23\t7"),
            ("bash", "23\t1"),
            ("(sd-pam)", "24\t1"),
        ] {
            assert!(!has_init_below(&status(name, numbers)), "{name} {numbers}");
        }
        assert!(!has_init_below(""));
    }
}
