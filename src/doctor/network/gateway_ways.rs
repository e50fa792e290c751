//! The interfaces by which the ruleset knows the hosts that may come in.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::host::address_towards;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-ways",
    group: Group::Network,
    looks_at: "the interface that leads to each host of `ingress_gateways`, against the one that the ruleset lets it in by",
    shows: "Windows, or the gateway, reaches no container since an interface was renamed or a route was changed",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let Some(now) = context.facts.clone() else { return Ok(vec![Finding::not_applicable("not known")]) };
    let known = context.engine.facts()?;
    let mends = context.mends_host();
    let mut found = Vec::new();
    // One that the ruleset does not know at all is for `ruleset` to tell.
    for gateway in now.ingress_gateways.iter().filter(|one| known.ingress_gateways.contains(one)) {
        let way = now.gateway_links.iter().find(|link| link.address == *gateway);
        let let_in = known.gateway_links.iter().find(|link| link.address == *gateway);
        let finding = match (way, let_in) {
            (None, _) if address_towards(*gateway) == Some(*gateway) => continue,
            (None, _) => Finding::failure(format!("no interface leads to {gateway}, so it is not let in"))
                .help(format!("See `ip route get {gateway}`, and correct the route or `ingress_gateways`")),
            (Some(way), Some(let_in)) if way.dev == let_in.dev => continue,
            (Some(way), let_in) => {
                let by = let_in.map_or("none".to_owned(), |link| link.dev.to_string());
                Finding::failure(format!("{} leads to {gateway}, which is let in by {by}", way.dev))
                    .commands([mends.clone()])
            }
        };
        found.push(finding);
    }
    if found.is_empty() {
        found.push(match now.gateway_links.as_slice() {
            [] => Finding::not_applicable("nobody outside is let in"),
            links => {
                let each: Vec<_> =
                    links.iter().map(|link| format!("{} by {}", link.address, link.dev)).collect();
                Finding::good(format!("let in: {}", each.join(", ")))
            }
        });
    }
    Ok(found)
}
