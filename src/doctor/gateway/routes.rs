//! The list of routes is there, whole, and says what there is.

use std::time::Duration;

use super::where_installed;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::routes::table::Table;
use crate::routes::{publish, sync, told};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "gateway-routes",
    group: Group::Gateway,
    looks_at: "state/routes.json: there, whole, as the gateway takes it, and what `flatnet gateway sync` would write now",
    shows: "a new container has no name, or one that is gone still has; the portal shows old states",
    needs: Needs::State,
    quick: false,
    look,
};

/// A container that changes just now is no fault: so often, and so long apart, it is looked again.
const AGAIN: (u32, Duration) = (3, Duration::from_millis(700));
/// How many differences are named.
const NAMED: usize = 4;

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    where_installed(context, |context, _| {
        let directory = context.engine.config.gateway.directory.clone();
        let table = match publish::read(&publish::path(&directory)) {
            Ok(table) => table,
            Err(why) => return Ok(vec![bad(context, &why)?]),
        };
        if let Err(why) = table.validate(&context.engine.config.range) {
            return Ok(vec![bad(context, &format!("the gateway refuses it: {why}"))?]);
        }
        let outdated = differences(context, table)?;
        Ok(vec![match outdated {
            Ok(table) => {
                let Table { generation, written, .. } = &table;
                Finding::good(format!("{}; generation {generation} of {written}", told::counted(&table)))
            }
            Err(what) => Finding::warning(format!("the routes are not as the containers are: {what}"))
                .mended_by_flatnet(context, &["gateway", "sync"])?,
        }])
    })
}

fn bad(context: &Context, why: &str) -> Result<Finding> {
    let path = publish::path(&context.engine.config.gateway.directory);
    Finding::failure(format!("{}: {why}", path.display())).mended_by_flatnet(context, &["gateway", "sync"])
}

/// The table that is current; or in what the one that is there differs from what the containers make.
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
    let changes = told::changes(Some(&table), &wanted);
    let more = changes.len().saturating_sub(NAMED);
    let named = changes.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
    Ok(Err(match (named.as_str(), more) {
        ("", _) => "names, labels or times differ".to_owned(),
        (_, 0) => named,
        (_, more) => format!("{named}; and {more} more"),
    }))
}

fn wanted(context: &mut Context) -> Result<Table> {
    context.with_podman(sync::built)
}
