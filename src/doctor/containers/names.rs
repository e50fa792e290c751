//! Names of containers: the resolver, its file, and names that containers take from one another.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::name_servers::named;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe;
use crate::kernel::observe::aardvark::{AardvarkFiles, AardvarkNetwork, NETAVARK};
use crate::model::command::Command;
use crate::model::types::{ContainerId, HostName};
use crate::state::receipt::Receipt;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "names",
    group: Group::Containers,
    looks_at: "the resolver's answer at the bridge's address, the names that it knows, and aliases that are another container's name",
    shows: "a container finds no other by name, or finds the wrong one",
    needs: Needs::Attachments,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if !context.engine.config.names.enabled {
        return Ok(vec![Finding::not_applicable("`names.enabled` is false")]);
    }
    if let Err(why) = context.plan_of_set_up_host() {
        return Ok(vec![Finding::not_applicable(why)]);
    }
    let mut found = Vec::new();
    if !context.engine.names_are_current()? {
        let finding = Finding::failure("the resolver's file of names does not match the attached containers");
        found.push(finding.fixed_by_flatnet(context, &["repair"])?);
    }
    let listen = context.engine.config.bridge_address();
    if context.engine.resolver_answers() {
        let zone = &context.engine.config.names.zone;
        found.push(Finding::good(format!("the resolver answers at {listen} for {zone}")));
    } else {
        found.push(away(context)?);
    }
    let hosts = context.engine.names()?.files.into_iter().next().map(|file| file.hosts).unwrap_or_default();
    let receipts: Vec<&Receipt> = context.receipts_of_running().collect();
    found.extend(claims(&receipts));
    found.extend(hidden(&hosts, &receipts));
    found.extend(other_networks(AardvarkFiles::open(Path::new(NETAVARK)).networks(), &receipts, listen));
    Ok(found)
}

/// Warnings about Podman's own networks that containers share with this one. A container may ask such a network's resolver
/// first, which must forward to Flatnet's.
fn other_networks(networks: &[AardvarkNetwork], receipts: &[&Receipt], listen: Ipv4Addr) -> Vec<Finding> {
    let warning = |network: &AardvarkNetwork| {
        let knows = |servers: &[IpAddr]| servers.contains(&IpAddr::V4(listen));
        let shared = network.containers.iter().filter(|container| !knows(&container.servers));
        let of_both =
            |id: &ContainerId| receipts.iter().find(|receipt| receipt.id.container_id == *id).copied();
        let shared: Vec<&Receipt> = shared.filter_map(|container| of_both(&container.id)).collect();
        let name = &network.name;
        (!shared.is_empty() && !knows(&network.servers)).then(|| {
            let what = format!(
                "{}: also on Podman's network {name}, whose resolver may be asked first and does not know Flatnet's names",
                named(&shared)
            );
            Finding::warning(what).commands([format!("podman network update {name} --dns-add {listen}")])
        })
    };
    networks.iter().filter_map(warning).collect()
}

/// Why the resolver does not answer.
fn away(context: &mut Context) -> Result<Finding> {
    let bridge = context.engine.config.bridge.clone();
    let listen = context.engine.config.bridge_address();
    let what = format!("the resolver does not answer at {listen}");
    if let Some(holder) = port_holder(context)? {
        return Ok(Finding::failure(format!("{what}: port 53 is taken by {holder}")).help(format!(
            "Let it listen at its own addresses only, not at all of this host's, then run `flatnet up`. dnsmasq: \
             `bind-dynamic` and `except-interface={bridge}`; unbound: `interface: 127.0.0.1`"
        )));
    }
    if observe::systemd_runs() {
        return Ok(Finding::failure(what)
            .commands(["systemctl enable --now flatnet-dns.service"])
            .help("If it does not stay active, see `journalctl -u flatnet-dns.service`"));
    }
    Finding::failure(what)
        .help("If it does not stay, run `flatnet dns` in a terminal and read what it says")
        .fixed_by_flatnet(context, &["up"])
}

/// The program that holds the resolver's port, unless it is Flatnet.
fn port_holder(context: &mut Context) -> Result<Option<String>> {
    let listing = context.stdout(&Command::new(["ss", "-Hlunp", "sport = :53"]))?;
    let bridge = context.engine.config.bridge_address();
    Ok(holder(&listing, &bridge.to_string()))
}

/// The program in the output of `ss -Hlunp`, `name (process 12)`, that listens at `address` or at all addresses.
fn holder(listing: &str, address: &str) -> Option<String> {
    listing.lines().find_map(|line| {
        let at = line.split_whitespace().nth(3)?.strip_suffix(":53")?;
        let (_, users) = line.split_once("users:((\"")?;
        let (program, rest) = users.split_once('"')?;
        let pid: u32 = rest.strip_prefix(",pid=")?.split(',').next()?.parse().ok()?;
        let is_there = ["0.0.0.0", "*", "[::]", address].contains(&at);
        (is_there && program != "flatnet").then(|| format!("{program} (process {pid})"))
    })
}

/// Warnings about containers that are called like a name which is no container's.
fn hidden(hosts: &[(HostName, Ipv4Addr)], receipts: &[&Receipt]) -> Vec<Finding> {
    let holder = |host: &str| {
        let is_it = |name: &String| name.eq_ignore_ascii_case(host);
        receipts.iter().find(|receipt| is_it(&receipt.name) || receipt.aliases.iter().any(is_it))
    };
    let warning = |(host, address): &(HostName, Ipv4Addr)| {
        let label = holder(host.as_str())?.label();
        let what = format!(
            "{host} is a name of container {label}, and of {address}: a question for it gets the container's address"
        );
        Some(
            Finding::warning(what)
                .help("If this is not intended, create the container again with another name or alias"),
        )
    };
    hosts.iter().filter_map(warning).collect()
}

/// Warnings about aliases that are another container's name.
fn claims(receipts: &[&Receipt]) -> Vec<Finding> {
    let mut owners: BTreeMap<String, &Receipt> = BTreeMap::new();
    for receipt in receipts.iter().filter(|receipt| !receipt.name.is_empty()) {
        owners.insert(receipt.name.to_ascii_lowercase(), receipt);
    }
    let mut found = Vec::new();
    for claimer in receipts {
        for alias in &claimer.aliases {
            let owner = owners.get(&alias.to_ascii_lowercase());
            let Some(owner) = owner.filter(|owner| owner.id.container_id != claimer.id.container_id) else {
                continue;
            };
            let (owner, claimer) = (owner.label(), claimer.label());
            let what = format!(
                "{alias} is the name of container {owner} and an alias of {claimer}: a question for it gets both addresses"
            );
            let help = "If this is not intended, create one of them again with another name or alias";
            found.push(Finding::warning(what).help(help));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_at_port_53_is_named_unless_it_is_elsewhere() {
        let line = |at: &str, program: &str| {
            format!("UNCONN 0      0      {at}:53    0.0.0.0:*    users:((\"{program}\",pid=17,fd=4))\n")
        };
        let all = line("127.0.0.53%lo", "systemd-resolve") + &line("10.87.1.1", "flatnet");
        assert_eq!(holder(&all, "10.87.1.1"), None);
        for at in ["0.0.0.0", "10.87.1.1", "*"] {
            let found = holder(&(all.clone() + &line(at, "dnsmasq")), "10.87.1.1");
            assert_eq!(found.as_deref(), Some("dnsmasq (process 17)"), "{at}");
        }
    }
}
