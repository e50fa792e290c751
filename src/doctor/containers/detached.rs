//! Containers that run on the network according to Podman, but are not attached: `podman network reload` detaches and
//! reattaches a container, and reattaching can fail.

use serde_json::Value;

use crate::doctor::{Context, Finding};
use crate::error::Result;
use crate::kernel::observe::processes;
use crate::model::command::Command;
use crate::state::lease::Lease;

/// Finds containers whose lease was released while they are running. Podman is slow, so it is asked only about these.
pub(super) fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (address, lease) in released_and_running(context)? {
        let id = &lease.id.container_id;
        let output = context.run(&Command::new(["podman", "inspect", "--type", "container", id.as_str()]))?;
        let inspected = serde_json::from_str(&output.stdout).unwrap_or_default();
        // The container may have been stopped or attached while Podman was asked.
        if !is_on(&inspected, context.engine.config.network.as_str()) || is_attached(context, &lease)? {
            continue;
        }
        let what = format!(
            "container {}, {address}, is running but no longer attached to the network",
            lease.id.label(&lease.name)
        );
        found.push(
            Finding::failure(what)
                .commands([format!("podman network reload {}", id.short())])
                .help("Podman detached it and failed to attach it again: `journalctl -t flatnet` shows why. Its connections are lost"),
        );
    }
    Ok(found)
}

fn released_and_running(context: &Context) -> Result<Vec<(std::net::IpAddr, Lease)>> {
    let leases = context.engine.store.leases()?;
    let released: Vec<_> = leases.all().filter(|(_, lease)| lease.released && lease.of_podman).collect();
    if released.is_empty() {
        return Ok(Vec::new());
    }
    let running = processes::with_conmon();
    let runs = |lease: &Lease| running.iter().any(|id| id == lease.id.container_id.as_str());
    let found = released.into_iter().filter(|(_, lease)| runs(lease));
    Ok(found.map(|(address, lease)| (address, lease.clone())).collect())
}

fn is_attached(context: &Context, lease: &Lease) -> Result<bool> {
    Ok(context.engine.store.receipt(&lease.id)?.is_some())
}

/// Whether the container is running and belongs to `network` according to `podman inspect`.
fn is_on(inspected: &Value, network: &str) -> bool {
    let container = &inspected[0];
    container["State"]["Running"] == true && !container["NetworkSettings"]["Networks"][network].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_running_container_on_network_counts_as_detached() {
        let inspected = |running: bool, network: &str| serde_json::json!([{"State": {"Running": running}, "NetworkSettings": {"Networks": {network: {}}}}]);
        assert!(is_on(&inspected(true, "flatnet"), "flatnet"));
        for other in [inspected(false, "flatnet"), inspected(true, "other"), Value::Null] {
            assert!(!is_on(&other, "flatnet"), "{other}");
        }
    }
}
