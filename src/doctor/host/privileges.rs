//! Root and the capabilities that `ip`, `nft` and namespaces need.

use crate::doctor::{Check, Context, Finding, Group, Level, Needs};
use crate::error::{Result, io};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "privileges",
    group: Group::Host,
    looks_at: "root, capabilities, user namespace",
    shows: "containers do not start: \"Operation not permitted\"",
    needs: Needs::Nothing,
    quick: false,
    look,
};

/// The required capabilities, by their numbers in linux/capability.h.
const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    Ok(vec![judge(&Caller::find()?, &context.flatnet("doctor"))])
}

/// Why some checks cannot run; `None` for the host's root with all required capabilities.
pub(in crate::doctor) fn hindrance() -> Option<&'static str> {
    let is_whole = Caller::find().is_ok_and(|caller| judge(&caller, "").level == Level::Good);
    (!is_whole).then_some("requires root with all capabilities: see privileges")
}

/// The user that runs the doctor.
struct Caller {
    uid: String,
    /// Required capabilities that are missing.
    lacks: Vec<&'static str>,
    is_in_user_namespace: bool,
}

impl Caller {
    fn find() -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).map_err(io("read", path.as_ref()));
        Ok(Self::parse(&read("/proc/self/status")?, &read("/proc/self/uid_map")?))
    }

    /// Parses `/proc/self/status` and `/proc/self/uid_map`.
    fn parse(status: &str, uid_map: &str) -> Self {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let has = field("CapEff:").and_then(|caps| u64::from_str_radix(caps, 16).ok()).unwrap_or_default();
        Self {
            uid: field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)).unwrap_or("unknown").to_owned(),
            lacks: NEEDED.iter().filter(|(bit, _)| has & (1 << bit) == 0).map(|(_, name)| *name).collect(),
            is_in_user_namespace: uid_map.split_whitespace().ne(["0", "0", "4294967295"]),
        }
    }
}

fn judge(Caller { uid, lacks, is_in_user_namespace }: &Caller, again: &str) -> Finding {
    if uid != "0" {
        return Finding::warning(format!("the doctor runs as user {uid} and cannot check everything"))
            .commands([format!("sudo {again}")]);
    }
    if !lacks.is_empty() {
        return Finding::failure(format!("root lacks {}", lacks.join(" and "))).help(
            "Run Flatnet and Podman outside of containers; in a systemd unit, check CapabilityBoundingSet=",
        );
    }
    if *is_in_user_namespace {
        return Finding::failure("the doctor runs as root of a user namespace, not of the host")
            .help("Run Flatnet as the host's root");
    }
    Finding::good("root with all required capabilities")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_root_privileges_are_reported() {
        let all = "         0          0 4294967295\n";
        for (uid, caps, map, level, word) in [
            ("0", "000001ffffffffff", all, Level::Good, "root with all"),
            ("0", "0000000000201000", all, Level::Good, "root with all"),
            ("0", "00000000a80425fb", all, Level::Failure, "lacks CAP_NET_ADMIN and CAP_SYS_ADMIN"),
            ("0", "0000000000001000", all, Level::Failure, "lacks CAP_SYS_ADMIN"),
            ("0", "000001ffffffffff", "0 1000 1\n", Level::Failure, "user namespace"),
            ("1000", "0000000000000000", all, Level::Warning, "user 1000"),
        ] {
            let status = format!("Name:\tflatnet\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{caps}\n");
            let found = judge(&Caller::parse(&status, map), "flatnet doctor");
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.what.contains(word), "{found:?}");
        }
    }
}
