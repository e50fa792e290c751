//! Whether Windows Firewall lets the LAN reach the gateway: rules, profiles and policies.

use super::firewall;
use super::observed::{Network, Profile, Rule};
use super::view::{NetworkingMode, View};
use crate::doctor::{Finding, Level};

/// Checks the networks, the rules that block, and then Flatnet's rule.
pub(super) fn look(view: &View) -> Finding {
    let name = firewall::lan_rule(view);
    // First the problems that `up` cannot fix.
    let finding = for_these_networks(view, &name);
    if finding.level == Level::Failure {
        return finding;
    }
    // In mirrored mode nginx does not run on Windows, so rules for its program do not matter.
    let counts = |rule: &&Rule| view.mode == NetworkingMode::Nat || rule.program == firewall::ANY;
    let blocks: Vec<&Rule> = view.observed.block_rules.iter().filter(counts).collect();
    let here: Vec<&Rule> = blocks.iter().copied().filter(|rule| counts_here(view, rule)).collect();
    if !here.is_empty() {
        return blocked(&here, Finding::failure, "");
    }
    if !firewall::is_there(&view.observed.lan_rules, &name, firewall::program(view)) {
        let what = if view.observed.lan_rules.iter().any(|rule| rule.name == name) {
            format!("the firewall rule \"{name}\" is disabled, changed, or for another program")
        } else {
            format!("the firewall rule \"{name}\" is missing")
        };
        return Finding::failure(what).commands([view.script("up")]);
    }
    if finding.level == Level::Good && !blocks.is_empty() {
        return blocked(&blocks, Finding::warning, " in networks of another category than this LAN");
    }
    finding
}

/// Whether a rule applies to the LAN's network category; true if the category is unknown.
fn counts_here(view: &View, rule: &Rule) -> bool {
    let lan =
        lan(view).map(|lan| if lan.category == "DomainAuthenticated" { "Domain" } else { &lan.category });
    lan.is_none_or(|kind| firewall::is_for(rule, kind))
}

fn blocked(rules: &[&Rule], level: fn(String) -> Finding, of: &str) -> Finding {
    let mut names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let program = if rules[0].program == firewall::ANY { "all programs" } else { &rules[0].program };
    let (count, beats) = match rules.len() {
        1 => ("a rule".to_owned(), format!("blocks{of} and overrides rules that allow")),
        several => (format!("{several} rules"), format!("block{of} and override rules that allow")),
    };
    level(format!("{count} of Windows' firewall for {program} {beats}: {}", names.join(", ")))
    .commands(names.iter().map(|name| {
        format!(
            "Get-NetFirewallRule -Direction Inbound -Action Block | Where-Object DisplayName -eq {} | Remove-NetFirewallRule",
            quoted(name)
        )
    }))
    .help("In an elevated PowerShell. Windows adds such rules when its prompt about nginx.exe is cancelled")
}

/// A PowerShell string literal. PowerShell also accepts typographic quotation marks as delimiters, so those are doubled too.
fn quoted(text: &str) -> String {
    let doubled =
        |char| if matches!(char, '\'' | '\u{2018}'..='\u{201b}') { vec![char, char] } else { vec![char] };
    format!("'{}'", text.chars().flat_map(doubled).collect::<String>())
}

/// The network of the adapter with the default route.
fn lan<'a>(view: &View<'a>) -> Option<&'a Network> {
    let out = view.observed.out.as_ref()?;
    view.observed.networks.iter().find(|network| network.interface == out.interface)
}

/// Whether an existing rule takes effect in the networks that are connected.
pub(super) fn for_these_networks(view: &View, name: &str) -> Finding {
    let Some(out) = &view.observed.out else {
        return Finding::not_looked(format!("\"{name}\" exists; this PC is not connected to a LAN"));
    };
    if let Some(lan) = lan(view) {
        if lan.category == "Public" {
            return public(lan);
        }
        if let Some(finding) =
            view.observed.profiles.iter().find(|profile| is_for(profile, lan)).and_then(policy)
        {
            return finding;
        }
    }
    let others = view.observed.networks.iter().filter(|network| network.interface != out.interface);
    let public: Vec<&str> =
        others.filter(|other| is_other_lan(view, other)).map(|network| network.name.as_str()).collect();
    if !public.is_empty() {
        return Finding::warning(format!(
            "{} is marked Public; the rule applies to private and domain networks",
            public.join(", ")
        ))
        .help(
            "If that network should reach the gateway, set it to Private: Settings, Network, its properties",
        );
    }
    Finding::good(format!("\"{name}\", for private and domain networks"))
}

fn public(lan: &Network) -> Finding {
    Finding::failure(format!(
        "this PC's LAN, {}, is marked Public; the rule applies to private and domain networks",
        lan.name
    ))
    .commands([format!(
        "Set-NetConnectionProfile -InterfaceIndex {} -NetworkCategory Private",
        lan.interface
    )])
    .help("In an elevated PowerShell, if this is your own LAN")
}

fn is_for(profile: &Profile, network: &Network) -> bool {
    match network.category.as_str() {
        "DomainAuthenticated" => profile.name == "Domain",
        category => profile.name == category,
    }
}

/// Profile settings and policies that override this PC's rules.
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
            Finding::failure(format!("Windows Firewall blocks all inbound connections from {name} networks, including allowed ones"))
                .commands([format!("Set-NetFirewallProfile -Name {name} -AllowInboundRules NotConfigured"), shown])
                .help("This is \"Blocks all incoming connections\" in Windows Security. If the second command still shows False, a policy of your organisation sets it"),
        );
    }
    (profile.local == "False").then(|| {
        Finding::failure(format!("a policy disables this PC's own firewall rules in {name} networks"))
            .commands([shown])
            .help("Ask the policy's administrator for a rule that allows TCP to the gateway's ports")
    })
}

/// Whether this is a public network other than the LAN. Links to virtual machines are listed as unidentified public networks, and
/// do not count.
fn is_other_lan(view: &View, network: &Network) -> bool {
    let is_virtual = view.is_wsl(network.interface)
        || view.observed.addresses.iter().any(|own| {
            own.interface == network.interface
                && (own.switch == Some(true) || own.alias.starts_with("vEthernet"))
        });
    network.category == "Public" && !is_virtual
}
