//! What brings Flatnet up at boot has not failed, and was not stopped since.

use crate::command::Command;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "boot-unit",
    group: Group::Host,
    looks_at: "whether systemd's unit that brings the network up at boot has failed, or is enabled and stopped",
    shows: "nothing now; but rules that another firewall removes are not put back, and at the next boot perhaps not either",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !units::is_booted() {
        return Ok(vec![Finding::not_applicable("systemd does not run here")]);
    }
    let unit = format!("{}.service", units::name("flatnet", &context.engine.config.network));
    let show = Command::new(["systemctl", "show", "--property=ActiveState,UnitFileState", &unit]);
    let shown = context.stdout(&show).unwrap_or_default();
    let is = |line: &str| shown.lines().any(|shown| shown == line);
    let why = format!("Why it failed says `journalctl -b -u {unit}`");
    Ok(vec![if is("ActiveState=failed") {
        Finding::failure(format!("{unit} has failed"))
            .commands([format!("systemctl restart {unit}")])
            .help(why)
    } else if is("ActiveState=inactive") && is("UnitFileState=enabled") {
        Finding::warning(format!("{unit} is enabled and was stopped"))
            .commands([format!("systemctl start {unit}")])
            .help("A stop of nftables.service stops it too, and takes all rules")
    } else {
        Finding::good(format!("{unit} has not failed, nor was it stopped"))
    }])
}
