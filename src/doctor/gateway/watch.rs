//! `flatnet gateway watch` runs. It holds a lock as long as it does.

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
    looks_at: "whether somebody holds the lock of `flatnet gateway watch`; where systemd runs, whether its unit is enabled",
    shows: "routes are right after `flatnet gateway sync`, and do not follow the next container",
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
                Finding::good(format!("it runs: it holds {}", lock.display()))
            } else {
                Finding::warning(format!("it does not run: nobody holds {}", lock.display())).help(format!(
                    "There is no systemd here. Keep `{}` running",
                    context.flatnet("gateway watch")
                ))
            }]);
        }
        let is_enabled = context
            .run(&Command::new(["systemctl", "is-enabled", "--quiet", &unit]))
            .is_ok_and(|output| output.success());
        Ok(vec![match (is_running, is_enabled) {
            (true, true) => Finding::good(format!("it runs: it holds {}; {unit} is enabled", lock.display())),
            (true, false) => {
                Finding::warning(format!("it runs, and will not after a reboot: {unit} is not enabled"))
                    .mended_by(vec![enable])
            }
            (false, _) => Finding::warning(format!("it does not run: nobody holds {}", lock.display()))
                .mended_by(vec![enable])
                .help(format!("`journalctl -u {unit}` says why, where it should")),
        }])
    })
}
