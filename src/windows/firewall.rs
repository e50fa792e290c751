//! Windows' two firewalls: its own, and the one around WSL2. What they must let in, and which rules do that.

use super::action::{Action, Planned};
use super::lan;
use super::observed::{HypervSetting, Rule};
use super::route;
use super::view::{Mode, View};
use crate::doctor::{Finding, Level};

/// Windows' word for all programs, and for all kinds of networks.
pub(super) const ANY: &str = "Any";
/// Of all rules that are ours, in both firewalls.
const PREFIXES: [&str; 2] = ["Flatnet gateway ", "Flatnet subnet "];

/// What lets in whom the gateway is for, and takes back what let in others.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let is_mirrored = view.mode == Mode::Mirrored;
    let add_lan = if is_mirrored { Action::AddSharedRule } else { Action::AddLanRule };
    let remove_lan = |name| Action::RemoveLanRule { name };
    let mut planned =
        reconcile(&view.seen.lan_rules, Some(lan_rule(view)), program(view), add_lan, remove_lan);
    // What an earlier probe found is not forgotten because the rule that it led to works.
    let keep = Some(subnet_rule(view))
        .filter(|rule| view.mode == Mode::Nat && is_there(&view.seen.hyperv_rules, rule, ANY));
    let add = if is_mirrored { Action::AddPortsRule } else { Action::AddSubnetRule };
    let remove = |name| Action::RemoveHypervRule { name };
    planned.extend(reconcile(&view.seen.hyperv_rules, hyperv_rule(view).or(keep), ANY, add, remove));
    planned
}

/// Whether the Hyper-V firewall lets in whom it must.
pub(super) fn look_hyperv(view: &View) -> Finding {
    let Some(setting) = &view.seen.hyperv else {
        return Finding::not_applicable("this Windows has no Hyper-V firewall");
    };
    if let Some(error) = &setting.error {
        return Finding::not_looked(format!("the Hyper-V firewall cannot be looked at: {error}"));
    }
    if !blocks(setting) {
        return Finding::good("the Hyper-V firewall lets in by default, or is off");
    }
    let rules = &view.seen.hyperv_rules;
    match (&view.mode, hyperv_rule(view)) {
        (_, Some(name)) if !is_there(rules, &name, ANY) => {
            Finding::failure(format!("the Hyper-V firewall blocks by default, and there is no rule \"{name}\""))
                .commands([view.script("up")])
        }
        (Mode::Nat, Some(name)) => {
            Finding::failure(format!("there is the rule \"{name}\", and the bridge does not answer all the same"))
                .commands([view.in_wsl("flatnet doctor"), "Get-NetFirewallHyperVProfile -PolicyStore ActiveStore".to_owned()])
                .help("If the doctor finds nothing, a policy may void local rules: the second command shows AllowLocalFirewallRules")
        }
        (_, Some(name)) => lan::for_these_networks(view, &name),
        (_, None) if view.is_open_to_the_bridge() => {
            Finding::good("Windows gets through the Hyper-V firewall")
        }
        (_, None) => Finding::not_looked("it shows only when the route is right and eth0 answers"),
    }
}

/// The rule of Windows' own firewall that there must be.
pub(super) fn lan_rule(view: &View) -> String {
    format!("{}{}", PREFIXES[0], view.ports())
}

/// The rule of the Hyper-V firewall that there must be. In nat mode only where it is in the way, which is not
/// documented and so probed: eth0 answers, the bridge behind it does not.
fn hyperv_rule(view: &View) -> Option<String> {
    let blocks = view.seen.hyperv.as_ref().is_some_and(blocks);
    match view.mode {
        Mode::Mirrored if blocks => Some(lan_rule(view)),
        Mode::Nat if blocks && is_behind_eth0(view) => Some(subnet_rule(view)),
        _ => None,
    }
}

fn subnet_rule(view: &View) -> String {
    format!("{}{}", PREFIXES[1], view.seen.settings.subnet)
}

/// Whether the way ends between eth0 and the bridge, though the bridge is up and the route is right.
fn is_behind_eth0(view: &View) -> bool {
    let probes = &view.seen.probes;
    let ends = probes.eth0 == Some(true) && probes.bridge == Some(false) && probes.container != Some(true);
    ends && !view.facts.bridge_link.is_empty() && route::look(view).level == Level::Good
}

fn blocks(setting: &HypervSetting) -> bool {
    setting.error.is_none() && setting.enabled != "False" && setting.default_inbound != "Allow"
}

/// For which program Windows' own rule must be. In mirrored mode it is one of WSL2's.
pub(super) fn program<'a>(view: &View<'a>) -> &'a str {
    if view.mode == Mode::Mirrored { ANY } else { &view.seen.settings.openresty }
}

/// Whether a rule of this name does what ours does, and none of this name does anything else.
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

/// Whether a rule is for networks of this kind.
pub(super) fn is_for(rule: &Rule, kind: &str) -> bool {
    ["", ANY].contains(&rule.profiles.as_str()) || rule.profiles.contains(kind)
}

/// The wanted name once, and no other of ours. A name is removed once, with all rules that bear it.
fn reconcile(
    rules: &[Rule],
    wanted: Option<String>,
    program: &str,
    add: Action,
    remove: impl Fn(String) -> Action,
) -> Vec<Planned> {
    let is_wanted = |name: &str| wanted.as_deref() == Some(name);
    let mut outdated: Vec<&str> = rules
        .iter()
        .map(|rule| rule.name.as_str())
        .filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| !is_wanted(name) || !is_there(rules, name, program))
        .collect();
    outdated.sort_unstable();
    outdated.dedup();
    let why_not = "it is not for what there is now, or was changed";
    let mut planned: Vec<Planned> =
        outdated.iter().map(|name| Planned::new(remove((*name).to_owned()), why_not)).collect();
    if wanted.is_some_and(|name| !is_there(rules, &name, program)) {
        planned.push(Planned::new(add, "else the gateway's packets are dropped"));
    }
    planned
}
