//! The programs exist, are writable by root only, are recent enough, and print JSON.

use super::{Version, shown, version};
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::{packages, tools};
use crate::model::command::Command;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "programs",
    group: Group::Tools,
    looks_at: "ip, bridge, nft, sysctl, nsenter, unshare: whether they exist, are writable by root only, and are recent enough",
    shows: "containers do not start: \"the program .. is missing\", or an error about JSON or syntax",
    needs: Needs::Nothing,
    quick: true,
    look,
};

/// The oldest versions that Flatnet is tested with.
const NFT: Version = [1, 0, 6];
const IPROUTE2: Version = [6, 1, 0];

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let programs = context.engine.host.tools.all().map(str::to_owned);
    let flatnet = context.program();
    let missing: Vec<Finding> = programs
        .iter()
        .filter_map(|one| tools::find(one).err())
        .map(|error| Finding::of_error(&error, &flatnet))
        .collect();
    if !missing.is_empty() {
        return Ok(missing);
    }
    let [ip, _, nft, ..] = &programs;
    let (ip_version, nft_version) = (version(context, ip, "-V")?, version(context, nft, "--version")?);
    let mut found: Vec<Finding> = [
        judge("ip", ip_version, IPROUTE2, "iproute2")
            .map(|what| Finding::warning(what).commands([packages::install("iproute2")])),
        judge("nft", nft_version, NFT, "nftables")
            .map(|what| Finding::failure(what).commands([packages::install("nftables")])),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.extend(json(context, nft)?);
    if found.is_empty() {
        let path = |name: &str| tools::find(name).map_or(name.to_owned(), |path| path.display().to_string());
        let words = |version: Option<Version>| version.map_or("(unknown version)".to_owned(), shown);
        let (ip, nft) = (path(ip), path(nft));
        found.push(Finding::good(format!(
            "{ip} {}, {nft} {}, and 4 others",
            words(ip_version),
            words(nft_version)
        )));
    }
    Ok(found)
}

fn judge(name: &str, version: Option<Version>, oldest: Version, package: &str) -> Option<String> {
    let version = version.filter(|version| *version < oldest)?;
    Some(format!(
        "{name} is {} ({package}); Flatnet is tested with {} and later",
        shown(version),
        shown(oldest)
    ))
}

/// nft may be built without JSON support.
fn json(context: &mut Context, nft: &str) -> Result<Option<Finding>> {
    let command = Command::new([nft, "-j", "list", "chains"]);
    let output = context.run(&command)?;
    // Other failures are reported by other checks.
    let is_json = serde_json::from_str::<serde_json::Value>(&output.stdout).is_ok();
    Ok((output.success() && !is_json).then(|| {
        Finding::failure(format!("`{command}` does not print JSON"))
            .commands([packages::install("nftables")])
            .help("This nft was built without JSON support. Set `tools.nft` in the configuration to use another")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_older_than_tested_is_reported() {
        assert!(judge("nft", Some([1, 0, 2]), NFT, "nftables").is_some());
        assert!(judge("ip", Some([5, 15, 0]), IPROUTE2, "iproute2").unwrap().contains("5.15.0"));
        for version in [None, Some([1, 0, 6]), Some([1, 1, 3]), Some([2, 0, 0])] {
            assert_eq!(judge("nft", version, NFT, "nftables"), None);
        }
    }
}
