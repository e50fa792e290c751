//! The reverse-path filter of the uplink, if replies may arrive on another interface than requests leave.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::{self, route};
use crate::model::command::Command;
use crate::model::types::{IfName, SysctlKey};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "rp-filter",
    group: Group::Network,
    looks_at: "rp_filter of the uplink, if there are several default routes or policy rules",
    shows: "connections from or to some networks hang; `nstat -az TcpExtIPReversePathFilter` counts up",
    needs: Needs::State,
    quick: false,
    look,
};

/// The policy rules of a new namespace: local, main, default.
const RULES: usize = 3;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let Some(uplink) = super::uplink(context) else {
        return Ok(vec![Finding::not_applicable("there is no uplink")]);
    };
    let setting = |dev: &str| {
        let dev = dev.parse().ok()?;
        observe::sysctl(&SysctlKey::ipv4_conf(&dev, "rp_filter"))
    };
    let value = std::fs::read_to_string("/proc/sys/net/ipv4/conf/all/rp_filter");
    let all = value.ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default();
    let own = setting(uplink.as_str()).unwrap_or_default();
    let ip = context.engine.host.tools.ip.clone();
    let routes = context.stdout(&Command::new([ip.as_str(), "-j", "-4", "route", "show", "default"]))?;
    let mut ways: Vec<String> =
        route::parse(&routes).unwrap_or_default().into_iter().map(|route| route.dev).collect();
    ways.sort();
    ways.dedup();
    let rules = context.stdout(&Command::new([ip.as_str(), "-4", "rule", "show"]))?.lines().count();
    Ok(vec![judge(&uplink, own, all, &ways, rules)])
}

/// The kernel takes the larger of the two; 1 is strict, 2 loose.
fn judge(uplink: &IfName, own: u32, all: u32, ways: &[String], rules: usize) -> Finding {
    let effective = own.max(all);
    if effective != 1 {
        return Finding::good(format!("rp_filter of {uplink} is not strict ({effective})"));
    }
    if ways.len() < 2 && rules <= RULES {
        return Finding::good(format!(
            "rp_filter of {uplink} is strict, but there is only one default route"
        ));
    }
    let why = if ways.len() > 1 {
        format!("default routes lead out of {}", ways.join(" and "))
    } else {
        format!("there are {} additional policy rules", rules - RULES)
    };
    Finding::warning(format!("rp_filter of {uplink} is strict (1), but {why}: replies that arrive on another interface are dropped"))
        .commands([format!("sysctl -w net/ipv4/conf/{uplink}/rp_filter=2")])
        .help("Also add it to /etc/sysctl.d/. Flatnet's ruleset protects against spoofed addresses of containers by itself")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn strict_rp_filter_warns_only_with_multiple_paths() {
        let uplink = IfName::parse("eth0").unwrap();
        let (one, two) = (vec!["eth0".to_owned()], vec!["eth0".to_owned(), "tun0".to_owned()]);
        for (own, all, ways, rules, level) in [
            (1, 0, &one, 3, Level::Good),
            (1, 0, &two, 3, Level::Warning),
            (0, 1, &two, 3, Level::Warning),
            (2, 1, &two, 3, Level::Good),
            (0, 0, &two, 3, Level::Good),
            (1, 1, &one, 5, Level::Warning),
        ] {
            assert_eq!(judge(&uplink, own, all, ways, rules).level, level, "{own} {all} {ways:?} {rules}");
        }
    }
}
