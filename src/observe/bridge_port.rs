//! Whether a port of the bridge takes frames yet.

use std::time::{Duration, Instant};

use super::attachment::bad_json;
use crate::command::Command;
use crate::error::Result;
use crate::execute::Executor;
use crate::tools::Tools;
use crate::types::IfName;

/// `BR_STATE_FORWARDING` of `linux/if_bridge.h`, as /sys writes it.
const FORWARDING: &str = "3";
/// Between two looks.
const PAUSE: Duration = Duration::from_micros(200);

/// Waits until `port` forwards, but no longer than `limit`; whether it does. The kernel opens a port by a worker of its
/// own, a moment after both ends of a veth are up, and drops frames until then.
pub fn await_forwarding(
    port: &IfName,
    limit: Duration,
    executor: &mut dyn Executor,
    tools: &Tools,
) -> Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        let forwards = match seen_in_sys(port) {
            Some(forwards) => forwards,
            None => told_by_bridge(port, executor, tools)?,
        };
        if forwards || Instant::now() >= deadline {
            return Ok(forwards);
        }
        std::thread::sleep(PAUSE);
    }
}

/// `None` where /sys does not show the port, since it was mounted in another namespace.
fn seen_in_sys(port: &IfName) -> Option<bool> {
    let state = std::fs::read_to_string(format!("/sys/class/net/{port}/brport/state")).ok()?;
    Some(state.trim() == FORWARDING)
}

fn told_by_bridge(port: &IfName, executor: &mut dyn Executor, tools: &Tools) -> Result<bool> {
    #[derive(serde::Deserialize)]
    struct Port {
        #[serde(default)]
        state: String,
    }
    let command = Command::new([tools.bridge.as_str(), "-j", "link", "show", "dev", port.as_str()]);
    let output = executor.run(&command, &[])?.checked(&command)?;
    let ports: Vec<Port> =
        serde_json::from_str(&output.stdout).map_err(|cause| bad_json("bridge link", &cause))?;
    Ok(ports.iter().any(|port| port.state == "forwarding"))
}
