//! Podman lists the network as configured.

use std::path::Path;

use serde_json::Value;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::model::command::Command;
use crate::model::config::{Config, DEFAULT_PATH};
use crate::setup::podman::Podman;
use crate::setup::{PLUGIN_FOLDERS, conflist_path, executable, or_packaged, plugin_links};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "podman-network",
    group: Group::Podman,
    looks_at: "whether Podman lists the network, with Flatnet's driver and the configured addresses",
    shows: "`podman run --network flatnet` fails: \"network not found\"; `podman inspect` shows wrong addresses",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let network = context.engine.config.network.to_string();
    let (is_cni, lists) = match context.podman() {
        Podman::Cni { lists_network, .. } => (true, *lists_network),
        Podman::Netavark { lists_network, .. } => (false, *lists_network),
        _ => return Ok(vec![Finding::not_applicable("Podman cannot use Flatnet: see podman-backend")]),
    };
    let missing = Finding::failure(format!("Podman does not list the network {network}"));
    if !lists && is_cni {
        let [plugin, _] = plugin_links(&executable()?);
        let has_plugin = or_packaged(plugin)?.is_in_place()?;
        if !(has_plugin && conflist_path(&context.engine.config.network).exists()) {
            return Ok(vec![Finding::not_looked(
                "the conflist or the plugin is missing: see conflist and plugin",
            )]);
        }
        return Ok(vec![missing.help(format!(
            "In containers.conf, `network_config_dir` must be /etc/cni/net.d and `cni_plugin_dirs` must include {}, which \
             are the defaults",
            PLUGIN_FOLDERS[0]
        ))]);
    }
    let create = create(context);
    if !lists {
        return Ok(vec![missing.commands([create])]);
    }
    if is_cni {
        return Ok(vec![Finding::good(format!("Podman lists {network}"))]);
    }
    let found = context.stdout(&Command::new(["podman", "network", "inspect", &network]))?;
    Ok(vec![judge(&serde_json::from_str(&found).unwrap_or_default(), &context.engine.config, &create)])
}

/// Checks the output of `podman network inspect` for a network made by `podman network create`.
fn judge(inspected: &Value, config: &Config, create: &str) -> Finding {
    let text = |pointer: &str| inspected.pointer(pointer).and_then(Value::as_str).unwrap_or("none");
    let (network, driver) = (&config.network, text("/0/driver"));
    let again = [format!("podman network rm {network}"), create.to_owned()];
    if driver != "flatnet" {
        return Finding::failure(format!("Podman's network {network} has the driver {driver}, not flatnet"))
            .commands(again)
            .help("Remove it only if it is not needed; otherwise choose another `network` name for Flatnet");
    }
    let recorded = (text("/0/subnets/0/subnet"), text("/0/subnets/0/gateway"));
    if recorded != (config.subnet.to_string().as_str(), config.bridge_address().to_string().as_str()) {
        let (subnet, gateway) = recorded;
        return Finding::warning(format!(
            "Podman has {network} as {subnet} with gateway {gateway}, but the configuration has {} with {}",
            config.subnet,
            config.bridge_address()
        ))
        .commands(again)
        .help("Podman keeps the subnet from `podman network create`. Remove the network's containers first and run them again afterwards");
    }
    Finding::good(format!("Podman lists {network} with {}", config.subnet))
}

fn create(context: &Context) -> String {
    let option = if context.config_path == Path::new(DEFAULT_PATH) {
        String::new()
    } else {
        format!(" -o config={}", context.config_path.display())
    };
    format!("podman network create -d flatnet{option} {}", context.engine.config.network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn network_driver_and_subnet_must_match_config() {
        let inspected = |driver: &str, subnet: &str| serde_json::json!([{"driver": driver, "subnets": [{"subnet": subnet, "gateway": "10.87.1.1"}]}]);
        let config = Config::default();
        for (driver, subnet, level) in [
            ("flatnet", "10.87.1.0/24", Level::Good),
            ("flatnet", "10.87.0.0/16", Level::Warning),
            ("bridge", "10.87.1.0/24", Level::Failure),
        ] {
            assert_eq!(
                judge(&inspected(driver, subnet), &config, "create").level,
                level,
                "{driver} {subnet}"
            );
        }
        assert_eq!(judge(&Value::Null, &config, "create").level, Level::Failure);
    }
}
