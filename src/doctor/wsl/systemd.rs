//! systemd is running: its units start Flatnet and containers after a start of Windows.

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::{ini, nested};
use crate::setup::machine;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-systemd",
    group: Group::Wsl2,
    looks_at: "whether process 1 is systemd, and /etc/wsl.conf",
    shows: "after `wsl --shutdown`, or a restart of Windows, containers are not started automatically",
    needs: Needs::Nothing,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let again = nested::systemd().map(|pid| machine::enter(pid, &context.flatnet("doctor")));
    Ok(inside(|| judge(&read("/proc/1/comm"), &read("/etc/wsl.conf"), again)))
}

/// `again` enters the namespaces of a systemd that has its own.
fn judge(first_process: &str, wsl_conf: &str, again: Option<String>) -> Finding {
    if first_process.trim() == "systemd" {
        return Finding::good("systemd is running");
    }
    if let Some(again) = again {
        return Finding::warning(machine::OUTSIDE)
            .commands([again])
            .help("From Windows, `podman machine ssh` leads into them. Run Flatnet and Podman there only");
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
        assert_eq!(judge("systemd\n", "", None).level, Level::Good);
        assert_eq!(judge("init\n", "", None).commands.len(), 1);
        let asked = judge("init(Debian)\n", "[boot]\nsystemd=true\n", None);
        assert!(asked.level == Level::Warning && asked.commands.is_empty(), "{asked:?}");
        // `podman machine` starts systemd itself, and wsl.conf has to stay as it is.
        let nested = judge("init\n", "[user]\ndefault=user\n", Some("nsenter ..".to_owned()));
        assert_eq!(nested.commands, ["nsenter .."]);
    }
}
