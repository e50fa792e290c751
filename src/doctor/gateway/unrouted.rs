//! Containers without a route that need attention.

use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::routes::publish;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-unrouted",
    group: Group::Gateway,
    looks_at: "containers that state/routes.json lists without a route and with a warning",
    shows: "the container runs and answers at its address, but its name shows the gateway's page \"not found\"",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, _| {
        let Some(table) = publish::published(&context.engine.config.gateway.directory) else {
            return Ok(vec![Finding::not_looked("the routes table is missing: see gateway-routes")]);
        };
        // The doctor of another host tells of its containers.
        let unrouted: Vec<_> = table.unrouted.iter().filter(|one| one.host.is_none()).collect();
        let warned = unrouted.iter().filter(|one| one.warning);
        let mut found: Vec<Finding> = warned
            .map(|one| {
                Finding::warning(format!("container {} has no route: {}", one.container, one.why))
                    .help("Labels cannot be changed on an existing container: create it again with the right ones. See docs/operations/gateway-routes.md")
            })
            .collect();
        if found.is_empty() {
            found.push(Finding::good(match unrouted.len() {
                0 => "every container has a route".to_owned(),
                1 => "1 container has no route, as intended".to_owned(),
                count => format!("{count} containers have no route, as intended"),
            }));
        }
        Ok(found)
    })
}
