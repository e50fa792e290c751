//! Flatnet's rules in Windows' two firewalls: Windows Firewall, and the Hyper-V firewall in front of WSL2.

use super::action::{Action, Planned};
use super::lan;
use super::observed::{HypervSetting, Rule};
use super::route;
use super::view::{NetworkingMode, View};
use crate::doctor::{Finding, Level};

/// Windows' value for every program and every network profile.
pub(super) const ANY: &str = "Any";
/// The names of Flatnet's rules begin with one of these, in both firewalls.
const PREFIXES: [&str; 2] = ["Flatnet gateway ", "Flatnet subnet "];

/// Adds the rules that the gateway needs, and removes outdated ones.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let is_mirrored = view.mode == NetworkingMode::Mirrored;
    let add_lan = if is_mirrored { Action::AddSharedRule } else { Action::AddLanRule };
    let remove_lan = |name| Action::RemoveLanRule { name };
    let mut planned =
        reconcile(&view.observed.lan_rules, Some(lan_rule(view)), program(view), add_lan, remove_lan);
    // The rule stays if it works: the probe that required it now succeeds because of it.
    let keep = Some(subnet_rule(view))
        .filter(|rule| view.mode == NetworkingMode::Nat && is_there(&view.observed.hyperv_rules, rule, ANY));
    let add = if is_mirrored { Action::AddPortsRule } else { Action::AddSubnetRule };
    let remove = |name| Action::RemoveHypervRule { name };
    planned.extend(reconcile(&view.observed.hyperv_rules, hyperv_rule(view).or(keep), ANY, add, remove));
    planned
}

/// Whether the Hyper-V firewall allows the gateway's traffic.
pub(super) fn look_hyperv(view: &View) -> Finding {
    let Some(setting) = &view.observed.hyperv else {
        return Finding::not_applicable("this version of Windows has no Hyper-V firewall");
    };
    if let Some(error) = &setting.error {
        return Finding::not_looked(format!("the Hyper-V firewall cannot be read: {error}"));
    }
    if !blocks(setting) {
        return Finding::good("the Hyper-V firewall is off or allows inbound traffic by default");
    }
    let rules = &view.observed.hyperv_rules;
    match (&view.mode, hyperv_rule(view)) {
        (_, Some(name)) if !is_there(rules, &name, ANY) => {
            Finding::failure(format!("the Hyper-V firewall blocks by default, and the rule \"{name}\" is missing"))
                .commands([view.script("up")])
        }
        (NetworkingMode::Nat, Some(name)) => {
            Finding::failure(format!("the bridge does not answer although the rule \"{name}\" exists"))
                .commands([view.in_wsl("flatnet doctor"), "Get-NetFirewallHyperVProfile -PolicyStore ActiveStore".to_owned()])
                .help("If the doctor finds nothing, a policy may disable local rules: the second command shows AllowLocalFirewallRules")
        }
        (_, Some(name)) => lan::for_these_networks(view, &name),
        (_, None) if view.is_open_to_the_bridge() => {
            Finding::good("the Hyper-V firewall lets Windows through")
        }
        (_, None) => Finding::not_looked("can be tested only if the route is correct and eth0 answers"),
    }
}

/// The name of the required rule in Windows Firewall.
pub(super) fn lan_rule(view: &View) -> String {
    format!("{}{}", PREFIXES[0], view.ports())
}

/// The name of the required rule in the Hyper-V firewall. In nat mode it is required only if that firewall blocks. This is not
/// documented, so it is probed: eth0 answers, and the bridge behind it does not.
fn hyperv_rule(view: &View) -> Option<String> {
    let blocks = view.observed.hyperv.as_ref().is_some_and(blocks);
    match view.mode {
        NetworkingMode::Mirrored if blocks => Some(lan_rule(view)),
        NetworkingMode::Nat if blocks && is_behind_eth0(view) => Some(subnet_rule(view)),
        _ => None,
    }
}

fn subnet_rule(view: &View) -> String {
    format!("{}{}", PREFIXES[1], view.observed.settings.subnet)
}

/// Whether the path stops between eth0 and the bridge although the bridge is up and the route is correct.
fn is_behind_eth0(view: &View) -> bool {
    let probes = &view.observed.probes;
    let ends = probes.eth0 == Some(true) && probes.bridge == Some(false) && probes.container != Some(true);
    ends && !view.facts.bridge_link.is_empty() && route::look(view).level == Level::Good
}

fn blocks(setting: &HypervSetting) -> bool {
    setting.error.is_none() && setting.enabled != "False" && setting.default_inbound != "Allow"
}

/// The program of the rule in Windows Firewall. In mirrored mode it is any, because the gateway runs in WSL2.
pub(super) fn program<'a>(view: &View<'a>) -> &'a str {
    if view.mode == NetworkingMode::Mirrored { ANY } else { &view.observed.settings.openresty }
}

/// Whether a rule of this name exists, and every rule of this name is as Flatnet adds it.
pub(super) fn is_there(rules: &[Rule], name: &str, program: &str) -> bool {
    let mut named = rules.iter().filter(|rule| rule.name == name).peekable();
    let is_right = |rule: &Rule| {
        let is_for = is_for(rule, "Private") && is_for(rule, "Domain");
        rule.enabled == "True"
            && rule.action == "Allow"
            && is_for
            && rule.program.eq_ignore_ascii_case(program)
    };
    named.peek().is_some() && named.all(is_right)
}

/// Whether a rule applies to networks of this category.
pub(super) fn is_for(rule: &Rule, kind: &str) -> bool {
    ["", ANY].contains(&rule.profiles.as_str()) || rule.profiles.contains(kind)
}

/// Leaves one rule, the desired one. Removing a name removes all rules with that name.
fn reconcile(
    rules: &[Rule],
    desired: Option<String>,
    program: &str,
    add: Action,
    remove: impl Fn(String) -> Action,
) -> Vec<Planned> {
    let is_desired = |name: &str| desired.as_deref() == Some(name);
    let mut outdated: Vec<&str> = rules
        .iter()
        .map(|rule| rule.name.as_str())
        .filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !is_desired(name) || !is_there(rules, name, program))
        .collect();
    outdated.sort_unstable();
    outdated.dedup();
    let why_not = "it is outdated or was changed";
    let mut planned: Vec<Planned> =
        outdated.iter().map(|name| Planned::new(remove((*name).to_owned()), why_not)).collect();
    if desired.is_some_and(|name| !is_there(rules, &name, program)) {
        planned.push(Planned::new(add, "without it the gateway's packets are dropped"));
    }
    planned
}
