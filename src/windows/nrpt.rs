//! Flatnet's rule in Windows' Name Resolution Policy Table (NRPT): the resolver in WSL2 answers the names of containers.
//!
//! The gateway does not depend on it, so what is wrong here is a warning.

use std::net::Ipv4Addr;

use super::action::{Action, Planned};
use super::observed::NameRule;
use super::view::{NetworkingMode, View};
use crate::doctor::Finding;

/// Adds the rule, and removes outdated ones. None is added beside a rule of another program for the same names.
pub(super) fn up(view: &View) -> Vec<Planned> {
    let desired = desired(view);
    let is_right = |rule: &&NameRule| desired.is_some_and(|server| is_right(view, rule, server));
    let kept = own(view).find(is_right);
    let mut planned: Vec<Planned> = own(view)
        .filter(|rule| kept.is_none_or(|kept| kept.name != rule.name))
        .map(|rule| {
            let action = Action::RemoveNameRule { name: rule.name.clone() };
            Planned::new(action, "it is outdated or not needed any more")
        })
        .collect();
    let can_add = view.observed.nrpt.as_ref().is_some_and(|nrpt| nrpt.error.is_none());
    if let Some(server) = desired.filter(|_| can_add && kept.is_none() && foreign(view).next().is_none()) {
        let why = "Windows asks the resolver in WSL2 for the names of containers";
        planned.push(Planned::new(Action::AddNameRule { server }, why));
    }
    planned
}

/// Checks the rule, and whether Windows resolves names by it.
pub(super) fn look(view: &View) -> Finding {
    let (zone, file) = (&view.observed.settings.zone, &view.observed.settings.file);
    let Some(nrpt) = &view.observed.nrpt else {
        return Finding::not_looked("this Windows has no commands for rules of names");
    };
    if let Some(error) = &nrpt.error {
        return Finding::not_looked(format!("the rules of names cannot be read: {error}"));
    }
    let theirs = view.facts.zone.as_ref().filter(|_| view.mode == NetworkingMode::Nat && !zone.is_empty());
    if let Some(theirs) = theirs.filter(|theirs| !is_same(theirs.as_str(), zone)) {
        return Finding::warning(format!("{file} has the zone {zone}, but WSL2 has {theirs}")).help(format!(
            "Write the same zone to {file} (Zone) and to flatnet.yaml in WSL2 (names.zone), then run `up`"
        ));
    }
    match (desired(view), own(view).next()) {
        (Some(_), _) => judge(view),
        (None, Some(rule)) => {
            let what = format!("the rule for {} is not needed any more", rule.namespaces.join(", "));
            Finding::warning(what).commands([view.script("up")])
        }
        (None, None) if view.mode != NetworkingMode::Nat => {
            Finding::not_applicable("Windows reaches the resolver only in mode nat")
        }
        (None, None) if zone.is_empty() => {
            Finding::not_applicable(format!("{file} has no zone: Windows does not resolve containers' names"))
        }
        (None, None) => Finding::not_applicable("names of containers are turned off in WSL2 (names.enabled)"),
    }
}

fn judge(view: &View) -> Finding {
    let (zone, bridge) = (&view.observed.settings.zone, view.facts.bridge);
    if let Some(rule) = foreign(view).next() {
        let servers = rule.servers.join(", ");
        return Finding::warning(format!("another program's rule sends questions for .{zone} to {servers}"))
            .commands(["Get-DnsClientNrptRule"])
            .help("Remove that rule with its program, or choose another names.zone in flatnet.yaml in WSL2");
    }
    if !own(view).any(|rule| is_right(view, rule, bridge)) {
        let what =
            format!("Windows does not ask {bridge} for names in .{zone}: the rule is missing or outdated");
        return Finding::warning(what).commands([view.script("up")]);
    }
    if view.observed.probes.resolver != Some(true) {
        return Finding::warning(format!("the resolver does not answer at {bridge}, port 53"))
            .commands([view.in_wsl("flatnet doctor")]);
    }
    match view.observed.probes.zone.as_ref().map(|probe| probe.address) {
        Some(Some(address)) if view.facts.subnet.contains(&address) => {
            Finding::good(format!("{bridge} answers for .{zone}"))
        }
        Some(Some(address)) => Finding::warning(format!("host.{zone} resolves to {address}, which is not in WSL2")),
        _ => Finding::warning(format!("host.{zone} does not resolve, although the rule exists and the resolver answers"))
            .commands(["Get-DnsClientNrptPolicy -Effective"])
            .help("Rules of a group policy replace this PC's own: add the zone there. Without them, restart Windows"),
    }
}

/// Flatnet's rules.
pub(super) fn own<'a>(view: &View<'a>) -> impl Iterator<Item = &'a NameRule> + use<'a> {
    rules(view).filter(|rule| rule.own)
}

/// Other rules for the zone.
fn foreign<'a>(view: &View<'a>) -> impl Iterator<Item = &'a NameRule> + use<'a> {
    let zone = &view.observed.settings.zone;
    let is_for_zone =
        |name: &String| !zone.is_empty() && is_same(name.strip_prefix('.').unwrap_or(name), zone);
    rules(view).filter(move |rule| !rule.own && rule.namespaces.iter().any(is_for_zone))
}

fn rules<'a>(view: &View<'a>) -> impl Iterator<Item = &'a NameRule> + use<'a> {
    view.observed.nrpt.iter().flat_map(|nrpt| &nrpt.rules)
}

/// The server of the desired rule.
fn desired(view: &View) -> Option<Ipv4Addr> {
    let zone = &view.observed.settings.zone;
    let is_agreed = view.facts.zone.as_ref().is_some_and(|theirs| is_same(theirs.as_str(), zone));
    (view.mode == NetworkingMode::Nat && is_agreed).then_some(view.facts.bridge)
}

fn is_right(view: &View, rule: &NameRule, server: Ipv4Addr) -> bool {
    let zone = &view.observed.settings.zone;
    let [namespace] = &rule.namespaces[..] else { return false };
    namespace.strip_prefix('.').is_some_and(|name| is_same(name, zone))
        && rule.servers == [server.to_string()]
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
