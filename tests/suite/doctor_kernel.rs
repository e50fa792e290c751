//! The doctor's checks of the kernel and of the programs that configure it.

use crate::doctor::{Break, Mend, assert_well, each_is_found_and_mended, findings, well};
use crate::ruleset_text::install_newer_nft;

/// A stand-in for a program imitates a kernel that lacks a feature: it fails as on such a kernel, and otherwise runs
/// the real program. `stand-in PROGRAM` makes one from a script, `stand-in -d PROGRAM` removes it.
const STAND_IN: &str = r#"#!/bin/bash -e
path=$(type -P "${@: -1}")
if [[ $1 = -d ]]; then
    mv "$path.real" "$path"
else
    mv "$path" "$path.real"
    { echo '#!/bin/bash'; cat; echo "exec $path.real \"\$@\""; } >"$path"
    chmod 755 "$path"
fi
"#;

pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "kernel-links",
        "failure",
        r#"stand-in ip <<'END'
if [[ $1 = -batch ]]; then
    lines=$(cat)
    if [[ $lines = *"type veth"* ]]; then
        printf 'Error: Unknown device type.\nCommand failed -:2\n' >&2
        exit 1
    fi
    exec ip.real "$@" <<<"$lines"
fi
END"#,
        "this kernel does not support veth pairs",
        Mend::ByHand("stand-in -d ip"),
    ),
    // A stand-in, because the real limit, user.max_net_namespaces, applies to the whole machine.
    Break::new(
        "kernel-links",
        "failure",
        "stand-in unshare <<<'echo unshare: unshare failed: No space left on device >&2; exit 1'",
        "cannot create a network namespace for the test: `unshare --net -- ip -batch -` exited with 1: unshare: unshare failed: No space left",
        Mend::ByHand("stand-in -d unshare"),
    )
    .also(&["bridge"]),
    Break::new(
        "kernel-nftables",
        "failure",
        r#"stand-in nft <<'END'
if [[ $* = *"-f -"* ]]; then
    text=$(cat)
    if [[ $text = *iifgroup* ]]; then
        echo '/dev/stdin:1:1-62: Error: Could not process rule: Operation not supported' >&2
        exit 1
    fi
    exec nft.real "$@" <<<"$text"
fi
END"#,
        "nftables does not support sets of a link's name and an address",
        Mend::ByHand("stand-in -d nft"),
    )
    .also(&["bridge"]),
    Break::new(
        "programs",
        "failure",
        "mv /usr/sbin/nft /root",
        "the program nft is missing",
        Mend::ByHand("mv /root/nft /usr/sbin"),
    ),
    Break::new(
        "programs",
        "failure",
        "chmod 777 /usr/sbin/nft",
        "is writable by others (mode 0777)",
        Mend::Printed,
    ),
    Break::new(
        "programs",
        "failure",
        "stand-in nft <<<'if [[ $1 = --version ]]; then echo \"nftables v1.0.2 (Lester Gooch)\"; exit; fi'",
        "nft is 1.0.2 (nftables); Flatnet is tested with 1.0.6 and later",
        Mend::ByHand("stand-in -d nft"),
    ),
    Break::new(
        "programs",
        "failure",
        "stand-in nft <<<'if [[ $* = \"-j list chains\" ]]; then shift; fi'",
        "`nft -j list chains` does not print JSON",
        Mend::ByHand("stand-in -d nft"),
    )
    .also(&["foreign-drops"]),
    Break::new(
        "conntrack",
        "warning",
        "mv /usr/sbin/conntrack /root",
        "the program conntrack is missing",
        Mend::ByHand("mv /root/conntrack /usr/sbin"),
    ),
    Break::new(
        "conntrack",
        "warning",
        "stand-in conntrack <<<'[[ $1 = -C ]] || { echo \"conntrack v1.4.7 (conntrack-tools): Protocol not supported\" >&2; exit 1; }'",
        "this kernel does not support deleting flows: ",
        Mend::ByHand("stand-in -d conntrack"),
    ),
    Break::new(
        "nft-versions",
        "failure",
        "nft-13 'add table ip other; add set ip other s { type ipv4_addr; }; add map ip other m { type ipv4_addr : verdict; }; add chain ip other c; add rule ip other c ip saddr vmap { 1.1.1.1 : accept }'",
        "nft 1.0.6 crashes when it lists table ip other",
        Mend::ByHand("nft-13 delete table ip other"),
    ),
    Break::new(
        "nft-versions",
        "warning",
        "ln /usr/local/sbin/nft-13 /usr/local/sbin/nft",
        "there is more than one nft",
        Mend::ByHand("rm /usr/local/sbin/nft"),
    ),
];

/// A kernel without the arp family, such as WSL2's before 6.6.
const WITHOUT_ARP: &str = r#"stand-in nft <<'END'
if [[ $* = *"-f -"* ]]; then
    text=$(cat)
    if [[ $text = *"table arp"* ]]; then
        echo '/dev/stdin:1:1-62: Error: Could not process rule: Operation not supported' >&2
        exit 1
    fi
    exec nft.real "$@" <<<"$text"
elif [[ $* = *" arp "* ]]; then
    echo 'Error: Could not process rule: Operation not supported' >&2
    exit 1
fi
END"#;

#[test]
fn only_plain_needs_the_arp_family() {
    let sandbox = well("");
    sandbox.write("/usr/local/bin/stand-in", STAND_IN);
    sandbox.sh("chmod 755 /usr/local/bin/stand-in").succeeds();
    sandbox.sh(WITHOUT_ARP).succeeds();
    sandbox.sh("flatnet down && flatnet up && container add c1").succeeds();
    assert_well(&sandbox, "without the arp family");
    sandbox.sh("echo 'bridging: plain' >/etc/flatnet/flatnet.yaml").succeeds();
    let found = findings(&sandbox, "");
    let has = |id: &str, what: &str| {
        found.iter().any(|one| one["id"] == id && one["what"].as_str().is_some_and(|it| it.contains(what)))
    };
    assert!(has("kernel-nftables", "nftables does not support the arp family"), "{found:#?}");
}

#[test]
fn kernel_and_program_problems_are_found_and_fixed() {
    let sandbox = well("");
    sandbox.write("/usr/local/bin/stand-in", STAND_IN);
    sandbox.sh("chmod 755 /usr/local/bin/stand-in").succeeds();
    install_newer_nft(&sandbox);
    each_is_found_and_mended(&sandbox, BREAKS);
}
