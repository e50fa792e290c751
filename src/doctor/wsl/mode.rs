//! The networking mode of WSL2.

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
        WslMode::UserMode => Finding::warning("podman machine's user-mode networking is on: the next hop is its relay and not Windows, which therefore has no route to containers")
            .help("In Windows, run `podman machine stop`, `podman machine set --user-mode-networking=false` and `podman machine start` for each machine that uses it, then `flatnet up` here. With it, Windows reaches published ports only (docs/setup/podman-machine.md)"),
        WslMode::Other(mode) => Finding::warning(format!("the networking mode is {mode}; Windows has a route to containers in nat mode only"))
            .help("In Windows, set `networkingMode=nat` under [wsl2] in %UserProfile%\\.wslconfig, then run `wsl --shutdown`. Published ports, and a gateway inside WSL2 (ops/wsl/README.md), also work in mirrored mode"),
        WslMode::Unknown(why) => Finding::warning(format!("the networking mode is unknown, assuming nat: {why}"))
            .help("If the mode is not nat, `ingress_gateways: auto` accepts a router instead of Windows. Run `wslinfo --networking-mode`; if it keeps failing, run `wsl --shutdown` in Windows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn only_nat_mode_is_good_and_unknown_mode_warns() {
        let other = |mode: &str| WslMode::Other(mode.to_owned());
        for (mode, level) in [
            (WslMode::Nat, Level::Good),
            (WslMode::UserMode, Level::Warning),
            (other("mirrored"), Level::Warning),
            (other("virtioproxy"), Level::Warning),
            (WslMode::Unknown("wslinfo exited with 1".to_owned()), Level::Warning),
            (WslMode::NotWsl, Level::NotApplicable),
        ] {
            assert_eq!(judge(&mode).level, level, "{mode:?}");
        }
    }
}
