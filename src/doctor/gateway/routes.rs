//! The routes table exists, is valid and is up to date.

use std::time::Duration;

use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::routes::table::{OtherHost, Table};
use crate::routes::{publish, summary, sync};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-routes",
    group: Group::Gateway,
    looks_at: "state/routes.json: whether it exists, is valid, and equals what `flatnet gateway sync` would write",
    shows: "a new container is not found by name, or a removed one still is; the portal shows old states",
    needs: Needs::State,
    quick: false,
    look,
};

/// How often, and at what interval, the comparison is repeated: a container may be changing right now.
const AGAIN: (u32, Duration) = (3, Duration::from_millis(700));
/// The number of differences that are listed.
const NAMED: usize = 4;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, _| {
        let directory = context.engine.config.gateway.directory.clone();
        let table = match publish::read(&publish::path(&directory)) {
            Ok(table) => table,
            Err(why) => return Ok(vec![bad(context, &why)?]),
        };
        if let Err(why) = table.validate(&context.engine.config.range) {
            return Ok(vec![bad(context, &format!("the gateway would reject it: {why}"))?]);
        }
        let silent: Vec<Finding> = table.hosts.iter().filter(|host| !host.answers).map(silent).collect();
        let outdated = differences(context, table)?;
        let found = match outdated {
            Ok(_) if !silent.is_empty() => None,
            Ok(table) => {
                let Table { generation, written, .. } = &table;
                let what = format!("{}; generation {generation} of {written}", summary::count(&table));
                Some(Finding::good(what))
            }
            Err(what) => Some(
                Finding::warning(format!("the routes table is out of date: {what}"))
                    .fixed_by_flatnet(context, &["gateway", "sync"])?,
            ),
        };
        Ok(found.into_iter().chain(silent).collect())
    })
}

fn silent(OtherHost { number, name, since, .. }: &OtherHost) -> Finding {
    let what =
        format!("host {number} ({name}) has not answered since {since}: its routes are as they were then");
    Finding::warning(what)
        .help(format!("`flatnet doctor` on host {number} shows whether `flatnet gateway watch` runs there"))
}

fn bad(context: &Context, why: &str) -> Result<Finding> {
    let path = publish::path(&context.engine.config.gateway.directory);
    Finding::failure(format!("{}: {why}", path.display())).fixed_by_flatnet(context, &["gateway", "sync"])
}

/// The table if it is up to date; otherwise the differences.
fn differences(context: &mut Context, mut table: Table) -> Result<Result<Table, String>> {
    let mut wanted = wanted(context)?;
    for _ in 1..AGAIN.0 {
        if wanted.says_the_same_as(&table) {
            break;
        }
        std::thread::sleep(AGAIN.1);
        table = publish::published(&context.engine.config.gateway.directory).unwrap_or(table);
        wanted = self::wanted(context)?;
    }
    if wanted.says_the_same_as(&table) {
        return Ok(Ok(table));
    }
    let changes = summary::changes(Some(&table), &wanted);
    let more = changes.len().saturating_sub(NAMED);
    let named = changes.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
    Ok(Err(match (named.as_str(), more) {
        ("", _) => "names, labels or times differ".to_owned(),
        (_, 0) => named,
        (_, more) => format!("{named}; and {more} more"),
    }))
}

fn wanted(context: &mut Context) -> Result<Table> {
    context.with_podman(sync::draft_table)
}
