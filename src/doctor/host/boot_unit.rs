//! The unit that runs `flatnet up` at boot has not failed.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::command::Command;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "boot-unit",
    group: Group::Host,
    looks_at: "whether the systemd unit that runs `flatnet up` at boot has failed",
    shows: "nothing at first; but the rules are missing after `systemctl restart nftables`, and perhaps after the next boot",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !units::is_booted() {
        return Ok(vec![Finding::not_applicable("systemd is not running")]);
    }
    let unit = format!("{}.service", units::name("flatnet", &context.engine.config.network));
    // `is-failed` exits with 0 only if the unit has failed; a missing unit has not.
    let asked = context.run(&Command::new(["systemctl", "is-failed", "--quiet", &unit]));
    if !asked.is_ok_and(|output| output.success()) {
        return Ok(vec![Finding::good(format!("{unit} has not failed"))]);
    }
    Ok(vec![
        Finding::failure(format!("{unit} has failed"))
            .commands([format!("systemctl restart {unit}")])
            .help(format!("`journalctl -b -u {unit}` shows why it failed")),
    ])
}
