//! The observed state of one attachment.

use std::collections::{BTreeMap, BTreeSet};

use super::link::{self, Link};
use super::route::{self, Route};
use super::rule::{self, Rule};
use super::{netns, ruleset};
use crate::error::{Error, Kind, Result};
use crate::kernel::execute::Executor;
use crate::kernel::host::Host;
use crate::kernel::render;
use crate::model::command::Command;
use crate::model::desired::AttachmentState;
use crate::model::plan::{Element, Place};
use crate::model::types::{IfName, SysctlKey, TableName};

/// The observed state of one attachment; by default nothing exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedAttachment {
    /// The host's end.
    pub host_link: Option<Link>,
    /// Static MACs of the bridge at the host's end.
    pub fdb: Vec<String>,
    /// Whether the kernel assigns it a link-local IPv6 address.
    pub ipv6_address: bool,
    /// This host's routes over it.
    pub host_routes: Vec<Route>,
    /// Whether this host may use 127.0.0.1 on it, if that is desired.
    pub route_localnet: Option<u32>,
    /// Whether this host forwards packets from it or, if it does not exist yet, from new links.
    pub forwarding: Option<u32>,
    /// The container's end.
    pub container_link: Option<Link>,
    /// The container's routes, of all tables.
    pub routes: Vec<Route>,
    /// Its rules for routing tables by source address.
    pub rules: Vec<Rule>,
    /// The elements of all containers.
    pub elements: BTreeSet<Element>,
}

/// The state of a container that was never attached.
#[must_use]
pub fn nothing() -> ObservedAttachment {
    ObservedAttachment { forwarding: forwards(&SysctlKey::default_forwarding()), ..Default::default() }
}

/// Observes what `desired` names; `elements` are those of the tables. What does not exist is absent, not an error.
pub fn observe(
    desired: &AttachmentState,
    elements: BTreeSet<Element>,
    host: &mut Host,
) -> Result<ObservedAttachment> {
    let container = Place::Netns(desired.netns.clone());
    let mut routes = routes(&container, &["-4", "route", "show", "table", "all"], host)?;
    let mut own_rules =
        if desired.own_table { rules(&container, &["rule", "show"], host)? } else { Vec::new() };
    let has_ipv6 = desired.addresses.ipv6().is_some();
    if has_ipv6 {
        routes.extend(self::routes(&container, &["-6", "route", "show", "table", "all"], host)?);
        if desired.own_table && desired.own_table6 {
            own_rules.extend(rules(&container, &["-6", "rule", "show"], host)?);
        }
    }
    let dev = desired.host_link.as_str();
    let host_link = link(&Place::Host, dev, host)?;
    let is_there = host_link.is_some();
    let mut host_routes = Vec::new();
    for family in ["-4", "-6"].into_iter().take(if has_ipv6 { 2 } else { 1 }).filter(|_| is_there) {
        host_routes.extend(self::routes(&Place::Host, &[family, "route", "show", "dev", dev], host)?);
    }
    Ok(ObservedAttachment {
        fdb: if is_there && desired.mode.is_bridged() { fdb(dev, host)? } else { Vec::new() },
        host_routes,
        ipv6_address: gets_ipv6_address(&desired.host_link),
        route_localnet: desired.route_localnet().and_then(|key| super::sysctl(&key)),
        forwarding: forwards(&if is_there { desired.forwarding() } else { SysctlKey::default_forwarding() }),
        host_link,
        container_link: link(&container, desired.id.if_name.as_str(), host)?,
        routes,
        rules: own_rules,
        elements,
    })
}

/// Whether this host forwards packets from a link. If it does not forward at all, enabling that is a step of
/// its own, by which the kernel changes every link.
fn forwards(key: &SysctlKey) -> Option<u32> {
    let at_all = super::sysctl(&SysctlKey::ip_forward()) == Some(1);
    at_all.then(|| super::sysctl(key)).flatten()
}

/// Whether the kernel assigns the link a link-local IPv6 address (`addrgenmode`), which `ip addr` does not
/// print. A kernel without IPv6 lacks this setting.
fn gets_ipv6_address(dev: &IfName) -> bool {
    const NONE: u32 = 1;
    super::sysctl(&SysctlKey::ipv6_conf(dev, "addr_gen_mode")).is_some_and(|mode| mode != NONE)
}

/// The routes that `ip route show` prints with these arguments.
pub(super) fn routes(place: &Place, words: &[&str], host: &mut Host) -> Result<Vec<Route>> {
    let json = ip_show(place, words, host)?;
    let parse = if words.first() == Some(&"-6") { route::parse6 } else { route::parse };
    json.as_deref().map_or(Ok(Vec::new()), parse).map_err(|cause| bad_json("ip route", &cause))
}

