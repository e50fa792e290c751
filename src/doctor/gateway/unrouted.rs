//! Containers without a route that somebody should look at.

use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::routes::publish;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-unrouted",
    group: Group::Gateway,
    looks_at: "containers that have no route, and a warning why, in state/routes.json",
    shows: "the container runs, answers at its address, and its name leads to the gateway's page \"not found\"",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, _| {
        let Some(table) = publish::published(&context.engine.config.gateway.directory) else {
            return Ok(vec![Finding::not_looked("there are no routes: see gateway-routes")]);
        };
        let warned = table.unrouted.iter().filter(|one| one.warning);
        let mut found: Vec<Finding> = warned
            .map(|one| {
                Finding::warning(format!("container {} has no route: {}", one.container, one.why))
                    .help("Labels of a container cannot be changed: make it again with the right ones. docs/operations/gateway-routes.md lists them")
            })
            .collect();
        if found.is_empty() {
            found.push(Finding::good(match table.unrouted.len() {
                0 => "every container has a route".to_owned(),
                1 => "1 container has no route, as it should be".to_owned(),
                count => format!("{count} containers have no route, as it should be"),
            }));
        }
        Ok(found)
    })
}
