//! The gateway reaches its endpoints.

use super::probe::Route;
use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-endpoints",
    group: Group::Gateway,
    looks_at: "the state of the routed containers as `/_flatnet/status` shows it",
    shows: "the browser waits, then shows the gateway's error page for the container (503)",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let Some((_, status)) = context.gateway_status(platform) else {
            return Ok(vec![Finding::not_looked("the gateway's status is unknown: see gateway-answers")]);
        };
        let of_route = |route: Route| route.endpoints.into_iter().map(move |one| (route.host, one));
        let endpoints: Vec<_> = status.routes.into_iter().flat_map(of_route).collect();
        let mut found: Vec<Finding> = Vec::new();
        for (host, one) in &endpoints {
            let why = match one.health.as_str() {
                "down" => "accepts no connection",
                "unhealthy" => "fails its health check",
                _ => continue,
            };
            let (container, at) = (&one.container, format!("{}:{}", one.address, one.port));
            let of = host.map(|number| format!(" of host {number}")).unwrap_or_default();
            found.push(Finding::warning(format!("container {container}{of} {why} at {at}, according to the gateway")).help(
                format!(
                    "See `podman logs {container}`. If this host reaches it (`curl http://{at}/`), the path from the gateway is \
                     broken: on Windows, run `flatnet.ps1 doctor`"
                ),
            ));
        }
        if found.is_empty() {
            let up = endpoints.iter().filter(|(_, one)| one.health == "up").count();
            found.push(Finding::good(format!("{up} of {} endpoints are up, none is down", endpoints.len())));
        }
        Ok(found)
    })
}
