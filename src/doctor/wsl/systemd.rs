//! systemd is running: its units start Flatnet and containers after a start of Windows.

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::ini;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-systemd",
    group: Group::Wsl2,
    looks_at: "whether process 1 is systemd, and /etc/wsl.conf",
    shows: "after `wsl --shutdown`, or a restart of Windows, containers are not started automatically",
    needs: Needs::Nothing,
    quick: false,
    look,
};

fn look(_: &mut Context) -> Result<Vec<Finding>> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    Ok(inside(|| judge(&read("/proc/1/comm"), &read("/etc/wsl.conf"))))
}

fn judge(first_process: &str, wsl_conf: &str) -> Finding {
    if first_process.trim() == "systemd" {
        return Finding::good("systemd is running");
    }
    let restart = "Then run `wsl --shutdown` in Windows, which stops all distributions";
    if ini::value(wsl_conf, "boot", "systemd").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Finding::warning("systemd is not running, although /etc/wsl.conf enables it").help(restart);
    }
    Finding::warning("systemd is not running: no unit starts Flatnet and containers")
        .commands([r"printf '\n[boot]\nsystemd=true\n' >> /etc/wsl.conf"])
        .help(restart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn systemd_is_suggested_only_if_not_configured() {
        assert_eq!(judge("systemd\n", "").level, Level::Good);
        assert_eq!(judge("init\n", "").commands.len(), 1);
        let asked = judge("init(Debian)\n", "[boot]\nsystemd=true\n");
        assert!(asked.level == Level::Warning && asked.commands.is_empty(), "{asked:?}");
    }
}
