//! The MTU of containers and of the bridge fits the uplink.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::attachment::bad_json;
use crate::kernel::observe::link::{self, Link};
use crate::model::command::Command;
use crate::model::config::Mtu;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "mtu",
    group: Group::Network,
    looks_at: "the MTU of containers and of the uplink, compared with the bridge's",
    shows: "small requests work; downloads, TLS or `git clone` hang",
    needs: Needs::Attachments,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let Some(mtu) = context.facts.as_ref().map(|facts| facts.mtu) else {
        return Ok(vec![Finding::not_applicable("unknown: see bridge")]);
    };
    let ip = context.engine.host.tools.ip.clone();
    let mut links = |of: &[&str]| -> Result<Vec<Link>> {
        let words = [&[ip.as_str(), "-j", "-d", "addr", "show"], of].concat();
        let shown = context.stdout(&Command::new(words))?;
        link::parse(&shown).map_err(|cause| bad_json("ip addr", &cause))
    };
    let all = links(&[])?;
    let uplink = context.facts.as_ref().and_then(|facts| facts.uplink.clone());
    let uplink = all.iter().find(|link| Some(&link.name) == uplink.as_ref());
    let bridge = context.engine.config.bridge.as_str();
    let mut found = Vec::new();
    if let (Mtu::Bytes(_), Some(uplink)) =
        (context.engine.config.mtu, uplink.filter(|uplink| uplink.mtu < mtu))
    {
        found.push(
            Finding::warning(format!(
                "the configuration has `mtu: {mtu}`, but {} supports at most {}",
                uplink.name, uplink.mtu
            ))
            .help(format!(
                "Set `mtu: auto` in {}, then run `{}`, and `{}` for running containers",
                context.config_path.display(),
                context.flatnet("up"),
                context.flatnet("repair")
            )),
        );
    }
    let is_of_container =
        |link: &Link| context.attachments.iter().any(|one| one.receipt.host_link.as_str() == link.name);
    let carries = |link: &&Link| link.master == bridge || is_of_container(link);
    let others: Vec<&Link> = all.iter().filter(carries).filter(|link| link.mtu != mtu).collect();
    for link in others {
        found.push(older(context, link, mtu));
    }
    if found.is_empty() {
        let uplink = uplink.map_or(String::new(), |uplink| format!("; {} has {}", uplink.name, uplink.mtu));
        found.push(Finding::good(format!("bridge and containers have MTU {mtu}{uplink}")));
    }
    Ok(found)
}

/// A link whose MTU differs from the bridge's.
fn older(context: &Context, link: &Link, mtu: u32) -> Finding {
    let owner = context.attachments.iter().find(|one| one.receipt.host_link.as_str() == link.name);
    let what = |who: &str| {
        Finding::warning(format!("{who}: its link has MTU {}, but the bridge has {mtu}", link.mtu))
    };
    match owner {
        Some(one) => {
            what(&crate::doctor::context::describe(&one.receipt)).commands([context.flatnet("repair")]).help(
                "A running container keeps its initial MTU. A repair changes it without cutting connections",
            )
        }
        None => what(&link.name).commands([format!("ip link set dev {} mtu {mtu}", link.name)]),
    }
}
