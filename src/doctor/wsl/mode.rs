//! How WSL2 is joined to Windows' network.

use super::inside;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::host::WslMode;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "wsl-networking-mode",
    group: Group::Wsl2,
    looks_at: "`wslinfo --networking-mode`",
    shows: "Windows does not reach containers at their addresses",
    needs: Needs::Nothing,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    Ok(inside(|| judge(&context.wsl_mode())))
}

fn judge(mode: &WslMode) -> Finding {
    match mode {
        WslMode::NotWsl => Finding::not_applicable("this is not WSL2"),
        WslMode::Nat => Finding::good("nat: Windows is the next hop of this host's default route"),
        WslMode::Other(mode) => Finding::warning(format!("the networking mode is {mode}; Windows reaches containers by a route in the mode nat only"))
            .help("In Windows write `networkingMode=nat` under [wsl2] into %UserProfile%\\.wslconfig, then `wsl --shutdown`. Published ports, and the gateway inside WSL2 (ops/wsl/README.md), work in the mode mirrored, too"),
        WslMode::Unknown(why) => Finding::warning(format!("the networking mode is not known, and taken for nat: {why}"))
            .help("In a mode that is not nat, `ingress_gateways: auto` then lets in a router instead of Windows. Try `wslinfo --networking-mode`; if it goes on to fail, `wsl --shutdown` in Windows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn only_nat_has_a_way_for_routes_and_what_is_not_known_is_not_called_nat() {
        let other = |mode: &str| WslMode::Other(mode.to_owned());
        for (mode, level) in [
            (WslMode::Nat, Level::Good),
            (other("mirrored"), Level::Warning),
            (other("virtioproxy"), Level::Warning),
            (WslMode::Unknown("wslinfo exited with 1".to_owned()), Level::Warning),
            (WslMode::NotWsl, Level::NotApplicable),
        ] {
            assert_eq!(judge(&mode).level, level, "{mode:?}");
        }
    }
}
