//! Whether the LAN may come in to the gateway, by all that Windows' own firewall goes by.

use super::firewall;
use super::seen::{Network, Profile};
use super::view::View;
use crate::doctor::Finding;

/// The rule, what beats it, and the networks that it is for.
pub(super) fn look(view: &View) -> Finding {
    let name = firewall::lan_rule(view);
    if !firewall::is_there(&view.seen.lan_rules, &name) {
        let what = if view.seen.lan_rules.iter().any(|rule| rule.name == name) {
            format!("the firewall rule \"{name}\" is disabled, or was changed")
        } else {
            format!("there is no firewall rule \"{name}\"")
        };
        return Finding::failure(what).commands([view.script("up")]);
    }
    if let Some(rule) = view.seen.block_rules.first() {
        let program = &view.seen.settings.openresty;
        return Finding::failure(format!(
            "{} of Windows' firewall for {program} block, and they beat all that allow: {}",
            count(view.seen.block_rules.len()),
            rule.name
        ))
        .commands([format!(
            "Get-NetFirewallApplicationFilter -Program '{program}' | Get-NetFirewallRule | Where-Object Action -eq Block | Remove-NetFirewallRule"
        )])
        .help("In an elevated PowerShell. Windows makes them when its question about nginx.exe is cancelled");
    }
    for_these_networks(view, &name)
}

fn count(rules: usize) -> String {
    if rules == 1 { "a rule".to_owned() } else { format!("{rules} rules") }
}

/// The rule is there: whether it counts in the networks that there are.
pub(super) fn for_these_networks(view: &View, name: &str) -> Finding {
    let Some(out) = &view.seen.out else {
        return Finding::not_looked(format!("\"{name}\" is there; this PC is in no LAN now"));
    };
    let lan = view.seen.networks.iter().find(|network| network.interface == out.interface);
    if let Some(lan) = lan {
        if lan.category == "Public" {
            return public(lan);
        }
        if let Some(finding) = view.seen.profiles.iter().find(|profile| is_for(profile, lan)).and_then(policy)
        {
            return finding;
        }
    }
    let others = view.seen.networks.iter().filter(|network| network.interface != out.interface);
    let public: Vec<&str> =
        others.filter(|other| is_other_lan(view, other)).map(|network| network.name.as_str()).collect();
    if !public.is_empty() {
        return Finding::warning(format!(
            "{} is marked Public, and the rule is for private and domain networks",
            public.join(", ")
        ))
        .help(
            "Where the gateway is for that network, too: Settings, Network, its properties, Private network",
        );
    }
    Finding::good(format!("\"{name}\", for private and domain networks"))
}

fn public(lan: &Network) -> Finding {
    Finding::failure(format!(
        "{}, by which this PC is in the LAN, is marked Public, and the rule is for private and domain networks",
        lan.name
    ))
    .commands([format!("Set-NetConnectionProfile -InterfaceIndex {} -NetworkCategory Private", lan.interface)])
    .help("Where that is your own LAN; in an elevated PowerShell")
}

fn is_for(profile: &Profile, network: &Network) -> bool {
    match network.category.as_str() {
        "DomainAuthenticated" => profile.name == "Domain",
        category => profile.name == category,
    }
}

/// What stands above rules of this PC.
fn policy(profile: &Profile) -> Option<Finding> {
    let name = &profile.name;
    let shown = format!(
        "Get-NetFirewallProfile -Name {name} -PolicyStore ActiveStore | Format-List Enabled, AllowInboundRules, AllowLocalFirewallRules"
    );
    if profile.enabled == "False" {
        return None;
    }
    if profile.inbound == "False" {
        return Some(
            Finding::failure(format!("Windows' firewall blocks all that comes in from {name} networks, whatever is allowed"))
                .commands([format!("Set-NetFirewallProfile -Name {name} -AllowInboundRules NotConfigured"), shown])
                .help("\"Blocks all incoming connections\" in Windows Security; where the second command still says False, it is a policy of your organisation"),
        );
    }
    (profile.local == "False").then(|| {
        Finding::failure(format!("a policy voids this PC's own firewall rules in {name} networks"))
            .commands([shown])
            .help("Ask whoever makes the policy for a rule that lets TCP in to the gateway's ports")
    })
}

/// A network beside the LAN from which somebody could come. Links to virtual machines are listed as public networks without a name.
fn is_other_lan(view: &View, network: &Network) -> bool {
    let is_virtual = view.is_wsl(network.interface)
        || view.seen.addresses.iter().any(|own| {
            own.interface == network.interface
                && (own.switch == Some(true) || own.alias.starts_with("vEthernet"))
        });
    network.category == "Public" && !is_virtual
}
