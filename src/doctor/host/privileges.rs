//! Root, and the capabilities that `ip`, `nft` and namespaces ask for.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::{Result, io};

pub(in crate::doctor) const CHECK: Check = Check {
    id: "privileges",
    group: Group::Host,
    looks_at: "root, capabilities, user namespace",
    shows: "containers do not start: \"Operation not permitted\"; rootless Podman cannot use Flatnet",
    needs: Needs::Nothing,
    quick: false,
    look,
};

/// The bits of linux/capability.h that Flatnet cannot do without.
const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let read = |path: &str| std::fs::read_to_string(path).map_err(io("read", path.as_ref()));
    let (status, uid_map) = (read("/proc/self/status")?, read("/proc/self/uid_map")?);
    Ok(vec![judge(&status, &uid_map, &context.flatnet("doctor"))])
}

/// Judges `/proc/self/status` and `/proc/self/uid_map`.
fn judge(status: &str, uid_map: &str, again: &str) -> Finding {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let uid = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)).unwrap_or("unknown");
    if uid != "0" {
        return Finding::warning(format!("the doctor runs as user {uid}, and may not look at everything"))
            .commands([format!("sudo {again}")]);
    }
    let has = field("CapEff:").and_then(|caps| u64::from_str_radix(caps, 16).ok()).unwrap_or_default();
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(bit, _)| has & (1 << bit) == 0).map(|(_, name)| *name).collect();
    if !missing.is_empty() {
        return Finding::failure(format!("root lacks {}", missing.join(" and "))).help(
            "Run this, and Podman, outside of containers; in a systemd unit look at CapabilityBoundingSet=",
        );
    }
    if uid_map.split_whitespace().ne(["0", "0", "4294967295"]) {
        return Finding::failure("this is root in a user namespace only")
            .help("Run this, and Podman, as the host's root: Flatnet cannot be used rootless");
    }
    Finding::good("root with all capabilities that Flatnet needs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn tells_root_from_less_than_root() {
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
            let found = judge(&status, map, "flatnet doctor");
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.what.contains(word), "{found:?}");
        }
    }
}
