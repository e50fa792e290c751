//! The interfaces from which the ruleset accepts ingress gateways.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::observe::source_address::address_towards;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-ways",
    group: Group::Network,
    looks_at: "the interface that leads to each ingress gateway, compared with the one from which the ruleset accepts it",
    shows: "Windows, or another ingress gateway, no longer reaches containers after an interface was renamed or a route changed",
    needs: Needs::State,
    quick: true,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let Some(now) = context.facts.clone() else { return Ok(vec![Finding::not_applicable("unknown")]) };
    let known = context.engine.facts()?;
    let command = context.up_or_repair();
    let mut found = Vec::new();
    // An address that is missing from the ruleset is reported by `ruleset`.
    for gateway in now.ingress_gateways.iter().filter(|one| known.ingress_gateways.contains(one)) {
        let way = now.gateway_links.iter().find(|link| link.address == *gateway);
        let accepted = known.gateway_links.iter().find(|link| link.address == *gateway);
        let finding = match (way, accepted) {
            (None, _) if address_towards(*gateway) == Some(*gateway) => continue,
            (None, _) => Finding::failure(format!(
                "no interface leads to {gateway}, so the ruleset rejects it"
            ))
            .help(format!("See `ip route get {gateway}`, then correct the route or `ingress_gateways`")),
            (Some(way), Some(accepted)) if way.dev == accepted.dev => continue,
            (Some(way), accepted) => {
                let by = accepted.map_or("none".to_owned(), |link| link.dev.to_string());
                Finding::failure(format!(
                    "{} leads to {gateway}, but the ruleset accepts it from {by}",
                    way.dev
                ))
                .commands([command.clone()])
            }
        };
        found.push(finding);
    }
    if found.is_empty() {
        found.push(match now.gateway_links.as_slice() {
            [] => Finding::not_applicable("there are no ingress gateways"),
            links => {
                let each: Vec<_> =
                    links.iter().map(|link| format!("{} from {}", link.address, link.dev)).collect();
                Finding::good(format!("accepted: {}", each.join(", ")))
            }
        });
    }
    Ok(found)
}