/// The rules that `ip rule show` prints.
fn rules(place: &Place, words: &[&str], host: &mut Host) -> Result<Vec<Rule>> {
    let json = ip_show(place, words, host)?;
    json.as_deref().map_or(Ok(Vec::new()), rule::parse).map_err(|cause| bad_json("ip rule", &cause))
}

/// The elements of containers with their comments; empty if there are no tables.
pub fn elements(name: &TableName, host: &mut Host) -> Result<BTreeMap<Element, String>> {
    let mut found = ruleset::Ruleset::default();
    for family in ["inet", "arp"] {
        if let Some(part) = table(family, name.as_str(), host)? {
            found.extend(part);
        }
    }
    Ok(found.elements)
}

/// One link with its addresses; `None` if it does not exist, or this user may not see it. Any other failure is
/// an error, since it proves nothing.
pub fn link(place: &Place, name: &str, host: &mut Host) -> Result<Option<Link>> {
    let Some(json) = ip_show(place, &["-d", "addr", "show", "dev", name], host)? else {
        return Ok(None);
    };
    let links = link::parse(&json).map_err(|cause| bad_json("ip addr", &cause))?;
    let other =
        || Error::new(Kind::ToolOutput, format!("`ip addr show dev {name}` printed unexpected output"));
    links.into_iter().find(|link| link.name == name).map(Some).ok_or_else(other)
}

/// The contents of one table; `None` if it does not exist, or this user may not see it. Any other failure is an
/// error: a ruleset that `nft` cannot read is not absent, and must not be replaced.
pub(super) fn table(family: &str, name: &str, host: &mut Host) -> Result<Option<ruleset::Ruleset>> {
    let Some(json) = table_json(&["-j"], family, name, host)? else { return Ok(None) };
    ruleset::parse(&json).map(Some).map_err(|cause| bad_json("nft", &cause))
}

/// The same as text, with nft's `options`.
pub(super) fn table_json(
    options: &[&str],
    family: &str,
    name: &str,
    host: &mut Host,
) -> Result<Option<String>> {
    let nft = host.tools.nft.clone();
    let words = [&[nft.as_str()], options, &["list", "table", family, name]].concat();
    let command = Command::new(words);
    let output = host.run(&command, &[])?;
    if output.complains(ABSENT)
        || output.complains(MAY_NOT)
        || (family == "arp" && output.complains(NO_FAMILY))
    {
        return Ok(None);
    }
    Ok(Some(output.checked(&command)?.stdout))
}

/// The static MACs at the port `name` (`bridge -j fdb show brport`).
fn fdb(name: &str, host: &mut Host) -> Result<Vec<String>> {
    #[derive(serde::Deserialize)]
    struct Entry {
        mac: String,
        #[serde(default)]
        state: String,
    }
    let command = Command::new([host.tools.bridge.as_str(), "-j", "fdb", "show", "brport", name]);
    let output = host.run(&command, &[])?.checked(&command)?;
    let entries: Vec<Entry> =
        serde_json::from_str(&output.stdout).map_err(|cause| bad_json("bridge fdb", &cause))?;
    Ok(entries.into_iter().filter(|entry| entry.state == "static").map(|entry| entry.mac).collect())
}

/// nft's error for a missing table.
pub(super) const ABSENT: &str = "No such file or directory";
/// nft's error for a family that the kernel lacks, and which so has no tables.
pub(super) const NO_FAMILY: &str = "Operation not supported";
/// The error of programs without the necessary privileges.
const MAY_NOT: &str = "Operation not permitted";

/// The output of `ip -j`; `None` if the link or the namespace does not exist, or this user may not see it.
pub(super) fn ip_show(place: &Place, words: &[&str], host: &mut Host) -> Result<Option<String>> {
    let mut command = render::ip(place, &host.tools);
    command.argv.push("-j".to_owned());
    command.argv.extend(words.iter().map(|&word| word.to_owned()));
    let output = host.run(&command, &[])?;
    let no_link = output.complains("does not exist") || output.complains("Cannot find device");
    if no_link || output.complains(MAY_NOT) {
        return Ok(None);
    }
    // If the namespace is gone, the errors of `ip`, or of the `nsenter` before it, differ by the way it is gone.
    match (output.checked(&command), place) {
        (Err(_), Place::Netns(path)) if netns::id_at(path)?.is_none() => Ok(None),
        (output, _) => Ok(Some(output?.stdout)),
    }
}

pub(crate) fn bad_json(program: &str, cause: &serde_json::Error) -> Error {
    Error::new(Kind::ToolOutput, format!("`{program}` printed unexpected output"))
        .source(crate::error::parser_says(cause))
}
