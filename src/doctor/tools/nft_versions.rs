//! Several versions of nft: what a newer one wrote can make an older one crash.

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
    shows: "containers do not start: \"`nft ..` was killed by signal 11\"; or rules that one nft prints, another does not know",
    needs: Needs::Nothing,
    quick: false,
    look,
};

/// Where administrators put programs of their own, beside [`tools::PATH`].
const OTHERS: &str = "/usr/local/sbin:/usr/local/bin";

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let nft = context.engine.host.tools.nft.clone();
    let crashed = crashing_tables(context, &nft)?;
    if !crashed.is_empty() {
        let mine = version(context, &nft, "--version")?.map_or("unknown".to_owned(), shown);
        let what =
            format!("{nft} {mine} crashes when it lists {}, which a newer nft wrote", crashed.join(" and "));
        return Ok(vec![Finding::failure(what).help(
            "Use an nft on this host that is as new as the newest one that writes rules here: those of other WSL \
             distributions and of privileged containers write into the same kernel. `tools.nft` in the configuration \
             names another than the system's",
        )]);
    }
    let mut versions = BTreeMap::new();
    for path in programs(&nft) {
        let program = path.display().to_string();
        // A program that others may write is not run.
        if let Ok(Some(version)) = version(context, &program, "--version") {
            versions.entry(version).or_insert(program);
        }
    }
    let list: Vec<String> =
        versions.iter().map(|(version, program)| format!("{program} {}", shown(*version))).collect();
    if versions.len() > 1 {
        return Ok(vec![Finding::warning(format!("there is more than one nft: {}", list.join(", "))).help(
            "What the newer one writes can make the older one crash: remove one, or name the newer as `tools.nft` in \
             the configuration",
        )]);
    }
    Ok(vec![Finding::good(format!("{} lists every table", list.join(", ")))])
}

/// The tables that make nft die; found by listing each, since which one it was a dead nft cannot say.
fn crashing_tables(context: &mut Context, nft: &str) -> Result<Vec<String>> {
    let whole = context.run(&Command::new([nft, "list", "ruleset"]))?;
    if !is_crash(&whole) {
        return Ok(Vec::new());
    }
    // Listing chains reads no set, and names every table that has one.
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
    // 139 is how a shell in between tells of signal 11.
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

/// Every nft that somebody may call, without links to the same file.
fn programs(nft: &str) -> Vec<PathBuf> {
    let path = format!("{}:{OTHERS}", tools::PATH);
    let all = which::which_in_all("nft", Some(path), "/").into_iter().flatten();
    let mut programs: Vec<PathBuf> =
        all.chain(tools::find(nft)).filter_map(|path| path.canonicalize().ok()).collect();
    programs.sort();
    programs.dedup();
    programs
}
