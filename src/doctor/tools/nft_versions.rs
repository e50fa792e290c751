//! Several versions of nft: rules from a newer one can crash an older one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{shown, version};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::execute::{Exit, Output};
use crate::kernel::tools;
use crate::model::command::Command;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "nft-versions",
    group: Group::Tools,
    looks_at: "whether nft can list every table, and whether there is more than one nft",
    shows: "containers do not start: nft was killed by signal 11 or exited with 139; or one nft does not understand rules that another one prints",
    needs: Needs::Nothing,
    quick: false,
    look,
};

/// Where administrators install programs, in addition to [`tools::PATH`].
const OTHERS: &str = "/usr/local/sbin:/usr/local/bin";

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let nft = context.engine.host.tools.nft.clone();
    let crashed = crashing_tables(context, &nft)?;
    if !crashed.is_empty() {
        let mine = version(context, &nft, "--version")?.map_or("unknown".to_owned(), shown);
        let what =
            format!("{nft} {mine} crashes when it lists {}, which a newer nft wrote", crashed.join(" and "));
        return Ok(vec![Finding::failure(what).help(
            "Install an nft as new as the newest one that writes rules to this kernel; other WSL distributions and \
             privileged containers write to it too. Set `tools.nft` in the configuration to use an nft other than the \
             system's",
        )]);
    }
    let mut versions = BTreeMap::new();
    for path in programs(&nft) {
        let program = path.display().to_string();
        // A program that others can write is not run.
        if let Ok(Some(version)) = version(context, &program, "--version") {
            versions.entry(version).or_insert(program);
        }
    }
    let list: Vec<String> =
        versions.iter().map(|(version, program)| format!("{program} {}", shown(*version))).collect();
    if versions.len() > 1 {
        return Ok(vec![Finding::warning(format!("there is more than one nft: {}", list.join(", "))).help(
            "Rules from the newer one can crash the older one: remove one, or set `tools.nft` in the configuration \
             to the newer",
        )]);
    }
    Ok(vec![Finding::good(format!("{} can list every table", list.join(", ")))])
}

/// The tables that crash nft. Each is listed separately: the crash does not tell which one it was.
fn crashing_tables(context: &mut Context, nft: &str) -> Result<Vec<String>> {
    let whole = context.run(&Command::new([nft, "list", "ruleset"]))?;
    if !is_crash(&whole) {
        return Ok(Vec::new());
    }
    // Listing chains does not read sets, and names every table with a chain.
    let chains = context.stdout(&Command::new([nft, "-j", "list", "chains"]))?;
    let mut crashing = Vec::new();
    for (family, table) in tables(&chains) {
        if is_crash(&context.run(&Command::new([nft, "list", "table", &family, &table]))?) {
            crashing.push(format!("table {family} {table}"));
        }
    }
    Ok(if crashing.is_empty() { vec!["the ruleset".to_owned()] } else { crashing })
}

fn is_crash(output: &Output) -> bool {
    // 139 is how a wrapping shell reports signal 11.
    matches!(output.exit, Exit::Signal(_) | Exit::Code(139))
}

fn tables(json: &str) -> Vec<(String, String)> {
    let document: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let objects = document["nftables"].as_array().cloned().unwrap_or_default();
    let text = |chain: &serde_json::Value, key: &str| chain[key].as_str().unwrap_or_default().to_owned();
    let chains = objects.iter().filter_map(|object| object.get("chain"));
    let mut tables: Vec<_> = chains.map(|chain| (text(chain, "family"), text(chain, "table"))).collect();
    tables.sort();
    tables.dedup();
    tables
}

/// Every nft on the search paths, without duplicates by link.
fn programs(nft: &str) -> Vec<PathBuf> {
    let path = format!("{}:{OTHERS}", tools::PATH);
    let all = which::which_in_all("nft", Some(path), "/").into_iter().flatten();
    let mut programs: Vec<PathBuf> =
        all.chain(tools::find(nft)).filter_map(|path| path.canonicalize().ok()).collect();
    programs.sort();
    programs.dedup();
    programs
}
