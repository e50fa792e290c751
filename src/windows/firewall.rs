//! Windows' two firewalls: its own, and the one around WSL2.

use super::action::{Action, Planned};
use super::route;
use super::seen::{HypervSetting, Rule};
use super::view::{Mode, View};
use crate::doctor::{Finding, Level};

/// Of all rules that are ours, in both firewalls.
const PREFIX: &str = "Flatnet ";
/// Why a rule goes.
const OUTDATED: &str = "it is not for what there is now";
const OURS: &str = "it is Flatnet's";

/// What lets in whom the gateway is for, and takes back what let in others.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let mut planned = reconcile(&view.seen.lan_rules, lan_rule(view), OUTDATED, lan_add, lan_remove);
    let hyperv = hyperv_rule(view);
    // What an earlier probe found is not forgotten because the rule that it led to works.
    let keep = Some(subnet_rule(view))
        .filter(|rule| view.mode == Mode::Nat && is_there(&view.seen.hyperv_rules, rule));
    let add: fn(String) -> Action = match view.mode {
        Mode::Mirrored => |name| Action::AddPortsRule { name },
        _ => |name| Action::AddSubnetRule { name },
    };
    planned.extend(reconcile(&view.seen.hyperv_rules, hyperv.or(keep), OUTDATED, add, hyperv_remove));
    planned
}

/// What takes all our rules away.
pub(super) fn down(view: &View) -> Vec<Planned> {
    let mut planned = reconcile(&view.seen.lan_rules, None, OURS, lan_add, lan_remove);
    planned.extend(reconcile(&view.seen.hyperv_rules, None, OURS, lan_add, hyperv_remove));
    planned
}

/// Whether the LAN may come in to the gateway on Windows.
pub(super) fn look_lan(view: &View) -> Finding {
    let Some(name) = lan_rule(view) else {
        return Finding::not_applicable("the gateway does not run on Windows");
    };
    if !is_there(&view.seen.lan_rules, &name) {
        return Finding::failure(format!("there is no firewall rule \"{name}\" that is enabled"))
            .commands(["flatnet.ps1 up"]);
    }
    for_private_networks(view, &name)
}

/// The rule is there: whether it is for the networks that there are.
fn for_private_networks(view: &View, name: &str) -> Finding {
    // The link to WSL2 can be listed as a network without a name, which is public.
    let public: Vec<&str> = view
        .seen
        .networks
        .iter()
        .filter(|network| network.category == "Public" && !view.is_wsl(network.interface))
        .map(|network| network.name.as_str())
        .collect();
    if !public.is_empty() {
        return Finding::warning(format!(
            "{} is marked Public, and the rule is for private and domain networks",
            public.join(", ")
        ))
        .help("Where that is your LAN: Settings, Network, its properties, Private network");
    }
    Finding::good(format!("\"{name}\", for private and domain networks"))
}

/// Whether the Hyper-V firewall lets in whom it must.
pub(super) fn look_hyperv(view: &View) -> Finding {
    let Some(setting) = &view.seen.hyperv else {
        return Finding::not_applicable("this Windows has no Hyper-V firewall");
    };
    if !blocks(setting) {
        return Finding::good("the Hyper-V firewall lets in by default, or is off");
    }
    let rules = &view.seen.hyperv_rules;
    match (&view.mode, hyperv_rule(view)) {
        (_, Some(name)) if !is_there(rules, &name) => {
            Finding::failure(format!("the Hyper-V firewall blocks by default, and there is no rule \"{name}\""))
                .commands(["flatnet.ps1 up"])
        }
        (Mode::Nat, Some(name)) => {
            Finding::failure(format!("there is the rule \"{name}\", and the bridge does not answer all the same"))
                .help("If `flatnet doctor` in WSL2 finds nothing, a policy may void local rules: Get-NetFirewallHyperVProfile -PolicyStore ActiveStore shows AllowLocalFirewallRules")
        }
        (_, Some(name)) => for_private_networks(view, &name),
        (_, None) if view.seen.probes.bridge == Some(true) => {
            Finding::good("Windows gets through the Hyper-V firewall")
        }
        (_, None) => Finding::not_looked("it shows only when the route is right and eth0 answers"),
    }
}

/// The rule of Windows' own firewall that there must be.
fn lan_rule(view: &View) -> Option<String> {
    (view.mode != Mode::Mirrored).then(|| format!("{PREFIX}gateway {}", view.ports()))
}

/// The rule of the Hyper-V firewall that there must be. In nat mode only where it is in the way, which is not
/// documented and so probed: eth0 answers, the bridge behind it does not.
fn hyperv_rule(view: &View) -> Option<String> {
    let blocks = view.seen.hyperv.as_ref().is_some_and(blocks);
    match view.mode {
        Mode::Mirrored if blocks => Some(format!("{PREFIX}gateway {}", view.ports())),
        Mode::Nat if blocks && is_behind_eth0(view) => Some(subnet_rule(view)),
        _ => None,
    }
}

fn subnet_rule(view: &View) -> String {
    format!("{PREFIX}subnet {}", view.seen.settings.subnet)
}

/// Whether the way ends between eth0 and the bridge, though the bridge is up and the route is right.
fn is_behind_eth0(view: &View) -> bool {
    let probes = &view.seen.probes;
    let ends = probes.eth0 == Some(true) && probes.bridge == Some(false);
    ends && !view.facts.bridge_link.is_empty() && route::look(view).level == Level::Good
}

fn blocks(setting: &HypervSetting) -> bool {
    setting.enabled != "False" && setting.default_inbound != "Allow"
}

fn is_there(rules: &[Rule], name: &str) -> bool {
    rules.iter().any(|rule| rule.name == name && rule.enabled == "True")
}

/// One rule of the wanted name, enabled, and no other of ours.
fn reconcile(
    rules: &[Rule],
    wanted: Option<String>,
    why_not: &str,
    add: fn(String) -> Action,
    remove: fn(String) -> Action,
) -> Vec<Planned> {
    let is_right = |rule: &Rule| wanted.as_ref() == Some(&rule.name) && rule.enabled == "True";
    let mut planned: Vec<Planned> = rules
        .iter()
        .filter(|rule| rule.name.starts_with(PREFIX) && !is_right(rule))
        .map(|rule| Planned::new(remove(rule.name.clone()), why_not))
        .collect();
    if let Some(name) = wanted.filter(|name| !is_there(rules, name)) {
        planned.push(Planned::new(add(name), "else the gateway's packets are dropped"));
    }
    planned
}

fn lan_add(name: String) -> Action {
    Action::AddLanRule { name }
}

fn lan_remove(name: String) -> Action {
    Action::RemoveLanRule { name }
}

fn hyperv_remove(name: String) -> Action {
    Action::RemoveHypervRule { name }
}
