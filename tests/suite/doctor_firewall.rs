//! The doctor's check of other programs' rules: each is told of in the words of who made it, and what is printed lets
//! containers' packets pass.

use crate::doctor::{Break, Mend, each_is_found_and_mended, well};

/// Before it is broken the container reaches the world, and then no more: `out` asks.
pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "foreign-drops",
        "failure",
        "out; iptables -P FORWARD DROP; ! out",
        "chain FORWARD of table ip filter drops what this host forwards for containers, by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; iptables -P FORWARD ACCEPT; iptables -F FORWARD; iptables -A FORWARD -i fn+ -o lan0 -j REJECT; ! out",
        "by the rule `",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; iptables -F FORWARD; iptables -N DOCKER-USER; iptables -P FORWARD DROP; iptables -A FORWARD -j DOCKER-USER; ! out",
        "by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; nft flush ruleset ip; iptables-legacy -P FORWARD DROP; ! out",
        "chain FORWARD of iptables-legacy drops what this host forwards for containers, by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; iptables-legacy -F FORWARD; iptables-legacy -P FORWARD ACCEPT; iptables-legacy -A FORWARD -s 10.87.0.0/16 -j DROP; ! out",
        "by the rule `-A FORWARD -s 10.87.0.0/16 -j DROP`",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; iptables-legacy -F FORWARD; iptables-legacy -N DOCKER-USER; iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -j DOCKER-USER; ! out",
        "by its policy",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; nft 'add table inet fw; add chain inet fw f { type filter hook forward priority 5; policy drop; }; add rule inet fw f ct state established accept'; ! out",
        "chain f of table inet fw drops",
        Mend::Printed,
    ),
    Break::new(
        "foreign-drops",
        "failure",
        "out; nft 'flush chain inet fw f; add chain inet fw f { policy accept; }; add rule inet fw f tcp dport 22 accept; add rule inet fw f reject'; ! out",
        "by the rule `reject`",
        Mend::Printed,
    ),
];

#[test]
fn foreign_drops_are_found_and_mended() {
    let sandbox = well("");
    sandbox
        .write("/usr/local/bin/out", "#!/bin/sh\nexec ip netns exec c1 ping -c 1 -W 0.5 192.168.77.1 >&2\n");
    sandbox.sh("chmod 755 /usr/local/bin/out; container add c1").succeeds();
    each_is_found_and_mended(&sandbox, BREAKS);
    sandbox.sh("out").succeeds();
}

#[test]
fn fix_leaves_the_rules_of_others_as_they_are() {
    let sandbox = well("");
    let script = "nft 'add table ip fw; add chain ip fw f { type filter hook forward priority 5; policy drop; }'
        nft list table ip fw >before; flatnet doctor --fix --yes || status=$?; nft list table ip fw | diff before -
        exit $status";
    sandbox.sh(script).exits_with(2);
}
