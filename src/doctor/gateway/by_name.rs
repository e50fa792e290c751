//! The last layer of `reachable`: the container's name at the gateway.

use super::probe::head;
use crate::doctor::context::describe;
use crate::doctor::{Context, Finding};
use crate::model::command::Command;
use crate::nginx::install;
use crate::routes::podman::ContainerState;
use crate::routes::publish;
use crate::routes::table::{Route, Scheme, Table};
use crate::state::receipt::Receipt;

/// The number of parallel requests.
const AT_ONCE: usize = 16;

/// Requests each routed container of `receipts` by name, and returns how many answered. A gateway that does not answer is
/// reported by `gateway-answers`.
pub(in crate::doctor) fn through(
    context: &mut Context,
    receipts: &[&Receipt],
    found: &mut Vec<Finding>,
) -> usize {
    let directory = context.engine.config.gateway.directory.clone();
    let Some(platform) = install::platform(&directory) else { return 0 };
    let Some((base, _)) = context.gateway_status(platform) else { return 0 };
    let Some(table) = publish::published(&directory) else { return 0 };
    let asked: Vec<(&Receipt, Command)> = receipts
        .iter()
        .filter_map(|receipt| Some((*receipt, question(route(&table, receipt)?, &base))))
        .collect();
    let mut arrived = 0;
    for some in asked.chunks(AT_ONCE) {
        let commands: Vec<Command> = some.iter().map(|(_, command)| command.clone()).collect();
        for ((receipt, command), output) in some.iter().zip(context.run_all(&commands)) {
            let why = match output {
                Ok(output) if output.success() => refusal(&output.stdout),
                Ok(output) => Some(output.stderr.trim().to_owned()),
                Err(error) => Some(error.message().to_owned()),
            };
            match why {
                None => arrived += 1,
                Some(why) => found.push(
                    Finding::failure(format!(
                        "{} is not reachable by name; failed at the gateway: {why}",
                        describe(receipt)
                    ))
                    .help(format!("The request was: {command}")),
                ),
            }
        }
    }
    // The requests may have changed the gateway's view of endpoints: probe it again.
    context.gateway_probe = None;
    arrived
}

/// The route to this container, unless curl does not support its protocol.
fn route<'a>(table: &'a Table, receipt: &Receipt) -> Option<&'a Route> {
    let id = receipt.id.container_id.in_routes();
    let leads = |route: &&Route| {
        route.endpoints.iter().any(|one| one.id == id && one.state == ContainerState::Running)
            && matches!(route.scheme, Scheme::Http | Scheme::Https)
    };
    table.own_routes().find(leads)
}

fn question(route: &Route, base: &str) -> Command {
    let host = route.hosts.first().map(|host| host.to_string().replacen('*', "flatnet-doctor", 1));
    head(&format!("{base}{}", route.path), host.as_deref())
}

/// The gateway's reason, if it answered in place of the container.
fn refusal(headers: &str) -> Option<String> {
    let own = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-flatnet-error").then(|| value.trim().to_owned())
    });
    let code = headers.lines().next_back().unwrap_or_default();
    own.map(|reason| format!("HTTP {code}, {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gateway_error_pages_count_as_refusal() {
        let own = "HTTP/1.1 503 Service Unavailable\r\nX-Flatnet-Error: down\r\nRetry-After: 2\r\n\r\n503";
        assert_eq!(refusal(own).as_deref(), Some("HTTP 503, down"));
        for container in
            ["HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n404", "HTTP/1.1 500 Oops\r\n\r\n500", ""]
        {
            assert_eq!(refusal(container), None, "{container}");
        }
    }
}
