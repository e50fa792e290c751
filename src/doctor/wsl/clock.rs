//! The clock of WSL2 stops while Windows sleeps.

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-clock",
    group: Group::Wsl2,
    looks_at: "this host's clock, compared with the hardware clock, which is Windows'",
    shows: "TLS fails after Windows was asleep: \"certificate is not yet valid\"; log timestamps are in the past",
    needs: Needs::Nothing,
    quick: false,
    look,
};

/// Tolerance: the hardware clock counts whole seconds.
const SECONDS: i64 = 2;

fn look(_: &mut Context) -> Result<Vec<Finding>> {
    Ok(inside(|| {
        let hardware = std::fs::read_to_string("/sys/class/rtc/rtc0/since_epoch").ok();
        judge(hardware.as_deref(), jiff::Timestamp::now().as_second())
    }))
}

fn judge(hardware: Option<&str>, now: i64) -> Finding {
    let Some(hardware) = hardware.and_then(|text| text.trim().parse::<i64>().ok()) else {
        return Finding::not_applicable("there is no hardware clock");
    };
    let behind = hardware - now;
    if behind.abs() <= SECONDS {
        return Finding::good("the clock agrees with Windows'");
    }
    let words = if behind > 0 { "behind" } else { "ahead of" };
    Finding::warning(format!("the clock is {} s {words} Windows'", behind.abs()))
        .commands(["hwclock --hctosys"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn clock_drift_beyond_seconds_is_reported() {
        let now = 1_800_000_000;
        for (hardware, level) in [
            (None, Level::NotApplicable),
            (Some("1800000001\n"), Level::Good),
            (Some("1800003600\n"), Level::Warning),
            (Some("1799999000\n"), Level::Warning),
        ] {
            assert_eq!(judge(hardware, now).level, level, "{hardware:?}");
        }
    }
}
