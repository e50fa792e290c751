//! Whether the host's end of a link takes packets yet.

use std::time::{Duration, Instant};

use super::attachment::bad_json;
use crate::error::Result;
use crate::kernel::execute::Executor;
use crate::kernel::host::Host;
use crate::kernel::tools::Tools;
use crate::model::command::Command;
use crate::model::types::IfName;

/// Between two looks.
const PAUSE: Duration = Duration::from_micros(200);

/// What is looked at: a file of a link in /sys, and the same in the words of a program.
struct Sign {
    file: &'static str,
    ready: &'static str,
    told: fn(&Tools) -> Vec<&str>,
    ready_is_told: fn(&Told) -> bool,
}

/// A link of its own: the kernel gives it a queue that takes packets when it notices that the other end is up.
const OF_LINK: Sign = Sign {
    file: "operstate",
    ready: "up",
    told: |tools| vec![&tools.ip, "-j", "link", "show", "dev"],
    ready_is_told: |told| told.operstate == "UP",
};

/// A port of the bridge: `BR_STATE_FORWARDING` of `linux/if_bridge.h`, as /sys writes it.
const OF_PORT: Sign = Sign {
    file: "brport/state",
    ready: "3",
    told: |tools| vec![&tools.bridge, "-j", "link", "show", "dev"],
    ready_is_told: |told| told.state == "forwarding",
};

#[derive(serde::Deserialize)]
struct Told {
    #[serde(default)]
    operstate: String,
    #[serde(default)]
    state: String,
}

/// Waits until `link`, which is a port of the bridge or one of its own, takes packets, but no longer than `limit`; whether it
/// does. The kernel opens it by a worker of its own, a moment after both ends of a veth are up, and drops packets until then.
pub fn await_link(link: &IfName, is_port: bool, limit: Duration, host: &mut Host) -> Result<bool> {
    let sign = if is_port { OF_PORT } else { OF_LINK };
    let deadline = Instant::now() + limit;
    loop {
        let is_ready = match seen_in_sys(link, &sign) {
            Some(is_ready) => is_ready,
            None => told(link, &sign, host)?,
        };
        if is_ready || Instant::now() >= deadline {
            return Ok(is_ready);
        }
        std::thread::sleep(PAUSE);
    }
}

/// `None` where /sys does not show the link, since it was mounted in another namespace.
fn seen_in_sys(link: &IfName, sign: &Sign) -> Option<bool> {
    let state = std::fs::read_to_string(format!("/sys/class/net/{link}/{}", sign.file)).ok()?;
    Some(state.trim() == sign.ready)
}

fn told(link: &IfName, sign: &Sign, host: &mut Host) -> Result<bool> {
    let command = Command::new((sign.told)(&host.tools).into_iter().chain([link.as_str()]));
    let output = host.run(&command, &[])?.checked(&command)?;
    let all: Vec<Told> =
        serde_json::from_str(&output.stdout).map_err(|cause| bad_json(&command.line(), &cause))?;
    Ok(all.iter().any(sign.ready_is_told))
}
