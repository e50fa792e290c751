//! `flatnet gateway watch` is running: it holds a lock while it runs.

use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::command::Command;
use crate::routes::watch::lock_path;
use crate::setup::units;
use crate::state::lock;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-watch",
    group: Group::Gateway,
    looks_at: "whether the lock of `flatnet gateway watch` is held; with systemd, whether its unit is enabled",
    shows: "routes are right after `flatnet gateway sync`, but are not updated for new containers",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, _| {
        let config = &context.engine.config;
        let lock = lock_path(config);
        let unit = format!("{}.service", units::name("flatnet-gateway-watch", &config.network));
        let is_running = lock::is_held(&lock);
        let enable = Command::new(["systemctl", "enable", "--now", &unit]);
        if !units::is_booted() {
            return Ok(vec![if is_running {
                Finding::good(format!("running: it holds {}", lock.display()))
            } else {
                Finding::warning(format!("not running: its lock {} is not held", lock.display())).help(
                    format!(
                        "systemd is not running: keep `{}` running yourself",
                        context.flatnet("gateway watch")
                    ),
                )
            }]);
        }
        let is_enabled = context
            .run(&Command::new(["systemctl", "is-enabled", "--quiet", &unit]))
            .is_ok_and(|output| output.success());
        Ok(vec![match (is_running, is_enabled) {
            (true, true) => Finding::good(format!("running: it holds {}; {unit} is enabled", lock.display())),
            (true, false) => {
                Finding::warning(format!("running, but will not start after a reboot: {unit} is not enabled"))
                    .fixed_by(vec![enable])
            }
            (false, _) => Finding::warning(format!("not running: its lock {} is not held", lock.display()))
                .fixed_by(vec![enable])
                .help(format!("`journalctl -u {unit}` shows why it stopped")),
        }])
    })
}
