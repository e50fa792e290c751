//! What brings Flatnet up at boot has not failed.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::command::Command;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "boot-unit",
    group: Group::Host,
    looks_at: "whether systemd's unit that brings the network up at boot has failed",
    shows: "nothing now; but after `systemctl restart nftables` all rules are gone, and at the next boot perhaps too",
    needs: Needs::RootAndConfig,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !units::is_booted() {
        return Ok(vec![Finding::not_applicable("systemd does not run here")]);
    }
    let unit = format!("{}.service", units::name("flatnet", &context.engine.config.network));
    // It exits with 0 only where the unit has failed; one that is not there has not.
    let asked = context.run(&Command::new(["systemctl", "is-failed", "--quiet", &unit]));
    if !asked.is_ok_and(|output| output.success()) {
        return Ok(vec![Finding::good(format!("{unit} has not failed"))]);
    }
    Ok(vec![
        Finding::failure(format!("{unit} has failed"))
            .commands([format!("systemctl restart {unit}")])
            .help(format!("Why it failed says `journalctl -b -u {unit}`")),
    ])
}
