//! The gateway has loaded the current routes table and runs the installed version.

use std::time::Duration;

use super::probe::{Conflict, Status};
use super::{reload, where_installed};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::nginx::install::Platform;
use crate::routes::publish;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-in-force",
    group: Group::Gateway,
    looks_at: "the gateway's generation, problem, conflicts and version, compared with state/routes.json and this program",
    shows: "`flatnet gateway routes` lists a container, but its name shows the gateway's page \"not found\" or another container",
    needs: Needs::RootAndConfig,
    quick: false,
    look,
};

/// How often, and at what interval, the file and the gateway are compared: the gateway reads the file every 250 ms, and
/// `watch` may write it in between.
const LOOKS: (u32, Duration) = (4, Duration::from_millis(700));

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, platform| {
        let mut before = published(context);
        let Some((mut base, mut status)) = context.gateway_status(platform) else {
            return Ok(vec![Finding::not_looked("the gateway's status is unknown: see gateway-answers")]);
        };
        let mut after = published(context);
        for _ in 1..LOOKS.0 {
            if status.problem.is_none() && is_taken_up(status.generation, before, after) {
                break;
            }
            std::thread::sleep(LOOKS.1);
            context.gateway_probe = None;
            before = published(context);
            (base, status) = context.gateway_status(platform).unwrap_or((base, status));
            after = published(context);
        }
        let Some(ours) = after else {
            return Ok(vec![Finding::not_looked("the routes table is missing: see gateway-routes")]);
        };
        let mut found = judge(context, &status, (before, ours), &base)?;
        found.extend(version(context, platform, &status));
        found.extend(status.conflicts.iter().map(conflict));
        if found.is_empty() {
            let generation = status.generation.unwrap_or(ours);
            found.push(Finding::good(format!("generation {generation} is in force")));
        }
        Ok(found)
    })
}

fn published(context: &Context) -> Option<u64> {
    publish::published(&context.engine.config.gateway.directory).map(|table| table.generation)
}

/// Whether the gateway, asked between two reads of the file, has a generation from that interval.
fn is_taken_up(generation: Option<u64>, before: Option<u64>, after: Option<u64>) -> bool {
    (before..=after).contains(&generation)
}

fn judge(
    context: &Context,
    status: &Status,
    (before, ours): (Option<u64>, u64),
    base: &str,
) -> Result<Vec<Finding>> {
    let directory = context.engine.config.gateway.directory.display();
    Ok(if let Some(problem) = &status.problem {
        let what =
            format!("the gateway rejected the routes table and keeps the previous one: {}", problem.message);
        vec![Finding::failure(what).fixed_by_flatnet(context, &["gateway", "sync"])?]
    } else if !is_taken_up(status.generation, before, Some(ours)) {
        let theirs = status.generation.map_or("none".to_owned(), |number| number.to_string());
        let what = format!("{base}/ has generation {theirs}, but {directory}/state/routes.json has {ours}");
        vec![Finding::failure(what).help(format!(
            "It reads another file: its prefix (`-p`) must be {directory}. `ps -C nginx -f` shows its options"
        ))]
    } else {
        Vec::new()
    })
}

fn version(context: &Context, platform: Platform, status: &Status) -> Option<Finding> {
    let ours = env!("CARGO_PKG_VERSION");
    (status.version != ours).then(|| {
        Finding::warning(format!("the gateway runs version {}, but this is {ours}", status.version))
            .help(format!("Fix gateway-files first, then run {}", reload(context, platform)))
    })
}

fn conflict(Conflict { route, host, path, winner, route_host, winner_host }: &Conflict) -> Finding {
    let host = if host.is_empty() { "the gateway's own name" } else { host };
    let of = |number: &Option<u16>| number.map(|number| format!(" of host {number}")).unwrap_or_default();
    let (loser_of, winner_of) = (of(route_host), of(winner_host));
    Finding::warning(format!(
        "route {route}{loser_of} does not get {host}{path}: it is taken by {winner}{winner_of}"
    ))
    .help("Set another flatnet.host or flatnet.path label on one of the containers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_published_during_check_is_accepted() {
        for (generation, before, after, wanted) in [
            (Some(5), Some(5), Some(5), true),
            // A new generation was published just before or after the gateway was asked.
            (Some(6), Some(5), Some(6), true),
            (Some(5), Some(5), Some(6), true),
            (Some(6), None, Some(6), true),
            (Some(5), Some(6), Some(6), false),
            (Some(1000), Some(5), Some(6), false),
            (None, Some(5), Some(5), false),
            (Some(5), Some(5), None, false),
            (None, None, None, true),
        ] {
            assert_eq!(is_taken_up(generation, before, after), wanted, "{generation:?} {before:?} {after:?}");
        }
    }
}
