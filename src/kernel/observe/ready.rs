//! Waits until the host link carries packets.

use std::time::{Duration, Instant};

use super::attachment::bad_json;
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::kernel::host::Host;
use crate::kernel::tools::Tools;
use crate::model::command::Command;
use crate::model::types::IfName;

/// The polling interval.
const PAUSE: Duration = Duration::from_micros(200);

/// The sign of a ready link: a file in /sys, and the same in a program's output.
struct Sign {
    file: &'static str,
    ready: &'static str,
    command: fn(&Tools) -> Vec<&str>,
    is_ready: fn(&ShownLink) -> bool,
}

/// A link of its own: the kernel gives it a queue when it notices that the peer is up.
const OF_LINK: Sign = Sign {
    file: "operstate",
    ready: "up",
    command: |tools| vec![&tools.ip, "-j", "link", "show", "dev"],
    is_ready: |link| link.operstate == "UP",
};

/// A bridge port: `BR_STATE_FORWARDING` of `linux/if_bridge.h`, as in /sys.
const OF_PORT: Sign = Sign {
    file: "brport/state",
    ready: "3",
    command: |tools| vec![&tools.bridge, "-j", "link", "show", "dev"],
    is_ready: |link| link.state == "forwarding",
};

#[derive(serde::Deserialize)]
struct ShownLink {
    #[serde(default)]
    operstate: String,
    #[serde(default)]
    state: String,
}

/// Waits at most `limit` until `link`, a bridge port or a link of its own, carries packets; returns whether it
/// does. A kernel worker enables it a moment after both ends of a veth are up, and until then packets are
/// dropped.
pub fn await_link(link: &IfName, is_port: bool, limit: Duration, host: &mut Host) -> Result<bool> {
    let sign = if is_port { OF_PORT } else { OF_LINK };
    let deadline = Instant::now() + limit;
    loop {
        let is_ready = match seen_in_sys(link, &sign) {
            Some(is_ready) => is_ready,
            None => ask_program(link, &sign, host)?,
        };
        if is_ready || Instant::now() >= deadline {
            return Ok(is_ready);
        }
        std::thread::sleep(PAUSE);
    }
}

/// `None` if /sys does not show the link, because it was mounted in another namespace.
fn seen_in_sys(link: &IfName, sign: &Sign) -> Option<bool> {
    let state = std::fs::read_to_string(format!("/sys/class/net/{link}/{}", sign.file)).ok()?;
    Some(state.trim() == sign.ready)
}

fn ask_program(link: &IfName, sign: &Sign, host: &mut Host) -> Result<bool> {
    let command = Command::new((sign.command)(&host.tools).into_iter().chain([link.as_str()]));
    let output = host.run(&command, &[])?.checked(&command)?;
    let all: Vec<ShownLink> =
        serde_json::from_str(&output.stdout).map_err(|cause| bad_json(&command.line(), &cause))?;
    Ok(all.iter().any(sign.is_ready))
}
