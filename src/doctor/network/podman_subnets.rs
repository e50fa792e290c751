//! Podman's other networks and its subnet pools.

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::containers_conf;
use crate::model::command::Command;
use crate::model::config::Config;
use crate::setup::podman::Podman;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "podman-subnets",
    group: Group::Network,
    looks_at: "the subnets of Podman's other networks, and its `default_subnet_pools`",
    shows: "containers of two networks have the same addresses, and some are unreachable",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !matches!(context.podman(), Podman::Cni { .. } | Podman::Netavark { .. }) {
        return Ok(vec![Finding::not_applicable("Podman cannot use Flatnet: see podman-backend")]);
    }
    let listed = context.stdout(&Command::new(["podman", "network", "ls", "--format", "json"]))?;
    let config = &context.engine.config;
    let mut found = networks(&serde_json::from_str(&listed).unwrap_or_default(), config);
    found.extend(in_pool(&containers_conf::default_subnet_pools(), config));
    if found.is_empty() {
        found.push(Finding::good(format!("no other subnet of Podman overlaps with {}", config.range)));
    }
    Ok(found)
}

/// Other networks of Podman in Flatnet's range.
fn networks(listed: &Value, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for network in listed.as_array().into_iter().flatten() {
        let name = network["name"].as_str().unwrap_or_default();
        // Another Flatnet network of this host also has a subnet of the range.
        if name == config.network.as_str() {
            continue;
        }
        let is_flatnet = network["driver"] == "flatnet";
        let ours = if is_flatnet { config.subnet } else { config.range };
        let subnets = network["subnets"].as_array().into_iter().flatten();
        let nets = subnets.filter_map(|subnet| subnet["subnet"].as_str()?.parse::<Ipv4Net>().ok());
        for net in nets.filter(|net| overlap(*net, ours)) {
            found.push(
                Finding::failure(format!("Podman's network {name} has {net}, which overlaps with {ours}"))
                    .commands([format!("podman network rm {name}")])
                    .help("Remove its containers first; then create it again with another subnet: `podman network create --subnet ..`"),
            );
        }
    }
    found
}

fn in_pool(pools: &[Ipv4Net], config: &Config) -> Option<Finding> {
    let pool = pools.iter().find(|pool| overlap(**pool, config.range))?;
    Some(
        Finding::warning(format!("Podman may assign new networks subnets of {pool}, which overlaps with {}", config.range))
            .help("Remove it from `default_subnet_pools` in containers.conf, or choose another `range` in the configuration"),
    )
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_overlapping_the_range_is_found() {
        let config = Config::default();
        let pool = |text: &str| vec![text.parse().unwrap()];
        assert!(in_pool(&pool("10.87.0.0/16"), &config).is_some());
        assert!(in_pool(&pool("10.0.0.0/8"), &config).is_some());
        assert!(in_pool(&pool("172.20.0.0/14"), &config).is_none());
    }

    #[test]
    fn other_flatnet_may_share_range_but_not_subnet() {
        let listed = |driver: &str, subnet: &str| serde_json::json!([{"name": "other", "driver": driver, "subnets": [{"subnet": subnet}]}]);
        for (driver, subnet, count) in [
            ("bridge", "10.87.9.0/24", 1),
            ("bridge", "10.88.0.0/16", 0),
            ("flatnet", "10.87.9.0/24", 0),
            ("flatnet", "10.87.1.0/25", 1),
        ] {
            assert_eq!(
                networks(&listed(driver, subnet), &Config::default()).len(),
                count,
                "{driver} {subnet}"
            );
        }
    }
}
