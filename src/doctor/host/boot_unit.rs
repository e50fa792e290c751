//! The unit that runs `flatnet up` at boot has not failed, and was not stopped.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::command::Command;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "boot-unit",
    group: Group::Host,
    looks_at: "whether the systemd unit that runs `flatnet up` at boot has failed, or is enabled and stopped",
    shows: "nothing at first; but rules that another firewall removes are not restored, and perhaps not at the next boot either",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !units::is_booted() {
        return Ok(vec![Finding::not_applicable("systemd is not running")]);
    }
    let unit = format!("{}.service", units::name("flatnet", &context.engine.config.network));
    let show = Command::new(["systemctl", "show", "--property=ActiveState,UnitFileState", &unit]);
    let shown = context.stdout(&show).unwrap_or_default();
    let is = |line: &str| shown.lines().any(|shown| shown == line);
    let why = format!("`journalctl -b -u {unit}` shows why it failed");
    Ok(vec![if is("ActiveState=failed") {
        Finding::failure(format!("{unit} has failed"))
            .commands([format!("systemctl restart {unit}")])
            .help(why)
    } else if is("ActiveState=inactive") && is("UnitFileState=enabled") {
        Finding::warning(format!("{unit} is enabled but was stopped"))
            .commands([format!("systemctl start {unit}")])
            .help("Stopping nftables.service also stops it, and removes all rules")
    } else {
        Finding::good(format!("{unit} has not failed"))
    }])
}
