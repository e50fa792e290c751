//! The gateway reaches the containers that it routes to.

use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-endpoints",
    group: Group::Gateway,
    looks_at: "how the gateway finds the containers of its routes, by `/_flatnet/status`",
    shows: "the browser waits, and then has the gateway's page that names the container (503)",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let Some((_, status)) = context.gateway_status(platform) else {
            return Ok(vec![Finding::not_looked("the gateway does not tell: see gateway-answers")]);
        };
        let endpoints: Vec<_> = status.routes.into_iter().flat_map(|route| route.endpoints).collect();
        let mut found: Vec<Finding> = Vec::new();
        for one in &endpoints {
            let why = match one.health.as_str() {
                "down" => "takes no connection",
                "unhealthy" => "does not answer its health check well",
                _ => continue,
            };
            let (container, at) = (&one.container, format!("{}:{}", one.address, one.port));
            found.push(Finding::warning(format!("container {container} {why} at {at}, says the gateway")).help(
                format!(
                    "`podman logs {container}` says what its server does. Where this host reaches it (`curl http://{at}/`), \
                     the way from the gateway is in doubt: on Windows `flatnet.ps1 doctor`"
                ),
            ));
        }
        if found.is_empty() {
            let up = endpoints.iter().filter(|one| one.health == "up").count();
            found.push(Finding::good(format!("{up} of {} endpoints are up, none is down", endpoints.len())));
        }
        Ok(found)
    })
}
