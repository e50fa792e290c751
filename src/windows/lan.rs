//! Whether the LAN may come in to the gateway, by all that Windows' own firewall goes by.

use super::firewall;
use super::observed::{Network, Profile, Rule};
use super::view::{Mode, View};
use crate::doctor::{Finding, Level};

/// The rule, what beats it, and the networks that it is for.
pub(super) fn look(view: &View) -> Finding {
    let name = firewall::lan_rule(view);
    // First what `up` does not mend.
    let finding = for_these_networks(view, &name);
    if finding.level == Level::Failure {
        return finding;
    }
    // In mirrored mode no nginx of Windows' is asked.
    let counts = |rule: &&Rule| view.mode == Mode::Nat || rule.program == firewall::ANY;
    let blocks: Vec<&Rule> = view.seen.block_rules.iter().filter(counts).collect();
    let here: Vec<&Rule> = blocks.iter().copied().filter(|rule| counts_here(view, rule)).collect();
    if !here.is_empty() {
        return blocked(&here, Finding::failure, "");
    }
    if !firewall::is_there(&view.seen.lan_rules, &name, firewall::program(view)) {
        let what = if view.seen.lan_rules.iter().any(|rule| rule.name == name) {
            format!("the firewall rule \"{name}\" is disabled, was changed, or is for another program")
        } else {
            format!("there is no firewall rule \"{name}\"")
        };
        return Finding::failure(what).commands([view.script("up")]);
    }
    if finding.level == Level::Good && !blocks.is_empty() {
        return blocked(&blocks, Finding::warning, " in networks of another kind than this LAN");
    }
    finding
}

/// Whether a rule is for networks such as that by which this PC is in the LAN; where none is known, each is.
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
        1 => ("a rule".to_owned(), format!("blocks{of}, and beats all that allow")),
        several => (format!("{several} rules"), format!("block{of}, and beat all that allow")),
    };
    level(format!("{count} of Windows' firewall for {program} {beats}: {}", names.join(", ")))
    .commands(names.iter().map(|name| {
        format!(
            "Get-NetFirewallRule -Direction Inbound -Action Block | Where-Object DisplayName -eq {} | Remove-NetFirewallRule",
            quoted(name)
        )
    }))
    .help("In an elevated PowerShell. Windows makes them when its question about nginx.exe is cancelled")
}

/// A text to PowerShell, which ends one by other scripts' quotation marks, too.
fn quoted(text: &str) -> String {
    let doubled =
        |char| if matches!(char, '\'' | '\u{2018}'..='\u{201b}') { vec![char, char] } else { vec![char] };
    format!("'{}'", text.chars().flat_map(doubled).collect::<String>())
}

/// The network by which this PC is in the LAN.
fn lan<'a>(view: &View<'a>) -> Option<&'a Network> {
    let out = view.seen.out.as_ref()?;
    view.seen.networks.iter().find(|network| network.interface == out.interface)
}

/// The rule is there: whether it counts in the networks that there are.
pub(super) fn for_these_networks(view: &View, name: &str) -> Finding {
    let Some(out) = &view.seen.out else {
        return Finding::not_looked(format!("\"{name}\" is there; this PC is in no LAN now"));
    };
    if let Some(lan) = lan(view) {
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
