//! How WSL2 is joined to Windows' network.

use super::inside;
use crate::command::Command;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

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
    Ok(inside(|| {
        let output = context.run(&Command::new(["wslinfo", "--networking-mode"]));
        judge(output.ok().filter(crate::execute::Output::success).map(|output| output.stdout).as_deref())
    }))
}

fn judge(mode: Option<&str>) -> Finding {
    match mode.map(str::trim) {
        // Before WSL 2.0.4 there was no wslinfo, and no other mode.
        None => Finding::good("no wslinfo: an older WSL, which knows the mode nat only"),
        Some("nat") => Finding::good("nat: Windows is the next hop of this host's default route"),
        Some(mode) => Finding::warning(format!("the networking mode is {mode}; Windows reaches containers by a route in the mode nat only"))
            .help("In Windows write `networkingMode=nat` under [wsl2] into %UserProfile%\\.wslconfig, then `wsl --shutdown`. Published ports, and the gateway inside WSL2 (ops/wsl/README.md), work in the mode mirrored, too"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn only_nat_has_a_way_for_routes() {
        for (mode, level) in [
            (None, Level::Good),
            (Some("nat\n"), Level::Good),
            (Some("mirrored\n"), Level::Warning),
            (Some("virtioproxy"), Level::Warning),
            (Some("none"), Level::Warning),
        ] {
            assert_eq!(judge(mode).level, level, "{mode:?}");
        }
    }
}
