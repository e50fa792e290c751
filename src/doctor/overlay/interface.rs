//! The interface to other hosts exists, with its route and its MTU.

use super::joined;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe;
use crate::model::config::{OVERLAY_MTU, Overlay, OverlayKind};
use crate::model::plan::Op;
use crate::overlay::membership;
use crate::setup::units;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "overlay-interface",
    group: Group::Overlay,
    looks_at: "the interface to other hosts, the route to it, and its MTU",
    shows: "no container of another host is reached (\"No route to host\"); or small requests work, and large ones hang",
    needs: Needs::State,
    quick: true,
    look,
};

/// What Nebula adds to a packet: IPv4, UDP, its header and its tag.
const ADDED: u32 = 20 + 8 + 16 + 16;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    if let Some(range) = context.engine.cut_off_by()? {
        let subnet = context.engine.config.subnet;
        return Ok(vec![Finding::failure(membership::cut_off(subnet, range))]);
    }
    joined(context, |context, overlay| {
        if observe::link_is_gone(overlay.interface.as_str()) {
            return Ok(vec![missing(context, overlay)?]);
        }
        let is_route = |op: &Op| matches!(op, Op::RouteAdd { dev, .. } if *dev == overlay.interface);
        let is_unreachable = |op: &Op| matches!(op, Op::UnreachableAdd { to } if to.addr() == context.engine.config.range.addr());
        let steps = context.plan_of_set_up_host().map(|plan| plan.steps.as_slice()).unwrap_or_default();
        let mut found = Vec::new();
        if steps.iter().any(|step| is_route(&step.op) || is_unreachable(&step.op)) {
            found.push(
                Finding::failure(format!("a route to the range {} is missing", context.engine.config.range))
                    .fixed_by_flatnet(context, &["up"])?,
            );
        }
        found.extend(wrong_mtu(context, overlay));
        if found.is_empty() {
            found.push(Finding::good(format!(
                "{} leads to other hosts, MTU {OVERLAY_MTU}",
                overlay.interface
            )));
        }
        Ok(found)
    })
}

fn missing(context: &Context, overlay: &Overlay) -> Result<Finding> {
    if overlay.kind == OverlayKind::Vxlan {
        return Finding::failure(format!("the interface {} is missing", overlay.interface))
            .fixed_by_flatnet(context, &["up"]);
    }
    let unit = format!("{}.service", units::name("flatnet-overlay", &context.engine.config.network));
    let finding =
        Finding::failure(format!("the interface {} is missing: Nebula does not run", overlay.interface));
    if units::is_booted() {
        return Ok(finding
            .commands([format!("systemctl restart {unit}")])
            .help(format!("If it does not stay, its log says why: `journalctl -u {unit}`")));
    }
    Ok(finding.help(format!(
        "Run `nebula -config {}`, then `{}`",
        super::files(context).nebula().display(),
        context.flatnet("up")
    )))
}

fn wrong_mtu(context: &Context, overlay: &Overlay) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = &overlay.interface;
    if let Some(mtu) = mtu_of(name.as_str()).filter(|mtu| *mtu != OVERLAY_MTU) {
        found.push(
            Finding::warning(format!("{name} has MTU {mtu} instead of {OVERLAY_MTU}"))
                .commands([format!("ip link set dev {name} mtu {OVERLAY_MTU}")]),
        );
    }
    let uplink = context.facts.as_ref().and_then(|facts| facts.uplink.clone());
    let least = OVERLAY_MTU + ADDED;
    if let Some((uplink, mtu)) =
        uplink.and_then(|uplink| Some((mtu_of(&uplink)?, uplink))).map(|(mtu, uplink)| (uplink, mtu))
    {
        if mtu < least {
            found.push(
                Finding::warning(format!("{uplink} has MTU {mtu}: packets of the overlay need {least}, and are sent in pieces"))
                    .help("Raise the uplink's MTU, or expect slow connections to other hosts, and none where a firewall drops fragments"),
            );
        }
    }
    found
}

fn mtu_of(link: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{link}/mtu")).ok()?.trim().parse().ok()
}
