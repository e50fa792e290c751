//! What is there of one attachment.

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

/// What is there of one attachment; by default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedAttachment {
    /// The host's end.
    pub host_link: Option<Link>,
    /// MACs that the bridge has been told to be at the host's end.
    pub fdb: Vec<String>,
    /// Whether the kernel gives it an IPv6 address by itself.
    pub ipv6_address: bool,
    /// This host's routes over it.
    pub host_routes: Vec<Route>,
    /// Whether this host may use 127.0.0.1 over it, where that is asked for.
    pub route_localnet: Option<u32>,
    /// Whether this host forwards what comes in by it; where there is no link yet, by one that is made.
    pub forwarding: Option<u32>,
    /// The container's end.
    pub container_link: Option<Link>,
    /// The container's routes, of all tables.
    pub routes: Vec<Route>,
    /// Which of them is asked first for what bears an address.
    pub rules: Vec<Rule>,
    /// What the tables hold, of any container.
    pub elements: BTreeSet<Element>,
}

/// What there is of a container that was never attached.
#[must_use]
pub fn nothing() -> ObservedAttachment {
    ObservedAttachment { forwarding: forwards(&SysctlKey::default_forwarding()), ..Default::default() }
}

/// Looks at what `desired` names; `elements` is what the tables hold. What is not there is absent, not
/// an error.
pub fn observe(
    desired: &AttachmentState,
    elements: BTreeSet<Element>,
    host: &mut Host,
) -> Result<ObservedAttachment> {
    let container = Place::Netns(desired.netns.clone());
    let routes = routes(&container, &["-4", "route", "show", "table", "all"], host)?;
    let rules = if desired.own_table { rules(&container, host)? } else { Vec::new() };
    let dev = desired.host_link.as_str();
    let host_link = link(&Place::Host, dev, host)?;
    let is_there = host_link.is_some();
    let show = ["route", "show", "dev", dev];
    Ok(ObservedAttachment {
        fdb: if is_there && desired.mode.is_bridged() { fdb(dev, host)? } else { Vec::new() },
        host_routes: if is_there { self::routes(&Place::Host, &show, host)? } else { Vec::new() },
        ipv6_address: gets_ipv6_address(&desired.host_link),
        route_localnet: desired.route_localnet().and_then(|key| super::sysctl(&key)),
        forwarding: forwards(&if is_there { desired.forwarding() } else { SysctlKey::default_forwarding() }),
        host_link,
        container_link: link(&container, desired.id.if_name.as_str(), host)?,
        routes,
        rules,
        elements,
    })
}

/// Whether this host forwards what comes in by a link. Where it does not forward at all, to say so is a step of its own, by
/// which the kernel tells every link.
fn forwards(key: &SysctlKey) -> Option<u32> {
    let at_all = super::sysctl(&SysctlKey::ip_forward()) == Some(1);
    at_all.then(|| super::sysctl(key)).flatten()
}

/// Whether the kernel gives the link an IPv6 address by itself (`addrgenmode`), which `ip addr` does not print. A kernel
/// without IPv6 has no such setting.
fn gets_ipv6_address(dev: &IfName) -> bool {
    const NONE: u32 = 1;
    super::sysctl(&SysctlKey::ipv6_conf(dev, "addr_gen_mode")).is_some_and(|mode| mode != NONE)
}

/// What `ip route show` prints with these words.
pub(super) fn routes(place: &Place, words: &[&str], host: &mut Host) -> Result<Vec<Route>> {
    let json = ip_show(place, words, host)?;
    json.as_deref().map_or(Ok(Vec::new()), route::parse).map_err(|cause| bad_json("ip route", &cause))
}

/// What `ip rule show` prints.
fn rules(place: &Place, host: &mut Host) -> Result<Vec<Rule>> {
    let json = ip_show(place, &["rule", "show"], host)?;
    json.as_deref().map_or(Ok(Vec::new()), rule::parse).map_err(|cause| bad_json("ip rule", &cause))
}

/// What the tables hold for containers, each with its comment; nothing where there are no tables.
pub fn elements(name: &TableName, host: &mut Host) -> Result<BTreeMap<Element, String>> {
    let mut found = ruleset::Ruleset::default();
    for family in ["inet", "arp"] {
        if let Some(part) = table(family, name.as_str(), host)? {
            found.extend(part);
        }
    }
    Ok(found.elements)
}

/// One link with its addresses; `None` where there is none, or where this user may not look. A look that failed for
/// another reason tells nothing, and is an error.
pub fn link(place: &Place, name: &str, host: &mut Host) -> Result<Option<Link>> {
    let Some(json) = ip_show(place, &["-d", "addr", "show", "dev", name], host)? else {
        return Ok(None);
    };
    let links = link::parse(&json).map_err(|cause| bad_json("ip addr", &cause))?;
    let other =
        || Error::new(Kind::ToolOutput, format!("`ip addr show dev {name}` printed unexpected output"));
    links.into_iter().find(|link| link.name == name).map(Some).ok_or_else(other)
}

/// What one table holds; `None` where there is none, or where this user may not look. Another failure is an error: a
/// ruleset that `nft` cannot read is not an absent one, which would be made anew.
pub(super) fn table(family: &str, name: &str, host: &mut Host) -> Result<Option<ruleset::Ruleset>> {
    let command = Command::new([host.tools.nft.as_str(), "-j", "list", "table", family, name]);
    let output = host.run(&command, &[])?;
    if output.complains(ABSENT)
        || output.complains(MAY_NOT)
        || (family == "arp" && output.complains(NO_FAMILY))
    {
        return Ok(None);
    }
    let output = output.checked(&command)?;
    ruleset::parse(&output.stdout).map(Some).map_err(|cause| bad_json("nft", &cause))
}

/// The MACs that stay at the port `name` (`bridge -j fdb show brport`), whatever frames say.
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

/// What nft says of a table that is not there.
pub(super) const ABSENT: &str = "No such file or directory";
/// What nft says of a family that the kernel does not have, where no table can be.
pub(super) const NO_FAMILY: &str = "Operation not supported";
/// What a program says to who may not look.
const MAY_NOT: &str = "Operation not permitted";

/// What `ip -j` prints; `None` where the link or the namespace is not there, or where this user may not look.
fn ip_show(place: &Place, words: &[&str], host: &mut Host) -> Result<Option<String>> {
    let mut command = Command::new(render::ip_prefix(place, &host.tools));
    command.argv.push("-j".to_owned());
    command.argv.extend(words.iter().map(|&word| word.to_owned()));
    let output = host.run(&command, &[])?;
    let no_link = output.complains("does not exist") || output.complains("Cannot find device");
    if no_link || output.complains(MAY_NOT) {
        return Ok(None);
    }
    // Where the namespace is gone `ip`, or the `nsenter` before it, has its own words for each way it can be.
    match (output.checked(&command), place) {
        (Err(_), Place::Netns(path)) if netns::id_at(path)?.is_none() => Ok(None),
        (output, _) => Ok(Some(output?.stdout)),
    }
}

pub(crate) fn bad_json(program: &str, cause: &serde_json::Error) -> Error {
    Error::new(Kind::ToolOutput, format!("`{program}` printed unexpected output"))
        .source(crate::error::parser_says(cause))
}
